//! Restarts under clients that write, expire and remove all the time: what goes of itself is not missed, and no good change is undone.

use super::machine::{BINARY, SOCKET, apply, bare, policy, redis, secret};
use super::processes::server_starts;

const RESTARTS: usize = 4;

/// Restarts the server under its clients, again and again, where it keeps its data in this way.
fn restarts_are_sound(kept: &str) {
    let plain = bare();
    let backlog = |number: usize| {
        policy(
            &plain,
            &format!("[redis]\ntcp-backlog = {number}\n[persistence]\n{kept}\n"),
        );
    };
    backlog(600);
    apply(&plain).ok();
    for i in 0..20 {
        redis(&plain, "app", &["SET", &format!("stays:{i}"), "1"]).ok();
    }
    // Keys of 20 to 400 ms, and others that are removed again; one in thirty that stays.
    let clients = format!(
        "export REDISCLI_AUTH=$(cat {})
        for client in 1 2; do
            ( while [ ! -e /tmp/enough ]; do
                for i in $(seq 1 200); do
                    echo SET soon:$client:$i 1 PX $((i * 2 + 18))
                    echo SET gone:$client:$i 1
                    [ $((i % 30)) = 0 ] || echo DEL gone:$client:$i
                done | redis-cli -s {SOCKET} --user app --no-auth-warning >/dev/null 2>&1
                echo round >>/tmp/rounds
            done ) &
        done; wait",
        secret("app")
    );
    plain.background(&format!("echo begun >&2; {clients}"), "begun");
    let begun = server_starts(&plain);
    for number in 1..=RESTARTS {
        backlog(600 + number);
        let applied = plain.exec(&[BINARY, "apply"]);
        println!("{applied}");
        applied.ok();
    }
    plain.sh("touch /tmp/enough").ok();
    let rounds = plain.read("/tmp/rounds").lines().count();
    assert!(rounds > 20, "somebody wrote: {rounds}");
    assert_eq!(server_starts(&plain), begun + RESTARTS);
    let all: Vec<String> = (0..20).map(|i| format!("stays:{i}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let there = redis(&plain, "app", &[&["EXISTS"], &all[..]].concat());
    assert_eq!(there.ok(), "20");
    let kept = redis(&plain, "admin", &["DBSIZE"]).ok().parse::<u64>();
    assert!(kept.expect("a number") >= 20 + 2 * 6, "they wrote as well");
}

#[test]
fn of_a_snapshot_nothing_is_missed_that_expired_or_was_removed() {
    restarts_are_sound("appendonly = false\nsave = [\"3600 1\"]");
}

#[test]
fn of_an_append_only_file_nothing_is_missed_that_expired_or_was_removed() {
    restarts_are_sound("appendonly = true");
}
