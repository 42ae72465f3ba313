//! What looks without being asked: the timer, dpkg's trigger and the boot; and what the machine's log says of us.

use super::host::{BINARY, UNIT, apt, as_admin, is_supervised, pid, said, with_package};
use super::support::nspawn::Machine;
use std::time::{Duration, Instant};

const DRIFT: &str = "c2f4b7d2a1e5459e8f1d64b3a90c7be8";
const APPLY: &str = "4dc912a23d00473886482ba549db8332";
const ROLLBACK: &str = "8dcf777e81b54093b44e828b775fc7e2";
const RENDERED: &str = "/etc/redis-harden/redis/default.conf";

/// A field of the newest record with this id; empty where there is none.
fn newest(machine: &Machine, id: &str, field: &str) -> String {
    machine.exec(&["journalctl", "--sync"]).ok();
    let (id, field) = (
        format!("MESSAGE_ID={id}"),
        format!("--output-fields={field}"),
    );
    let all = machine.exec(&["journalctl", "-q", "-n1", "-o", "cat", &field, &id]);
    all.ok().to_owned()
}

#[test]
fn the_timer_looks_and_what_it_finds_is_recorded_measured_and_told_on() {
    let machine = with_package();
    // What its postinst did, and for whom.
    assert_eq!(newest(&machine, APPLY, "REDIS_HARDEN_RUN"), "1");
    assert_eq!(newest(&machine, APPLY, "REDIS_HARDEN_UID"), "0");
    assert_eq!(
        newest(&machine, APPLY, "REDIS_HARDEN_POLICY"),
        "/etc/redis-harden/policy.toml"
    );
    let digest = newest(&machine, APPLY, "REDIS_HARDEN_POLICY_SHA256");
    assert!(
        digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()),
        "{digest}"
    );

    machine.write(
        "/etc/systemd/system/pager.service",
        b"[Service]\nType=oneshot\nExecStart=/usr/bin/touch /run/paged\n",
        0o644,
    );
    machine.write(
        "/etc/systemd/system/redis-harden-drift.service.d/pager.conf",
        b"[Unit]\nOnFailure=pager.service\n",
        0o644,
    );
    machine.write(
        "/etc/systemd/system/redis-harden-drift.timer.d/soon.conf",
        b"[Timer]\nOnActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=100ms\n",
        0o644,
    );
    machine
        .sh(&format!(
            "mkdir -p /var/lib/prometheus/node-exporter; echo 'maxclients 77' >>{RENDERED}; sha256sum {RENDERED} >/root/drifted"
        ))
        .ok();
    let running = pid(&machine);
    machine.systemctl(&["daemon-reload"]).ok();
    machine
        .systemctl(&["restart", "redis-harden-drift.timer"])
        .ok();
    let until = Instant::now() + Duration::from_secs(60);
    while newest(&machine, DRIFT, "REDIS_HARDEN_EXIT").is_empty() {
        assert!(Instant::now() < until, "the timer has recorded nothing");
        std::thread::sleep(Duration::from_millis(200));
    }
    let exit = newest(&machine, DRIFT, "REDIS_HARDEN_EXIT");
    assert!(["1", "2"].contains(&exit.as_str()), "{exit}");
    assert_eq!(newest(&machine, DRIFT, "PRIORITY"), "4");
    machine.exec(&["test", "-e", "/run/paged"]).ok();
    let explained = machine.exec(&["journalctl", "-x", &format!("MESSAGE_ID={DRIFT}")]);
    assert!(
        explained
            .ok()
            .contains("has drifted from the policy of its Redis"),
        "{explained}"
    );
    let metrics = machine.exec(&["cat", "/var/lib/prometheus/node-exporter/redis-harden.prom"]);
    let failed = "redis_harden_check_status{id=\"files.configuration\"";
    let failed = metrics.ok().lines().find(|line| line.starts_with(failed));
    assert!(
        failed.is_some_and(|line| line.ends_with(" 1")),
        "{failed:?}"
    );

    // It has only looked.
    machine.exec(&["sha256sum", "-c", "/root/drifted"]).ok();
    assert_eq!(pid(&machine), running);

    // What is known is no drift; another content of a file never is.
    machine.exec(&["sed", "-i", "$d", RENDERED]).ok();
    let known = "json=/etc/redis-harden/baseline.json";
    machine
        .exec(&[BINARY, "check", "--exit-zero", "--report", known])
        .ok();
    machine
        .systemctl(&["start", "redis-harden-drift.service"])
        .ok();
}

#[test]
fn who_applied_and_who_rolled_back_is_in_the_log_and_in_the_history() {
    let machine = with_package();
    // As pam_loginuid(8) notes who logged in, before he became root.
    let as_him = |command: &str| {
        machine.sh(&format!(
            "echo 1234 >/proc/self/loginuid || exit 99; {command}"
        ))
    };
    machine.write(
        "/etc/redis-harden/policy.d/50-clients.toml",
        b"[redis]\nmaxclients = 5000\n",
        0o644,
    );
    let applied = as_him("redis-harden apply --message 'ticket 42'");
    assert!(applied.code < 2, "{applied}");
    let said = newest(&machine, APPLY, "MESSAGE");
    assert!(said.starts_with("run 2: complete, by uid 0"), "{said}");
    let applied_by = newest(&machine, APPLY, "REDIS_HARDEN_LOGIN_UID");
    assert_eq!(applied_by, "1234");
    machine
        .exec(&["rm", "/etc/redis-harden/policy.d/50-clients.toml"])
        .ok();

    as_him("redis-harden rollback").ok();
    assert_eq!(
        newest(&machine, ROLLBACK, "REDIS_HARDEN_EVENT"),
        "rolled back"
    );
    assert_eq!(newest(&machine, ROLLBACK, "REDIS_HARDEN_RUN"), "2");
    assert_eq!(
        newest(&machine, ROLLBACK, "REDIS_HARDEN_LOGIN_UID"),
        applied_by
    );
    let history = machine.exec(&[BINARY, "history"]);
    let line = history.ok().lines().last().expect("run 2");
    assert!(
        line.contains("rolled back 20") && line.contains(" by uid 0"),
        "{line}"
    );
    assert!(line.ends_with("\"ticket 42\""), "{line}");

    // Another server than the one that was judged, from here on for dpkg.
    as_admin(&machine, &["set", "written", "before"]);
    let replaced = apt(
        &machine,
        &["install", "--reinstall", "redis-server", "redis-tools"],
    );
    println!("{}", self::said(&replaced));
    assert_eq!(
        self::said(&replaced)
            .matches("the server's program was replaced")
            .count(),
        1,
        "{replaced}"
    );
    is_supervised(&machine);
    assert_eq!(as_admin(&machine, &["get", "written"]), "before");
}

#[test]
fn a_boot_repairs_kernel_values_only_and_only_the_firewall_holds_redis_back() {
    let mut machine = with_package();
    as_admin(&machine, &["set", "written", "before"]);
    // Somebody's later file wins at boot; ours is put right in the kernel, and his file is his.
    machine.write(
        "/etc/sysctl.d/99-zzz-somebody.conf",
        b"net.core.somaxconn = 100\n",
        0o644,
    );
    // What drifted in a file is a person's to put right, or the next apply's.
    machine.sh(&format!("echo '# by hand' >>{RENDERED}")).ok();
    let before = machine
        .sh("cat /var/lib/dpkg/status /etc/redis-harden/redis/* /etc/sysctl.d/* | sha256sum")
        .ok()
        .to_owned();
    machine.reboot();
    let held = machine.exec(&["cat", "/proc/sys/net/core/somaxconn"]);
    assert_ne!(held.ok(), "100", "the boot has repaired it");
    let after = machine
        .sh("cat /var/lib/dpkg/status /etc/redis-harden/redis/* /etc/sysctl.d/* | sha256sum");
    assert_eq!(after.ok(), before);
    is_supervised(&machine);
    assert_eq!(machine.property(UNIT, "NRestarts"), "0");

    // One that hangs holds nothing back.
    machine.write(
        "/etc/systemd/system/redis-harden.service.d/broken.conf",
        b"[Service]\nExecStart=\nExecStart=/bin/sleep infinity\nTimeoutStartSec=25s\n",
        0o644,
    );
    machine.reboot();
    is_supervised(&machine);
    let ready = moment(&machine, UNIT, "ActiveEnterTimestampMonotonic");
    let hung = moment(
        &machine,
        "redis-harden.service",
        "ExecMainStartTimestampMonotonic",
    );
    let ended = moment(
        &machine,
        "redis-harden.service",
        "InactiveEnterTimestampMonotonic",
    );
    assert_eq!(
        machine.property("redis-harden.service", "Result"),
        "timeout"
    );
    assert!(
        hung < ready && ready < ended,
        "hung from {hung} to {ended}, Redis was ready at {ready}"
    );

    // Nor does one that fails, or is gone.
    machine.write(
        "/etc/systemd/system/redis-harden.service.d/broken.conf",
        b"[Service]\nExecStart=\nExecStart=/bin/false\nSuccessExitStatus=\n",
        0o644,
    );
    // A Redis that others reach waits for the packet filter, and does without neither.
    machine.write(
        "/etc/redis-harden/policy.d/50-reach.toml",
        b"[redis]\nbind = [\"127.0.0.1\", \"10.99.0.1\"]\n[firewall]\nallow = [\"10.99.0.0/16\"]\n",
        0o644,
    );
    machine.write(
        "/etc/systemd/system/address.service",
        b"[Unit]\nBefore=redis-server.service\n[Service]\nType=oneshot\nExecStart=/sbin/ip address add 10.99.0.1/16 dev lo\nRemainAfterExit=yes\n[Install]\nWantedBy=multi-user.target\n",
        0o644,
    );
    machine
        .systemctl(&["enable", "--now", "address.service"])
        .ok();
    let applied = machine.exec(&[BINARY, "apply"]);
    assert!(applied.code < 2, "{applied}");
    machine.reboot();
    let failed = machine.property("redis-harden.service", "ActiveState");
    assert_ne!(failed, "active");
    is_supervised(&machine);
    let loaded = moment(
        &machine,
        "redis-harden-firewall.service",
        "ExecMainExitTimestampMonotonic",
    );
    let started = moment(&machine, UNIT, "ExecMainStartTimestampMonotonic");
    assert!(
        0 < loaded && loaded <= started,
        "the rules at {loaded}, Redis at {started}"
    );

    machine.write(
        "/etc/redis-harden/firewall.nft",
        b"this is no rule\n",
        0o600,
    );
    machine.reboot();
    assert_ne!(
        machine.systemctl(&["is-active", UNIT]).stdout.trim(),
        "active",
        "open to others without its filter"
    );
}

/// When that was in this boot, in microseconds.
fn moment(machine: &Machine, unit: &str, of: &str) -> u64 {
    let told = machine.property(unit, of);
    told.parse().expect("microseconds")
}
