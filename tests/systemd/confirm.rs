//! The dead man's switch, whose waiter is a unit of systemd's.

use super::support::nspawn::Machine;
use super::{BINARY, UNIT};
use std::path::Path;

#[test]
fn what_nobody_confirms_is_rolled_back_also_over_a_reboot() {
    let mut machine = Machine::boot();
    machine.install(Path::new(env!("CARGO_BIN_EXE_redis-harden")), BINARY, 0o755);
    machine.exec(&["mkdir", "-p", "/etc/redis-harden"]).ok();
    let policy = |machine: &Machine, maxclients: u32| {
        let text = format!("[redis]\nmaxclients = {maxclients}\n");
        machine.write("/etc/redis-harden/policy.toml", text.as_bytes(), 0o644);
    };
    let has = |machine: &Machine, maxclients: u32| {
        let line = format!("maxclients {maxclients}");
        let conf = machine.exec(&["cat", "/etc/redis-harden/redis/default.conf"]);
        conf.ok().lines().any(|l| l == line)
    };
    let becomes = |machine: &Machine, maxclients: u32| {
        for _ in 0..150 {
            let history = machine.exec(&[BINARY, "history"]);
            if has(machine, maxclients) && !history.stdout.contains("waits to be confirmed") {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        panic!(
            "{}",
            machine
                .sh("redis-harden history; journalctl -q --no-pager -u 'redis-harden*' | tail -40")
        );
    };
    policy(&machine, 5000);
    machine.exec(&[BINARY, "apply"]).ok();

    policy(&machine, 5001);
    machine
        .exec(&[BINARY, "apply", "--confirm-within", "2s"])
        .ok();
    assert!(has(&machine, 5001));
    becomes(&machine, 5000);

    // The power goes before anybody could confirm.
    machine
        .exec(&[BINARY, "apply", "--confirm-within", "10m"])
        .ok();
    assert!(has(&machine, 5001));
    // And the policy, by which it is to be put back, is spoiled.
    machine.write(
        "/etc/redis-harden/policy.toml",
        b"[redis]\nmaxclients = \n",
        0o644,
    );
    machine.reboot();
    becomes(&machine, 5000);
    assert_eq!(machine.systemctl(&["is-active", UNIT]).ok(), "active");

    policy(&machine, 5001);
    machine
        .exec(&[BINARY, "apply", "--confirm-within", "3s"])
        .ok();
    machine.exec(&[BINARY, "confirm"]).ok();
    machine.reboot();
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert!(has(&machine, 5001), "what was confirmed stays");
    assert_eq!(
        machine
            .systemctl(&["--failed", "--no-legend", "--plain"])
            .ok(),
        ""
    );
}
