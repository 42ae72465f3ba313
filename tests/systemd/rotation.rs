//! A former password ends by systemd's timer, also where the host was down at its time.

use super::support::nspawn::Machine;
use super::{BINARY, SOCKET, with_our_binary};

fn lets_in(machine: &Machine, user: &str, password: &str) -> bool {
    let words = ["redis-cli", "-s", SOCKET, "--user", user, "INFO", "server"];
    let said = machine.exec_with(&[("REDISCLI_AUTH", password)], &words);
    said.stdout.contains("redis_version")
}

fn password(machine: &Machine, user: &str) -> String {
    let file = format!("/etc/redis-harden/secrets/{user}");
    machine.exec(&["cat", &file]).ok().trim().to_owned()
}

/// What we log of keys and passwords.
const SECRETS: &str = "MESSAGE_ID=0c6e0f2b8c0b4f1f9a7d3e5b61c94d27";

#[test]
fn a_former_password_ends_by_a_timer_and_the_supervisor_takes_its_own_with_a_restart() {
    let machine = with_our_binary();
    machine.exec(&[BINARY, "apply"]).ok();
    let [app, agent] = ["app", "agent"].map(|user| password(&machine, user));
    let rotate = |words: &[&str]| machine.exec(&[&[BINARY, "secret", "rotate"], words].concat());
    let said = rotate(&["app", "--overlap", "4s"]);
    assert!(said.ok().contains("ends by itself"), "{said}");
    let timer = "redis-harden-rotation.timer";
    assert_eq!(
        machine.systemctl(&["is-active", timer]).stdout.trim(),
        "active"
    );
    assert_eq!(
        machine.systemctl(&["is-enabled", timer]).stdout.trim(),
        "enabled"
    );
    assert!(lets_in(&machine, "app", &app));
    let ended = "for i in $(seq 100); do [ -e /etc/systemd/system/redis-harden-rotation.timer ] || exit 0; sleep 0.2; done; exit 1";
    machine.sh(ended).ok();
    assert!(!lets_in(&machine, "app", &app));
    assert!(lets_in(&machine, "app", &password(&machine, "app")));
    assert_ne!(
        machine.systemctl(&["is-active", timer]).stdout.trim(),
        "active"
    );
    let again = machine.exec(&[BINARY, "apply"]);
    assert!(again.ok().contains("nothing to change"), "{again}");

    // The unit's LoadCredential hands the new one over.
    rotate(&["agent"]).ok();
    rotate(&["agent", "--finish"]).exits(2);
    machine.exec(&[BINARY, "restart"]).ok();
    rotate(&["agent", "--finish"]).ok();
    assert!(!lets_in(&machine, "agent", &agent));
    assert!(
        machine
            .exec(&[BINARY, "status"])
            .ok()
            .contains("default: ready")
    );
    // Who did it can be asked for; the timer is root too.
    let trail = ["journalctl", "--no-pager", "-o", "cat", SECRETS];
    let trail = machine.exec(&trail);
    for what in [
        "secret rotate: default.app has a new password, by uid 0",
        "secret rotate --finish: the former password of default.app is not valid any more, by uid 0",
        "secret rotate: default.agent has a new password, by uid 0",
    ] {
        assert!(trail.ok().contains(what), "{what}: {trail}");
    }
    let journal = machine.sh("journalctl --no-pager -o cat");
    for user in ["app", "agent"] {
        assert!(!journal.stdout.contains(&password(&machine, user)));
    }

    // A rollback in between takes the passwords away, and what would end the former one.
    rotate(&["app"]).ok();
    machine.exec(&[BINARY, "rollback"]).ok();
    let left = "ls /etc/systemd/system /etc/systemd/system/timers.target.wants /var/lib/redis-harden/rotations 2>&1";
    let left = machine.sh(left);
    assert!(!left.stdout.contains("rotation.timer"), "{left}");
    assert!(!left.stdout.contains("app."), "{left}");
    let timers = machine.systemctl(&["is-active", timer]);
    assert_ne!(timers.stdout.trim(), "active", "{timers}");
    let failed = machine.systemctl(&["--failed", "--no-legend", "--plain"]);
    assert_eq!(failed.stdout.trim(), "", "{failed}");
}
