//! The main job on Debian 13 under its systemd, with its Redis 8.0 and its Valkey 8.1.
//!
//! Needs root and `tests/install-deps`; without them every test here fails and says so.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

use std::path::Path;

#[allow(dead_code, reason = "shared with tests/systemd")]
mod support {
    pub mod disk;
    pub mod nspawn;
    pub mod tree;
}

use support::nspawn::Machine;

const BINARY: &str = "/usr/local/sbin/redis-harden";

#[test]
fn redis_8_0_is_hardened_stays_so_over_a_reboot_and_a_second_apply() {
    holds("redis");
}

#[test]
fn valkey_8_1_is_hardened_stays_so_over_a_reboot_and_a_second_apply() {
    holds("valkey");
}

#[track_caller]
fn holds(flavour: &str) {
    let mut machine = Machine::boot_of("trixie");
    machine.install(Path::new(env!("CARGO_BIN_EXE_redis-harden")), BINARY, 0o755);
    machine.exec(&["mkdir", "-p", "/etc/redis-harden"]).ok();
    let policy = format!("extends = \"production\"\n\n[redis]\nflavour = \"{flavour}\"\n");
    machine.write("/etc/redis-harden/policy.toml", policy.as_bytes(), 0o644);

    println!("{}", machine.exec(&[BINARY, "apply"]).ok());
    serves(&machine, flavour);
    let unit = format!("{flavour}-server.service");
    let pid = machine.property(&unit, "MainPID");
    let again = machine.exec(&[BINARY, "apply"]);
    assert!(again.ok().contains("nothing to change"), "{again}");
    assert_eq!(machine.property(&unit, "MainPID"), pid, "{again}");

    machine.reboot();
    serves(&machine, flavour);
    let check = machine.exec(&[BINARY, "check"]);
    println!("{check}");
    assert_eq!(failing(&machine), BEYOND, "after a reboot: {check}");

    exposes(&machine, &unit, "10");
    let alone = policy.replace("[redis]", "[redis]\nport = 0");
    machine.write("/etc/redis-harden/policy.toml", alone.as_bytes(), 0o644);
    machine.exec(&[BINARY, "apply"]).ok();
    serves(&machine, flavour);
    exposes(&machine, &unit, "3");
    machine.exec(&[BINARY, "rollback"]).ok();
    serves(&machine, flavour);
    lives_apart(&machine, flavour, &policy);

    // A directive that this version does not know is refused before anything is written.
    let wrong = format!("{policy}\n[redis.directives]\nnew-in-version-99 = \"1\"\n");
    machine.write("/etc/redis-harden/policy.toml", wrong.as_bytes(), 0o644);
    let refused = machine.exec(&[BINARY, "apply"]);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(refused.stderr.contains("new-in-version-99"), "{refused}");
    serves(&machine, flavour);
    machine.write("/etc/redis-harden/policy.toml", policy.as_bytes(), 0o644);
    assert!(
        machine
            .exec(&[BINARY, "apply"])
            .ok()
            .contains("nothing to change")
    );

    machine.exec(&[BINARY, "rollback"]).ok();
    let active = machine.systemctl(&["is-active", &unit]);
    assert_ne!(active.code, 0, "no server runs where none ran: {active}");
    let left = machine.sh("find /etc/redis-harden /etc/systemd/system -newer /etc/hostname -name '*redis-harden*' -type f | sort");
    assert_eq!(left.ok(), "", "{left}");
}

/// In a process namespace that systemd 257 makes; `status` finds it there.
#[track_caller]
fn lives_apart(machine: &Machine, flavour: &str, policy: &str) {
    let apart = format!("{policy}\n[service]\npid-namespace = true\n");
    machine.write("/etc/redis-harden/policy.toml", apart.as_bytes(), 0o644);
    machine.exec(&[BINARY, "apply"]).ok();
    serves(machine, flavour);
    let status = machine.exec(&[BINARY, "status", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(status.ok()).expect("JSON");
    let instance = report.pointer("/instances/0").expect("an instance");
    let pid = instance.get("pid").and_then(|pid| pid.as_i64());
    let pid = pid.expect("the server's process");
    let numbers = machine.sh(&format!("grep ^NSpid: /proc/{pid}/status"));
    assert!(numbers.ok().split_whitespace().count() > 2, "{numbers}");
    let layers = instance.get("sandbox").and_then(|layers| layers.as_array());
    let missing: Vec<_> = layers
        .expect("layers")
        .iter()
        .filter(|layer| layer.get("holds") != Some(&true.into()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(status.stdout.contains("\"processes\""), "{status}");
    assert_eq!(failing(machine), BEYOND);
    let again = machine.exec(&[BINARY, "apply"]);
    assert!(again.ok().contains("nothing to change"), "{again}");
    machine.exec(&[BINARY, "rollback"]).ok();
    serves(machine, flavour);
}

/// What no apply in a container can mend, and a hole that Debian has not mended yet.
const BEYOND: [&str; 2] = ["cve.mitigated", "files.data-mount"];

/// The failing controls, but for the kernel values and the room that are this machine's.
fn failing(machine: &Machine) -> Vec<String> {
    let check = machine.exec(&[
        BINARY,
        "check",
        "--format",
        "json",
        "--skip",
        "system.*,kernel.overcommit-memory,kernel.swappiness,files.free-space",
    ]);
    let report: serde_json::Value = serde_json::from_str(&check.stdout).expect("JSON");
    let controls = report.get("controls").and_then(|c| c.as_array());
    let text = |value: &serde_json::Value, key: &str| {
        value.get(key).and_then(|v| v.as_str()).map(str::to_owned)
    };
    let open = controls
        .expect("controls")
        .iter()
        .filter(|control| matches!(text(control, "status").as_deref(), Some("fail" | "unknown")));
    let mut ids: Vec<String> = open.filter_map(|control| text(control, "id")).collect();
    ids.sort();
    ids
}

/// At most this much, in tenths, by this Debian's own systemd.
#[track_caller]
fn exposes(machine: &Machine, unit: &str, tenths: &str) {
    let threshold = [
        "systemd-analyze",
        "security",
        "--no-pager",
        "--threshold",
        tenths,
    ];
    machine.exec(&[&threshold[..], &[unit]].concat()).ok();
}

#[track_caller]
fn serves(machine: &Machine, flavour: &str) {
    let unit = format!("{flavour}-server.service");
    assert_eq!(machine.systemctl(&["is-active", &unit]).ok(), "active");
    let secret = machine.exec(&["cat", "/etc/redis-harden/secrets/admin"]);
    let (client, socket) = (
        format!("{flavour}-cli"),
        format!("/run/{flavour}/{flavour}-server.sock"),
    );
    let ping = [&client, "-s", &socket, "--user", "admin", "ping"];
    let known = machine.exec_with(&[("REDISCLI_AUTH", secret.ok())], &ping);
    assert_eq!(known.ok(), "PONG", "{known}");
}
