//! The dead man's switch.

use super::machine::{BINARY, applied, apply, bare, history, policy, redis, redis_at, wait_until};
use crate::support::plain::Plain;
use std::time::Duration;

/// Waits until the clients' limit is this; the switch needs its time and a rollback.
fn becomes(plain: &Plain, maxclients: &str) {
    for _ in 0..200 {
        let now = redis(plain, "admin", &["CONFIG", "GET", "maxclients"]);
        if now.stdout.trim_end().ends_with(maxclients) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("maxclients never is {maxclients}: {}", history(plain));
}

#[test]
fn what_nobody_confirms_is_rolled_back_and_what_somebody_does_is_kept() {
    let plain = bare();
    policy(&plain, "[redis]\nmaxclients = 5000\n");
    apply(&plain).ok();
    let within = |time: &str| plain.exec(&[BINARY, "apply", "--confirm-within", time]);
    let confirm = || plain.exec(&[BINARY, "confirm"]);
    assert_eq!(confirm().exits(1), "no run waits to be confirmed");
    assert!(within("1s").ok().contains("nothing to change"));
    assert_eq!(confirm().exits(1), "no run waits to be confirmed");

    // Nobody says a word.
    policy(&plain, "[redis]\nmaxclients = 5001\n");
    let applied = within("2s");
    assert!(
        applied
            .stderr
            .contains("unless you run: redis-harden confirm"),
        "{applied}"
    );
    becomes(&plain, "5001");
    let refused = apply(&plain);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(
        refused.stderr.contains("waits to be confirmed"),
        "{refused}"
    );
    becomes(&plain, "5000");
    std::thread::sleep(Duration::from_millis(500));
    let told = history(&plain);
    assert!(
        told.contains("not confirmed in time, rolled back"),
        "{told}"
    );
    assert!(confirm().exits(1).contains("was not confirmed in time"));

    // Somebody does.
    within("4s").ok();
    assert!(confirm().ok().contains("is confirmed"));
    std::thread::sleep(Duration::from_secs(6));
    becomes(&plain, "5001");
    assert!(apply(&plain).ok().contains("nothing to change"));

    // The connection breaks in the middle, and takes the apply with it.
    policy(&plain, "[redis]\nmaxclients = 5002\n");
    let cut = "setsid /usr/local/sbin/redis-harden apply --confirm-within 2s >/tmp/out 2>&1 </dev/null & pid=$!
        for i in $(seq 400); do grep -q change /tmp/out && break; sleep 0.005; done
        kill -HUP -$pid; kill -KILL -$pid; wait $pid; cat /tmp/out";
    println!("{}", plain.sh(cut));
    std::thread::sleep(Duration::from_secs(4));
    becomes(&plain, "5001");
    assert!(
        !history(&plain).contains("waits to be confirmed"),
        "{}",
        history(&plain)
    );
}

#[test]
fn the_switch_needs_no_policy_file_and_tries_until_the_data_is_saved() {
    let plain = applied();
    redis(&plain, "app", &["SET", "kept", "1"]).ok();
    let within = |text: &str| {
        policy(&plain, text);
        plain
            .exec(&[BINARY, "apply", "--confirm-within", "2s"])
            .ok();
        assert!(
            history(&plain).contains("waits to be confirmed"),
            "{}",
            history(&plain)
        );
    };
    within("[redis]\nmaxclients = 5001\n");
    policy(&plain, "[redis]\nmaxclients = \n");
    becomes(&plain, "10000");

    within("[redis]\nmaxclients = 5002\ntcp-backlog = 601\n");
    plain
        .sh("chown root:root /var/lib/redis && chmod 555 /var/lib/redis")
        .ok();
    std::thread::sleep(Duration::from_secs(19));
    let refused = plain.read("/var/lib/redis-harden/confirm.log");
    assert!(refused.contains("is not rolled back yet"), "{refused}");
    becomes(&plain, "5002");
    plain
        .sh("chown redis:redis /var/lib/redis && chmod 750 /var/lib/redis")
        .ok();
    becomes(&plain, "10000");
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
}

#[test]
fn the_switch_rolls_back_the_instance_whose_policy_is_gone() {
    let plain = bare();
    let b = |text: &str| {
        let text =
            format!("extends = \"production\"\n\n[redis]\nname = \"b\"\nport = 6380\n{text}");
        plain.write("/etc/redis-harden/instances/b.toml", text.as_bytes(), 0o644);
    };
    b("");
    apply(&plain).ok();
    let limit = || {
        let socket = "/run/redis-b/redis-server.sock";
        let told = redis_at(&plain, "b.admin", socket, &["CONFIG", "GET", "maxclients"]);
        told.stdout.trim_end().to_owned()
    };
    b("maxclients = 5001\n");
    let switched = plain.exec(&[BINARY, "apply", "--confirm-within", "2s"]);
    println!("{switched}");
    switched.ok();
    assert!(limit().ends_with("5001"), "{}", limit());
    plain.sh("rm /etc/redis-harden/instances/b.toml").ok();
    wait_until("the rollback", || limit().ends_with("10000"));
}

#[test]
fn a_switch_that_nobody_holds_any_more_is_told() {
    let plain = bare();
    policy(&plain, "[redis]\nmaxclients = 5000\n");
    apply(&plain).ok();
    policy(&plain, "[redis]\nmaxclients = 5001\n");
    let within = [BINARY, "apply", "--confirm-within", "300s"];
    plain.exec(&within).ok();
    let planned = || plain.exec(&[BINARY, "plan"]).stderr;
    let told = planned();
    assert!(told.contains("is rolled back otherwise"), "{told}");
    plain
        .sh("kill -KILL $(pgrep -f 'or-roll-back-i[n]'); sleep 0.3")
        .ok();
    let told = planned();
    assert!(
        told.contains("nobody is left who would roll it back"),
        "{told}"
    );
    plain.exec(&[BINARY, "confirm"]).ok();
    assert_eq!(planned(), "");
}
