//! What a server holds outlives applies, rollbacks and crashes, in whichever file it is kept.

use super::install::{DENY, POLICY_RC_D};
use super::machine::{
    BINARY, SOCKET, applied, apply, bare, install, policy, redis, says, secret, serves_hardened,
    wait_until,
};
use super::processes::{lives, ours};
use std::time::Duration;

#[test]
fn what_a_stock_redis_saves_after_a_rollback_is_there_after_the_next_apply() {
    let plain = applied();
    redis(&plain, "app", &["SET", "first", "1"]).ok();
    let rolled_back = plain.exec(&[BINARY, "rollback"]);
    println!("{rolled_back}");
    rolled_back.ok();
    let aside = "ls -d /var/lib/redis/appendonlydir.set-aside-*";
    assert_eq!(plain.sh(aside).ok().lines().count(), 1);

    plain.sh("/etc/init.d/redis-server start >/dev/null").ok();
    let stock = |words: &[&str]| plain.exec(&[&["redis-cli"], words].concat());
    wait_until("the stock server", || {
        stock(&["GET", "first"]).stdout.trim() == "1"
    });
    stock(&["SET", "second", "2"]).ok();
    stock(&["SHUTDOWN"]);
    wait_until("its end", || plain.sh("pidof redis-server").code != 0);

    apply(&plain).ok();
    for (key, value) in [("first", "1"), ("second", "2")] {
        assert_eq!(redis(&plain, "app", &["GET", key]).ok(), value);
    }
}

#[test]
fn a_rollback_to_the_append_only_file_has_what_was_written_without_it() {
    let plain = applied();
    redis(&plain, "app", &["SET", "first", "1"]).ok();
    policy(&plain, "[persistence]\nappendonly = false\n");
    let without = apply(&plain);
    println!("{without}");
    without.ok();
    redis(&plain, "app", &["SET", "second", "2"]).ok();
    let rolled_back = plain.exec(&[BINARY, "rollback"]);
    println!("{rolled_back}");
    rolled_back.ok();
    for (key, value) in [("first", "1"), ("second", "2")] {
        assert_eq!(redis(&plain, "app", &["GET", key]).ok(), value);
    }
    let appendonly = redis(&plain, "admin", &["CONFIG", "GET", "appendonly"]);
    assert!(appendonly.ok().ends_with("yes"), "{appendonly}");
}

#[test]
fn a_server_that_was_emptied_can_go_without_its_append_only_file() {
    let plain = applied();
    redis(&plain, "app", &["SET", "first", "1"]).ok();
    redis(&plain, "app", &["DEL", "first"]).ok();
    policy(&plain, "[persistence]\nappendonly = false\n");
    let without = apply(&plain);
    println!("{without}");
    without.ok();
    let appendonly = redis(&plain, "admin", &["CONFIG", "GET", "appendonly"]);
    assert!(appendonly.ok().ends_with("no"), "{appendonly}");
    plain.exec(&[BINARY, "restart"]).ok();
    redis(&plain, "app", &["SET", "second", "2"]).ok();
    plain.exec(&[BINARY, "rollback"]).ok();
    assert_eq!(redis(&plain, "app", &["GET", "second"]).ok(), "2");
}

#[test]
fn append_only_files_from_before_a_time_without_them_are_not_loaded_again() {
    let plain = applied();
    redis(&plain, "app", &["SET", "a", "1"]).ok();
    // Without it, and a stop: from here on only the snapshot has all data.
    policy(&plain, "[persistence]\nappendonly = false\n");
    apply(&plain).ok();
    plain.sh("mv /var/lib/redis/appendonlydir.set-aside-* /var/lib/redis/appendonlydir 2>/dev/null || true").ok();
    plain.exec(&[BINARY, "restart"]).ok();
    redis(&plain, "app", &["SET", "a", "2"]).ok();
    plain.exec(&[BINARY, "stop"]).ok();
    policy(&plain, "[persistence]\nappendonly = true\n");
    let again = apply(&plain);
    println!("{again}");
    again.ok();
    assert_eq!(redis(&plain, "app", &["GET", "a"]).ok(), "2");
    let aside = "ls -d /var/lib/redis/appendonlydir.set-aside-*";
    assert_eq!(
        plain.sh(aside).ok().lines().count(),
        1,
        "kept, under another name"
    );
}

#[test]
fn a_server_that_is_down_is_not_rolled_back_to_what_does_not_read_its_data() {
    let plain = applied();
    redis(&plain, "app", &["SET", "first", "1"]).ok();
    // Killed with its supervisor: no snapshot was left.
    for process in ours(&plain) {
        plain
            .sh(&format!("kill -9 {} 2>/dev/null || true", process.pid))
            .ok();
    }
    wait_until("its end", || ours(&plain).is_empty());
    let refused = plain.exec(&[BINARY, "rollback"]);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(
        refused.stderr.contains("redis-harden start default"),
        "{refused}"
    );
    plain.exec(&[BINARY, "start", "default"]).ok();
    assert_eq!(redis(&plain, "app", &["GET", "first"]).ok(), "1");
    plain.exec(&[BINARY, "rollback"]).ok();
    plain.sh("/etc/init.d/redis-server start >/dev/null").ok();
    wait_until("the stock server", || {
        plain.exec(&["redis-cli", "GET", "first"]).stdout.trim() == "1"
    });
}

#[test]
fn a_server_that_was_killed_is_not_started_without_its_append_only_file() {
    let plain = applied();
    redis(&plain, "app", &["SET", "first", "1"]).ok();
    for process in ours(&plain) {
        plain
            .sh(&format!("kill -9 {} 2>/dev/null || true", process.pid))
            .ok();
    }
    wait_until("its end", || ours(&plain).is_empty());
    policy(&plain, "[persistence]\nappendonly = false\n");
    let refused = apply(&plain);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(refused.stderr.contains("may hold what"), "{refused}");
    // As it says: back, and the change while it runs.
    policy(&plain, "[persistence]\nappendonly = true\n");
    apply(&plain).ok();
    assert_eq!(redis(&plain, "app", &["GET", "first"]).ok(), "1");
    policy(&plain, "[persistence]\nappendonly = false\n");
    apply(&plain).ok();
    assert_eq!(redis(&plain, "app", &["GET", "first"]).ok(), "1");
}

#[test]
fn a_clean_stop_without_save_points_leaves_a_snapshot_that_nobody_trusts() {
    let plain = applied();
    redis(&plain, "app", &["SET", "first", "1"]).ok();
    redis(&plain, "admin", &["SAVE"]).ok();
    policy(&plain, "[persistence]\nsave = []\n");
    apply(&plain).ok();
    redis(&plain, "app", &["SET", "second", "2"]).ok();
    plain.exec(&[BINARY, "stop"]).ok();
    // The newest run only changed the save points; the one before made the append-only file.
    plain.exec(&[BINARY, "rollback"]).ok();
    plain.exec(&[BINARY, "stop"]);
    policy(&plain, "[persistence]\nsave = []\nappendonly = false\n");
    let refused = apply(&plain);
    println!("{refused}");
    policy(&plain, "");
    apply(&plain).ok();
    for (key, value) in [("first", "1"), ("second", "2")] {
        assert_eq!(redis(&plain, "app", &["GET", key]).ok(), value);
    }
}

#[test]
fn a_server_that_cannot_save_outlives_an_apply_that_waits_for_it_in_vain() {
    let plain = bare();
    policy(
        &plain,
        "[persistence]\nappendonly = false\n\n[service]\nstop-timeout = \"4s\"\n",
    );
    apply(&plain).ok();
    redis(&plain, "app", &["SET", "first", "1"]).ok();
    redis(&plain, "admin", &["SAVE"]).ok();
    redis(&plain, "app", &["SET", "second", "2"]).ok();
    let before = lives(&plain);
    plain
        .sh("chown root:root /var/lib/redis && chmod 555 /var/lib/redis")
        .ok();
    redis(&plain, "admin", &["BGSAVE"]).ok();
    wait_until("the save has failed", || {
        let status = plain.exec(&[BINARY, "status"]);
        status.stdout.contains("default: busy") && status.stdout.contains("last save err")
    });
    let refused = apply(&plain);
    refused.exits(2);
    assert!(
        refused.stderr.contains("it runs, and is not ready"),
        "{refused}"
    );
    assert_eq!(lives(&plain), before, "{refused}");
    assert_eq!(redis(&plain, "app", &["GET", "second"]).ok(), "2");
}

#[test]
fn a_server_that_was_told_not_to_save_leaves_a_snapshot_that_nobody_trusts() {
    let plain = applied();
    redis(&plain, "app", &["SET", "first", "1"]).ok();
    redis(&plain, "admin", &["SAVE"]).ok();
    redis(&plain, "admin", &["CONFIG", "SET", "save", ""]).ok();
    redis(&plain, "app", &["SET", "second", "2"]).ok();
    plain.exec(&[BINARY, "stop"]).ok();
    policy(&plain, "[persistence]\nappendonly = false\n");
    let refused = apply(&plain);
    refused.exits(2);
    assert!(
        refused.stderr.contains("may hold what"),
        "it says why: {refused}"
    );
    policy(&plain, "");
    apply(&plain).ok();
    assert_eq!(redis(&plain, "app", &["GET", "second"]).ok(), "2");
}

#[test]
fn what_is_written_while_the_append_only_file_is_left_is_there_afterwards() {
    let plain = bare();
    let only = |kept: &str| policy(&plain, &format!("[persistence]\n{kept}\n"));
    only("appendonly = false\nsave = [\"3600 1\"]");
    apply(&plain).ok();
    only("appendonly = true\nsave = []");
    apply(&plain).ok();
    // Of what was answered with OK nothing may be missing.
    let writer = format!(
        "export REDISCLI_AUTH=$(cat {})
        i=0; while [ ! -e /tmp/enough ]; do i=$((i+1))
            redis-cli -s {SOCKET} --user app --no-auth-warning SET key:$i 1 | grep -q OK && echo key:$i >>/tmp/answers
        done",
        secret("app")
    );
    let missing = |command: &[&str]| {
        plain.sh("rm -f /tmp/enough /tmp/answers").ok();
        plain.background(&format!("echo begun >&2; {writer}"), "begun");
        std::thread::sleep(Duration::from_secs(1));
        plain.exec(&[&[BINARY], command].concat()).ok();
        plain.sh("touch /tmp/enough; sleep 1").ok();
        let answered = plain.read("/tmp/answers");
        assert!(answered.lines().count() > 20, "somebody wrote: {answered}");
        let all = [&["EXISTS"], answered.lines().collect::<Vec<_>>().as_slice()].concat();
        let there: usize = redis(&plain, "app", &all).ok().parse().expect("a number");
        answered.lines().count() - there
    };
    assert_eq!(missing(&["rollback"]), 0, "by a rollback");
    only("appendonly = true\nsave = []");
    apply(&plain).ok();
    only("appendonly = false\nsave = [\"3600 1\"]");
    assert_eq!(missing(&["apply"]), 0, "by an apply");
}

#[test]
fn a_snapshot_that_is_being_written_is_waited_for_before_another() {
    let plain = applied();
    for i in 0..8 {
        redis(&plain, "app", &["SET", &format!("key{i}"), "1"]).ok();
    }
    let delay = |micros: &str| {
        let words = ["CONFIG", "SET", "rdb-key-save-delay", micros];
        redis(&plain, "admin", &words).ok();
    };
    delay("1500000");
    redis(&plain, "admin", &["BGSAVE"]).ok();
    delay("0");
    policy(&plain, "[persistence]\nappendonly = false\n");
    let persistence = redis(&plain, "admin", &["INFO", "persistence"]);
    assert!(
        says(&persistence, "rdb_bgsave_in_progress:1"),
        "{persistence}"
    );
    let applied = apply(&plain);
    println!("{applied}");
    applied.ok();
    assert_eq!(redis(&plain, "admin", &["DBSIZE"]).ok(), "8");
}

#[test]
fn a_stock_redis_with_data_is_taken_over_without_losing_a_key() {
    let plain = bare();
    plain.write(POLICY_RC_D, DENY, 0o755);
    install(&plain, &["redis-server"]);
    plain.sh("/etc/init.d/redis-server start >/dev/null").ok();
    let stock = |words: &[&str]| plain.exec(&[&["redis-cli"], words].concat());
    wait_until("the stock server", || {
        stock(&["PING"]).stdout.trim() == "PONG"
    });
    stock(&[
        "EVAL",
        "for i = 1, 500 do redis.call('SET', 'key' .. i, i) end",
        "0",
    ])
    .ok();
    let pid = plain
        .sh("pidof redis-server redis-check-rdb")
        .ok()
        .to_owned();

    let refused = apply(&plain);
    println!("{refused}");
    refused.exits(2);
    assert!(says(&refused, &format!("pid {pid}")), "{refused}");
    assert_eq!(stock(&["DBSIZE"]).ok(), "500");

    // The next step, as it is printed; and another server on the same data, where nobody asks for it.
    assert!(says(&refused, "stop it"), "{refused}");
    stock(&["CONFIG", "SET", "appendonly", "no"]).ok();
    stock(&["SHUTDOWN"]);
    wait_until("its end", || plain.sh("pidof redis-server").code != 0);
    plain.sh("rm -rf /var/lib/redis/appendonlydir").ok();
    plain
        .sh("setpriv --reuid redis --regid redis --clear-groups redis-server --port 7777 --dir /var/lib/redis --daemonize yes --logfile ''")
        .ok();
    let hidden = |words: &[&str]| plain.exec(&[&["redis-cli", "-p", "7777"], words].concat());
    wait_until("the hidden server", || {
        hidden(&["DBSIZE"]).stdout.trim() == "500"
    });
    let refused = apply(&plain);
    println!("{refused}");
    refused.exits(2);
    assert!(says(&refused, "works in /var/lib/redis"), "{refused}");
    assert_eq!(
        plain
            .sh("ls /etc/redis-harden/redis/default.conf; true")
            .ok(),
        ""
    );
    assert_eq!(hidden(&["DBSIZE"]).ok(), "500");
    hidden(&["SHUTDOWN"]);
    wait_until("its end", || plain.sh("pidof redis-server").code != 0);

    // Down without ever having had an append-only file: its snapshot becomes the first.
    let applied = apply(&plain);
    println!("{applied}");
    applied.ok();
    assert!(
        says(&applied, "making the first append-only file"),
        "{applied}"
    );
    serves_hardened(&plain, "default", SOCKET, 6379);
    assert_eq!(redis(&plain, "admin", &["DBSIZE"]).ok(), "500");
    assert_eq!(redis(&plain, "app", &["GET", "key250"]).ok(), "250");
}

#[test]
fn a_cache_that_keeps_nothing_on_disk_is_not_emptied_by_a_restart() {
    let plain = bare();
    let cache = |more: &str| {
        policy(
            &plain,
            &format!("[redis]\n{more}\n[persistence]\nappendonly = false\nsave = []\n"),
        );
    };
    cache("tcp-backlog = 600");
    apply(&plain).ok();
    redis(&plain, "app", &["SET", "kept", "1"]).ok();

    cache("tcp-backlog = 601");
    let put_off = apply(&plain);
    assert!(put_off.exits(1).contains("restart pending"), "{put_off}");
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
    // What needs no restart reaches it all the same.
    cache("tcp-backlog = 601\nmaxclients = 5003");
    apply(&plain).exits(1);
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
    let now = redis(&plain, "admin", &["CONFIG", "GET", "maxclients"]);
    assert!(now.ok().ends_with("5003"), "{now}");

    cache("tcp-backlog = 601\nmaxclients = 5003\ndisposable = true");
    apply(&plain).ok();
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "");
}

#[test]
fn turning_the_append_only_file_on_keeps_what_the_naive_way_would_lose() {
    let plain = bare();
    policy(
        &plain,
        "[persistence]\nappendonly = false\nsave = [\"3600 1\"]\n",
    );
    apply(&plain).ok();
    let all = [
        "EVAL",
        "for i=1,1000 do redis.call('SET', 'key:'..i, i) end",
        "0",
    ];
    redis(&plain, "admin", &all).ok();
    redis(&plain, "admin", &["SAVE"]).ok();

    // The naive way: the directive in the file, and a restart. Redis then reads its append-only files alone.
    let naive = plain.sh(
        "mkdir /tmp/naive && cp /var/lib/redis/dump.rdb /tmp/naive && cd /tmp/naive
        redis-server --port 0 --unixsocket /tmp/naive/sock --appendonly yes --daemonize yes >/dev/null
        for i in $(seq 100); do redis-cli -s /tmp/naive/sock PING 2>/dev/null | grep -q PONG && break; sleep 0.1; done
        redis-cli -s /tmp/naive/sock DBSIZE; redis-cli -s /tmp/naive/sock SHUTDOWN NOSAVE",
    );
    assert_eq!(naive.ok(), "0");

    policy(&plain, "[persistence]\nappendonly = true\nsave = []\n");
    apply(&plain).ok();
    assert_eq!(redis(&plain, "admin", &["DBSIZE"]).ok(), "1000");
    // Also by what is on disk: nothing else is read after a kill.
    plain
        .sh("kill -KILL $(pgrep -x redis-server) && rm -f /var/lib/redis/dump.rdb")
        .ok();
    wait_until("Redis is back", || {
        says(&redis(&plain, "app", &["PING"]), "PONG")
    });
    assert_eq!(redis(&plain, "admin", &["DBSIZE"]).ok(), "1000");
}
