//! The main job on Debian 13 under its systemd, with its Redis 8.0 and its Valkey 8.1.
//!
//! Needs root and `tests/install-deps`; without them every test here fails and says so.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

use std::path::Path;

#[allow(dead_code, reason = "shared with tests/systemd.rs")]
mod support {
    pub mod disk;
    pub mod nspawn;
    pub mod tree;
}

use support::nspawn::Machine;

const BINARY: &str = "/usr/local/sbin/redis-harden";

#[test]
#[ignore = "known gap: apply exits 1, hide-user-data-from-log of Redis 8.0 is demanded and not rendered"]
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
    assert!(matches!(check.code, 0 | 1), "check after a reboot: {check}");
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
