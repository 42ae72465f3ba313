//! `/run/redis-harden/result.json`: what programs are told of an apply that nobody watched.

use super::machine::{BINARY, apply, bare, policy};
use crate::support::plain::Plain;

const FILE: &str = "/run/redis-harden/result.json";

/// In the container's own /run, which the disk does not show.
fn result(plain: &Plain) -> serde_json::Value {
    let ran = plain.exec(&["cat", FILE]);
    serde_json::from_str(ran.ok()).expect("JSON")
}

#[track_caller]
fn there_is_none(plain: &Plain) {
    plain.exec(&["test", "-e", FILE]).exits(1);
}

#[test]
fn an_apply_leaves_its_result_for_programs_and_never_an_older_ones() {
    let plain = bare();
    there_is_none(&plain);
    plain.exec(&[BINARY, "apply", "--dry-run"]).exits(1);
    there_is_none(&plain);

    // What is wrong before anything was begun.
    policy(&plain, "[redis]\nbinnd = 1\n");
    let refused = apply(&plain);
    refused.exits(2);
    let told = result(&plain);
    assert_eq!(told["exit-code"], 2);
    assert!(told["run"].is_null(), "{told}");
    let trouble = told["trouble"].as_str().expect("a text");
    assert!(trouble.contains("binnd"), "{trouble}");
    assert!(refused.stderr.contains(trouble), "{refused}");
    policy(&plain, "");

    // One that is killed, as it waits for somebody else's package manager.
    plain.background(
        "exec perl -e 'open F, \">>\", \"/var/lib/dpkg/lock-frontend\" or die; $l = pack(\"s s x4 q q i\", 1, 0, 0, 0, 0); fcntl F, 6, $l or die; open P, \">\", \"/tmp/holder\"; print P $$; close P; print STDERR \"held $$\\n\"; sleep 120'",
        "held",
    );
    let killed = format!(
        "{BINARY} apply >/tmp/said 2>&1 & until grep -q 'waiting for perl' /tmp/said; do sleep 0.1; done; kill -KILL $!; wait $!"
    );
    plain.sh(&killed).exits(137);
    there_is_none(&plain);
    plain.sh("kill $(cat /tmp/holder)").ok();

    let done = plain.exec(&[BINARY, "apply", "--message", "first boot"]);
    done.ok();
    assert!(!done.stdout.contains('\x1b') && !done.stderr.contains('\x1b'));
    let told = result(&plain);
    assert_eq!(told["schema"], 1);
    assert_eq!(told["exit-code"], 0);
    assert_eq!(told["boot"], false);
    assert_eq!(told["message"], "first boot");
    assert_eq!(told["failed"], 0);
    assert!(told["trouble"].is_null(), "{told}");
    assert!(told["run"].is_u64(), "{told}");
    let changes = format!("{} changes:", told["changed"]);
    assert!(done.stdout.starts_with(&changes), "{changes} {done}");
    let left = format!("{} left:", told["left"]);
    assert!(done.stdout.contains(&left), "{left} {done}");
    let access = plain.exec(&["stat", "-c", "%U:%G %a", FILE]);
    assert_eq!(access.ok(), "root:root 600");

    // Again, with somebody's link in its place.
    plain.sh(&format!("ln -sf /etc/hostname {FILE}")).ok();
    let hostname = plain.read("/etc/hostname");
    apply(&plain).ok();
    assert_eq!(plain.read("/etc/hostname"), hostname);
    let told = result(&plain);
    assert!(told["run"].is_null() && told["message"].is_null(), "{told}");
    assert_eq!(told["changed"], 0);

    // Where it cannot be left, whoever waits for it must hear that.
    plain
        .sh("rm -r /run/redis-harden && touch /run/redis-harden")
        .ok();
    let deaf = apply(&plain);
    deaf.exits(2);
    assert!(deaf.stderr.contains("/run/redis-harden"), "{deaf}");
}
