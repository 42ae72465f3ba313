//! The main job on a real Debian that no systemd runs: in a container whose first process only reaps.
//!
//! Needs root and `tests/install-deps`; without them every test here fails and says so.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

mod support {
    pub mod disk;
    pub mod left;
    pub mod plain;
    pub mod tree;
}

use support::disk::Ran;
use support::left::left_behind;
use support::plain::Plain;

const BINARY: &str = "/usr/local/sbin/redis-harden";
const SOCKET: &str = "/run/redis/redis-server.sock";
const POLICY: &str = "/etc/redis-harden/policy.toml";
const POLICY_RC_D: &str = "/usr/sbin/policy-rc.d";
const ALLOW: &[u8] = b"#!/bin/sh\n# the image's own\nexit 0\n";
const DENY: &[u8] = b"#!/bin/sh\n# the image's own\nexit 101\n";
const USERS: [&str; 3] = ["admin", "agent", "app"];

// The environment itself.

#[test]
fn the_witness_sees_what_the_package_itself_starts() {
    let plain = bare();
    plain.write(POLICY_RC_D, ALLOW, 0o755);
    watch_redis(&plain);
    install(&plain, &["redis-server"]);
    let started = starts(&plain);
    assert!(
        started
            .iter()
            .any(|argv| argv.contains("/etc/redis/redis.conf")),
        "{started:?}"
    );
}

// apply.

#[test]
fn apply_on_a_bare_debian_leaves_a_hardened_redis_and_a_stock_one_never_ran() {
    let plain = bare();
    watch_redis(&plain);
    let (applied, seen) = watching_processes(|| apply(&plain));
    println!("{applied}");
    applied.ok();

    assert_eq!(plain.sh(&format!("ls -d {POLICY_RC_D}* || true")).ok(), "");
    let started = starts(&plain);
    let [only] = started.as_slice() else {
        panic!("one start, and no other: {started:?}");
    };
    assert!(
        only.starts_with("/etc/redis-harden/redis/default.conf"),
        "{started:?}"
    );
    for package in ["redis-server", "nftables"] {
        let status = plain.exec(&["dpkg-query", "-W", "-f", "${db:Status-Status}", package]);
        assert_eq!(status.ok(), "installed");
    }

    serves_hardened(&plain, "default", SOCKET, 6379);
    assert_nothing_of_ours_is_root(&plain);
    let table = plain.exec(&["nft", "list", "table", "inet", "redis_harden"]);
    assert!(table.ok().contains("6379"), "{table}");

    let said = format!("{}{}", applied.stdout, applied.stderr);
    for password in USERS.map(|user| plain.read(&secret(user))) {
        assert_eq!(password.len(), 64);
        assert!(
            !said.contains(&password),
            "a password is in what apply said"
        );
        assert!(
            !seen.iter().any(|text| text.contains(&password)),
            "a password was in a process's arguments or environment"
        );
        // Where it may be: the file itself. What Redis wrote for itself holds hashes only.
        let holders = plain.exec_with(
            &[("WORD", &password)],
            &[
                "sh",
                "-c",
                "grep -rlF -- \"$WORD\" /etc /var /run /tmp /root || true",
            ],
        );
        assert_eq!(holders.ok().lines().count(), 1, "{holders}");
    }

    // vm.* is this machine's own, whatever it holds: what it lacks is said, with who can mend it.
    for (key, wanted) in [("overcommit_memory", 1), ("swappiness", 10)] {
        let held: i64 = plain
            .read(&format!("/proc/sys/vm/{key}"))
            .parse()
            .expect("a number");
        let lacks = if key == "swappiness" {
            held > wanted
        } else {
            held != wanted
        };
        let told = applied
            .stdout
            .contains(&format!("/proc/sys/vm/{key} is mounted read-only here"));
        assert_eq!(told, lacks, "vm.{key} is {held}: {applied}");
    }
    assert!(
        applied.stdout.contains("not persistent over a reboot"),
        "{applied}"
    );
    let connect = format!("redis-cli -s {SOCKET} --user app --askpass");
    assert!(applied.stdout.contains(&connect), "{applied}");
    assert!(applied.stdout.contains(&secret("app")), "{applied}");
    assert_eq!(plain.exec(&[BINARY, "status"]).code, 0);
}

#[test]
fn a_policy_rc_d_that_denies_all_is_back_as_it_was() {
    let plain = bare();
    plain.write(POLICY_RC_D, DENY, 0o750);
    keeps_the_policy_and_starts_no_stock_redis(&plain);
}

#[test]
fn where_policy_rc_d_allows_all_a_stock_redis_never_ran_either() {
    let plain = bare();
    plain.write(POLICY_RC_D, ALLOW, 0o755);
    keeps_the_policy_and_starts_no_stock_redis(&plain);
}

fn keeps_the_policy_and_starts_no_stock_redis(plain: &Plain) {
    let look = format!("stat -c '%n %F %a %u:%g %h %Y %i' {POLICY_RC_D}*; cat {POLICY_RC_D}");
    let before = plain.sh(&look).ok().to_owned();
    watch_redis(plain);
    apply(plain).ok();
    assert_eq!(plain.sh(&look).ok(), before);
    let started = starts(plain);
    let [only] = started.as_slice() else {
        panic!("one start, and no other: {started:?}");
    };
    assert!(
        only.starts_with("/etc/redis-harden/redis/default.conf"),
        "{started:?}"
    );
    serves_hardened(plain, "default", SOCKET, 6379);
}

#[test]
fn a_second_apply_changes_nothing() {
    let plain = applied();
    let (before, lives, history) = (plain.tree(), lives(&plain), history(&plain));
    let again = apply(&plain);
    assert!(again.ok().starts_with("nothing to change\n"), "{again}");
    assert_eq!(self::lives(&plain), lives);
    assert_eq!(self::history(&plain), history, "no new run");
    let moving = [
        support::left::allow("/var/log/**", support::tree::What::Anything, "logs"),
        support::left::allow(
            "/var/lib/redis/**",
            support::tree::What::Anything,
            "a live Redis's data",
        ),
        support::left::allow(
            "/var/lib/redis-harden/lock",
            support::tree::What::Anything,
            "says who held it last",
        ),
    ];
    let changed = before.unexplained(&plain.tree(), &moving, &BTreeSet::new());
    assert!(changed.is_empty(), "{}", changed.join("\n"));
    assert_eq!(plain.exec(&[BINARY, "plan"]).code, 0);
}

#[test]
fn one_changed_key_is_the_whole_diff_and_one_restart() {
    let plain = applied();
    redis(&plain, "app", &["SET", "kept", "over the restart"]).ok();
    let supervisor = lives(&plain);
    policy(&plain, "[redis]\ntcp-backlog = 600\n");

    let plan = plain.exec(&[BINARY, "plan"]);
    let lines: Vec<&str> = plan.exits(1).lines().map(str::trim).collect();
    let changed = lines.iter().filter(|line| {
        let marked = line.starts_with('+') || line.starts_with('-');
        marked && !line.starts_with("+++") && !line.starts_with("---")
    });
    for line in changed {
        assert!(line.contains("tcp-backlog"), "{line} in {plan}");
    }
    assert!(
        lines.contains(&"-tcp-backlog 511") && lines.contains(&"+tcp-backlog 600"),
        "{plan}"
    );
    assert!(lines.contains(&"restart service default"), "{plan}");
    assert_eq!(lives(&plain), supervisor, "plan changes nothing");

    apply(&plain).ok();
    assert_eq!(
        redis(&plain, "app", &["GET", "kept"]).ok(),
        "over the restart"
    );
    assert!(
        redis(&plain, "admin", &["CONFIG", "GET", "tcp-backlog"])
            .ok()
            .ends_with("600")
    );
    assert_eq!(server_starts(&plain), 2, "restarted once");
    assert!(apply(&plain).ok().starts_with("nothing to change\n"));
}

#[test]
fn what_a_running_server_takes_reaches_it_without_a_restart_and_goes_back_with_a_rollback() {
    let plain = applied();
    let (before, get) = (lives(&plain), |name: &str| {
        let told = redis(&plain, "admin", &["CONFIG", "GET", name]);
        told.ok().lines().nth(1).unwrap_or_default().to_owned()
    });
    policy(
        &plain,
        "[redis]\nmaxclients = 5000\ntimeout = 30\nmaxmemory = \"200mb\"\n\n[acl.app]\nrules = \"~app:*\"\n\n[acl.reader]\nrole = \"read-only\"\n",
    );
    let plan = plain.exec(&[BINARY, "plan"]);
    println!("{plan}");
    let said = plan.exits(1);
    assert!(
        said.contains("maxclients 10000 → 5000") && said.contains("(live, without a restart)"),
        "{plan}"
    );
    assert!(!said.contains("restart service"), "{plan}");

    let applied = apply(&plain);
    println!("{applied}");
    applied.ok();
    assert_eq!(lives(&plain), before, "nothing was started again");
    assert_eq!(get("maxclients"), "5000");
    assert_eq!(get("timeout"), "30");
    assert_eq!(get("maxmemory"), (200_u64 << 20).to_string());
    assert!(says(
        &redis(&plain, "app", &["SET", "other", "1"]),
        "NOPERM"
    ));
    assert_eq!(redis(&plain, "app", &["SET", "app:1", "1"]).ok(), "OK");
    assert_eq!(redis(&plain, "reader", &["GET", "app:1"]).ok(), "1");
    let again = apply(&plain);
    assert!(again.ok().starts_with("nothing to change\n"), "{again}");

    // What somebody sets by hand is seen, and put right.
    redis(&plain, "admin", &["CONFIG", "SET", "timeout", "7"]).ok();
    let drift = plain.exec(&[BINARY, "check", "--only", "service.live"]);
    assert!(drift.exits(1).contains("timeout 7 → 30"), "{drift}");
    apply(&plain).ok();
    assert_eq!(get("timeout"), "30");

    // A start from the files gives the same.
    plain.exec(&[BINARY, "restart"]).ok();
    assert!(apply(&plain).ok().starts_with("nothing to change\n"));

    // The run that put the timeout right, which goes back to what somebody had set; then the one that changed the policy.
    plain.exec(&[BINARY, "rollback"]).ok();
    assert_eq!(get("timeout"), "7");
    redis(&plain, "admin", &["CONFIG", "SET", "timeout", "30"]).ok();
    let before = lives(&plain);
    plain.exec(&[BINARY, "rollback"]).ok();
    assert_eq!(lives(&plain), before, "nor for a rollback");
    assert_eq!(get("maxclients"), "10000");
    assert_eq!(get("timeout"), "0");
    assert_eq!(redis(&plain, "app", &["SET", "other", "1"]).ok(), "OK");
    let users = redis(&plain, "admin", &["ACL", "USERS"]);
    assert!(!users.ok().contains("reader"), "{users}");
}

// rollback.

#[test]
fn rollback_leaves_the_tree_as_it_was() {
    let plain = bare();
    // What the machine does once for itself is done before we look.
    plain.exec(&["apt-get", "-qq", "update"]).ok();
    let before = plain.tree();
    let net = "sysctl net.core.somaxconn net.ipv4.tcp_max_syn_backlog";
    let values = plain.sh(net).ok().to_owned();
    apply(&plain).ok();
    plain.exec(&[BINARY, "rollback"]).ok();
    let left = left_behind(&before, &plain.tree(), |list| plain.read(list));
    assert!(
        left.is_empty(),
        "rollback left {} differences:\n{}",
        left.len(),
        left.join("\n")
    );
    assert_eq!(plain.sh(net).ok(), values);
    assert_eq!(ours(&plain), Vec::<Process>::new(), "no process is left");
    assert_ne!(
        plain
            .exec(&["nft", "list", "table", "inet", "redis_harden"])
            .code,
        0
    );
    assert_eq!(
        plain.exec(&[BINARY, "rollback"]).ok(),
        "nothing to roll back"
    );
    assert!(
        history(&plain).contains("rolled back"),
        "{}",
        history(&plain)
    );
    assert_eq!(
        plain
            .sh("dpkg --verify redis-server redis-tools nftables")
            .ok(),
        ""
    );

    // And there again, on the data of before.
    apply(&plain).ok();
    serves_hardened(&plain, "default", SOCKET, 6379);
}

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
        "[persistence]\nappendonly = false\n\n[service]\nstart-timeout = \"4s\"\nstop-timeout = \"4s\"\n",
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
fn rollbacks_go_back_run_by_run() {
    let plain = applied();
    redis(&plain, "app", &["SET", "kept", "1"]).ok();
    policy(&plain, "[redis]\nmaxclients = 5000\n");
    apply(&plain).ok();
    let conf = "/etc/redis-harden/redis/default.conf";
    assert!(plain.read(conf).contains("maxclients 5000"));
    plain.exec(&[BINARY, "rollback"]).ok();
    assert!(plain.read(conf).contains("maxclients 10000"));
    assert!(
        redis(&plain, "admin", &["CONFIG", "GET", "maxclients"])
            .ok()
            .ends_with("10000")
    );
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
    plain.exec(&[BINARY, "rollback"]).ok();
    assert_eq!(ours(&plain), Vec::<Process>::new());
    assert_eq!(
        plain.exec(&[BINARY, "rollback"]).ok(),
        "nothing to roll back"
    );
}

// What goes wrong.

#[test]
fn a_run_that_a_later_ones_service_stands_on_is_not_rolled_back_under_it() {
    let plain = bare();
    policy(
        &plain,
        "[firewall]\nenabled = false\n\n[redis]\nmaxmemory = \"100mb\"\n",
    );
    apply(&plain).ok();
    plain.write(
        "/etc/redis-harden/instances/two.toml",
        b"[redis]\nport = 6380\nmaxmemory = \"100mb\"\n",
        0o644,
    );
    apply(&plain).ok();
    let before = lives(&plain);

    let refused = plain.exec(&[BINARY, "rollback", "1"]);
    assert!(
        refused
            .exits(1)
            .contains("package redis-server: the service two of run 2 needs it"),
        "{refused}"
    );
    assert_eq!(lives(&plain), before);

    plain.exec(&[BINARY, "rollback"]).ok();
    plain.exec(&[BINARY, "rollback"]).ok();
    assert_eq!(lives(&plain), Vec::<Process>::new());
}

#[test]
fn a_redis_that_does_not_start_gets_its_old_configuration_back() {
    let plain = applied();
    redis(&plain, "app", &["SET", "kept", "1"]).ok();
    let conf = plain.read("/etc/redis-harden/redis/default.conf");

    plain.background("perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen=>1,LocalAddr=>\"127.0.0.1\",LocalPort=>6400) or die; print STDERR \"listening\\n\"; sleep 600'", "listening");
    for (wrong, word) in [
        ("[redis]\nport = 6400\n", "Address already in use"),
        (
            "[redis.directives]\nclient-query-buffer-limit = \"nonsense\"\n",
            "client-query-buffer-limit",
        ),
        (
            "[redis.directives]\nbogus-directive = \"1\"\n",
            "bogus-directive",
        ),
    ] {
        policy(&plain, wrong);
        let failed = apply(&plain);
        println!("{failed}");
        failed.exits(2);
        assert!(says(&failed, word), "its last words: {failed}");
        assert!(!says(&failed, "and undoing it"), "{failed}");
        assert!(guarded(&plain).contains(&6379), "{failed}");
        assert_eq!(plain.read("/etc/redis-harden/redis/default.conf"), conf);
        serves_hardened(&plain, "default", SOCKET, 6379);
        assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
    }
    assert!(
        history(&plain).contains("partly failed"),
        "{}",
        history(&plain)
    );

    policy(&plain, "[redis]\nport = 6401\n");
    apply(&plain).ok();
    serves_hardened(&plain, "default", SOCKET, 6401);
    assert_eq!(guarded(&plain), [6401]);
    assert!(apply(&plain).ok().starts_with("nothing to change\n"));
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
}

#[test]
fn beyond_loopback_a_start_puts_the_filter_in_place_first_or_is_refused() {
    let plain = bare();
    policy(
        &plain,
        "[redis]\nbind = [\"0.0.0.0\"]\n[firewall]\nallow = [\"10.0.0.0/8\"]\n",
    );
    apply(&plain).ok();
    plain.exec(&[BINARY, "stop"]).ok();
    // What a reboot leaves where nothing loads the table.
    plain.sh("nft delete table inet redis_harden").ok();
    plain.exec(&[BINARY, "start"]).ok();
    assert_eq!(guarded(&plain), [6379]);

    plain.exec(&[BINARY, "stop"]).ok();
    plain
        .sh("nft delete table inet redis_harden && rm /etc/redis-harden/firewall.nft")
        .ok();
    let refused = plain.exec(&[BINARY, "start"]);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(
        says(&refused, "the packet filter of its policy is not loaded"),
        "{refused}"
    );
    assert_eq!(ours(&plain), Vec::<Process>::new());
}

#[test]
fn two_instances_run_beside_each_other() {
    let plain = bare();
    plain.write(
        "/etc/redis-harden/instances/b.toml",
        b"extends = \"production\"\n\n[redis]\nname = \"b\"\nport = 6380\n",
        0o644,
    );
    let applied = apply(&plain);
    println!("{applied}");
    applied.ok();
    let b = "/run/redis-b/redis-server.sock";
    serves_hardened(&plain, "default", SOCKET, 6379);
    serves_hardened(&plain, "b", b, 6380);
    let dir = |user: &str, socket| {
        redis_at(&plain, user, socket, &["CONFIG", "GET", "dir"])
            .ok()
            .to_owned()
    };
    assert_ne!(dir("admin", SOCKET), dir("b.admin", b));
    assert_ne!(plain.read(&secret("admin")), plain.read(&secret("b.admin")));
    let table = plain.exec(&["nft", "list", "ruleset"]);
    assert_eq!(table.ok().matches("table ").count(), 1, "{table}");
    assert!(
        table.ok().contains("6379") && table.ok().contains("6380"),
        "{table}"
    );

    let bytes = |user: &str, socket| -> u64 {
        let answer = redis_at(&plain, user, socket, &["CONFIG", "GET", "maxmemory"]);
        answer
            .ok()
            .lines()
            .last()
            .unwrap_or_default()
            .parse()
            .expect("bytes")
    };
    let meminfo = plain.read("/proc/meminfo");
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.trim().strip_suffix("kB"));
    let memory = 1024
        * kib
            .expect("MemTotal in kB")
            .trim()
            .parse::<u64>()
            .expect("a number");
    let sum = bytes("admin", SOCKET) + bytes("b.admin", b);
    assert!(sum > 0 && sum * 2 <= memory, "{sum} of {memory}");

    let default = lives(&plain);
    plain.exec(&[BINARY, "stop", "b"]).ok();
    let left: Vec<Process> = lives(&plain);
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().all(|process| default.contains(process)));
    assert_eq!(plain.exec(&[BINARY, "status"]).code, 3);
    serves_hardened(&plain, "default", SOCKET, 6379);
    apply(&plain).ok();
    serves_hardened(&plain, "b", b, 6380);
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
fn without_packages_the_rest_is_applied_and_nothing_is_half_done() {
    let plain = bare();
    plain.sh("cp /etc/apt/sources.list /root/; echo 'deb [trusted=yes] file:/nowhere ./' >/etc/apt/sources.list").ok();
    let failed = apply(&plain);
    println!("{failed}");
    failed.exits(2);
    assert_eq!(plain.sh("dpkg --audit").ok(), "");
    assert_eq!(plain.sh(&format!("ls -d {POLICY_RC_D}* || true")).ok(), "");
    assert_eq!(
        plain
            .exec(&["sysctl", "-n", "net.ipv4.tcp_max_syn_backlog"])
            .ok(),
        "4096"
    );
    assert_eq!(ours(&plain), Vec::<Process>::new());
    plain.sh("cp /root/sources.list /etc/apt/").ok();
    apply(&plain).ok();
    serves_hardened(&plain, "default", SOCKET, 6379);
}

#[test]
fn a_held_dpkg_lock_is_waited_for_and_its_holder_named() {
    let plain = bare();
    plain.background(
        "exec perl -e 'open F, \">>\", \"/var/lib/dpkg/lock-frontend\" or die; $l = pack(\"s s x4 q q i\", 1, 0, 0, 0, 0); fcntl F, 6, $l or die; print STDERR \"held $$\\n\"; sleep 4'",
        "held",
    );
    let waited = apply(&plain);
    waited.ok();
    assert!(waited.stderr.contains("waiting for perl (pid "), "{waited}");
}

#[test]
fn two_applies_at_once_follow_each_other() {
    let plain = bare();
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| apply(&plain));
        let two = scope.spawn(|| apply(&plain));
        (one.join().expect("it ran"), two.join().expect("it ran"))
    });
    one.ok();
    two.ok();
    let idle = [&one, &two]
        .iter()
        .filter(|ran| ran.stdout.starts_with("nothing to change"))
        .count();
    assert_eq!(idle, 1, "{one}\n{two}");
    assert_eq!(history(&plain).lines().count(), 1);
    serves_hardened(&plain, "default", SOCKET, 6379);
}

/// `REDIS_HARDEN_TEST_KILLS` says how many points; `REDIS_HARDEN_TEST_SEED` which.
#[test]
fn an_apply_that_was_killed_anywhere_is_finished_by_the_next() {
    let wanted: u32 = from_environment("REDIS_HARDEN_TEST_KILLS").unwrap_or(9);
    let mut seed = seed();
    let mut killed = 0;
    while killed < wanted {
        let plain = bare();
        // Three cuts into one machine's way, the later ones into what recovers the earlier.
        let mut cuts = 0;
        for _ in 0..3 {
            let line = random(&mut seed) % 60 + 1;
            cuts += u32::from(cut(&plain, "apply", line, &mut seed));
        }
        let healed = apply(&plain);
        assert!(healed.code == 0, "{healed}\n{}", history(&plain));
        serves_hardened(&plain, "default", SOCKET, 6379);
        let known = history(&plain);
        // One that had changed nothing yet is no run.
        assert!(!known.contains("interrupted\n"), "{known}");
        assert_eq!(plain.sh(&format!("ls -d {POLICY_RC_D}* || true")).ok(), "");
        assert_eq!(
            plain.sh("find / -xdev -name '.*.redis-harden.*'").ok(),
            "",
            "{known}"
        );
        assert_eq!(plain.sh("dpkg --audit").ok(), "");
        assert!(apply(&plain).ok().starts_with("nothing to change\n"));
        assert_eq!(lives(&plain).len(), 2, "{:?}", lives(&plain));
        killed += cuts;
        assert!(cuts > 0, "not one cut came in time");
    }
}

#[test]
fn a_change_or_a_rollback_that_was_killed_keeps_the_data() {
    let plain = applied();
    redis(&plain, "app", &["SET", "kept", "1"]).ok();
    let (mut seed, mut cuts) = (seed(), 0);
    // Every second one costs a restart, and the others none.
    for (maxclients, backlog) in [(5000, 600), (5001, 600), (5002, 601), (5003, 601)] {
        policy(
            &plain,
            &format!("[redis]\nmaxclients = {maxclients}\ntcp-backlog = {backlog}\n"),
        );
        cuts += u32::from(cut(&plain, "apply", random(&mut seed) % 6 + 1, &mut seed));
        apply(&plain).ok();
        serves_hardened(&plain, "default", SOCKET, 6379);
        let now = redis(&plain, "admin", &["CONFIG", "GET", "maxclients"]);
        assert!(now.ok().ends_with(&maxclients.to_string()), "{now}");
        assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
    }
    assert!(cuts > 0, "not one cut came in time");
    while !ours(&plain).is_empty() {
        cut(&plain, "rollback", random(&mut seed) % 12 + 1, &mut seed);
        plain.exec(&[BINARY, "rollback"]).ok();
    }
    let left = plain.exec(&[BINARY, "rollback"]);
    assert_eq!(left.ok(), "nothing to roll back", "{}", history(&plain));
    assert_eq!(ours(&plain), Vec::<Process>::new());
    assert_eq!(plain.sh("find / -xdev -name '.*.redis-harden.*'").ok(), "");
    apply(&plain).ok();
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
}

/// Runs a command and kills it a moment after a line of its progress, with its process group or alone; whether it was still there.
fn cut(plain: &Plain, command: &str, line: u64, seed: &mut u64) -> bool {
    let (pause, group) = (random(seed) % 60, random(seed) % 2 == 1);
    let script = CUT
        .replace("COMMAND", command)
        .replace("LINE", &line.to_string())
        .replace("PAUSE", &format!("0.{pause:03}"))
        .replace("WHOM", if group { "-" } else { "" });
    let cut = plain.sh(&script);
    println!(
        "{command}, line {line}, {pause} ms, group {group}: {}",
        cut.ok()
    );
    cut.ok().starts_with("killed")
}

/// Where the random cuts are made; printed, so that they can be made again.
fn seed() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let seed = from_environment("REDIS_HARDEN_TEST_SEED").unwrap_or(now.as_secs());
    println!("REDIS_HARDEN_TEST_SEED={seed}");
    seed
}

const CUT: &str = r#"
setsid /usr/local/sbin/redis-harden COMMAND >/tmp/out 2>/tmp/err </dev/null &
pid=$!
while [ "$(wc -l </tmp/err)" -lt LINE ] && kill -0 $pid 2>/dev/null; do sleep 0.005; done
sleep PAUSE
env kill -KILL -- WHOM$pid 2>/dev/null && echo "killed at: $(tail -n 1 /tmp/err)" || echo "ended before"
wait $pid
:"#;

#[test]
fn a_full_or_read_only_disk_leaves_the_old_state() {
    let plain = applied();
    redis(&plain, "app", &["SET", "kept", "1"]).ok();
    policy(&plain, "[redis]\nmaxclients = 5000\n");
    let faults = [
        (
            "a full /var/lib/redis-harden",
            "/var/lib/redis-harden",
            "dd if=/dev/zero of=/var/lib/redis-harden/fill bs=4k 2>/dev/null || true",
            "ENOSPC",
        ),
        (
            "a full /etc",
            "/etc",
            "dd if=/dev/zero of=/etc/fill bs=4k 2>/dev/null || true",
            "ENOSPC",
        ),
        (
            "a read-only /etc",
            "/etc",
            "mount -o remount,ro,bind /etc",
            "EROFS",
        ),
    ];
    for (what, dir, fault, word) in faults {
        plain.sh(&format!("mkdir -p /mnt/small && mount -t tmpfs -o mode=755,size=8m tmpfs /mnt/small && cp -a {dir}/. /mnt/small/ && mount --bind /mnt/small {dir} && umount /mnt/small; {fault}")).ok();
        let (before, lived) = (
            plain
                .sh("cd /etc/redis-harden && find . -type f | sort | xargs sha256sum")
                .ok()
                .to_owned(),
            lives(&plain),
        );
        let failed = apply(&plain);
        println!("{what}: {failed}");
        failed.exits(2);
        assert!(says(&failed, word), "{what}: {failed}");
        assert!(!says(&failed, "and undoing it"), "{what}: {failed}");
        assert_eq!(
            plain
                .sh("cd /etc/redis-harden && find . -type f | sort | xargs sha256sum")
                .ok(),
            before,
            "{what}"
        );
        assert_eq!(lives(&plain), lived, "{what}");
        serves_hardened(&plain, "default", SOCKET, 6379);
        plain.sh(&format!("umount {dir}")).ok();
    }
    apply(&plain).ok();
    assert!(
        redis(&plain, "admin", &["CONFIG", "GET", "maxclients"])
            .ok()
            .ends_with("5000")
    );
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
    assert_eq!(plain.sh("find / -xdev -name '.*.redis-harden.*'").ok(), "");
}

// What the tests above share.

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
fn a_replica_is_not_made_a_primary_by_a_restart_that_nobody_named() {
    let plain = applied();
    plain
        .sh("redis-server --port 7398 --bind 127.0.0.1 --save '' --daemonize yes --dir /tmp --pidfile /tmp/primary.pid")
        .ok();
    redis(&plain, "admin", &["REPLICAOF", "127.0.0.1", "7398"]).ok();
    let role = || {
        let told = redis(&plain, "admin", &["INFO", "replication"]);
        told.ok().lines().nth(1).unwrap_or_default().to_owned()
    };
    policy(&plain, "[redis]\ntcp-backlog = 601\n");
    let put_off = apply(&plain);
    let said = put_off.exits(1);
    assert!(
        said.contains("is a replica of 127.0.0.1:7398") && said.contains("--restart default"),
        "{put_off}"
    );
    assert_eq!(role(), "role:slave");

    policy(
        &plain,
        "[redis]\ntcp-backlog = 601\n\n[redis.directives]\nreplicaof = \"127.0.0.1 7398\"\n",
    );
    println!("{}", apply(&plain));
    assert_eq!(role(), "role:slave");
    plain.sh("kill $(cat /tmp/primary.pid)").ok();
}

#[test]
fn a_primary_with_replicas_is_restarted_only_where_it_is_named() {
    let plain = bare();
    policy(&plain, "[redis]\ntcp-backlog = 600\n");
    apply(&plain).ok();
    redis(&plain, "app", &["SET", "kept", "1"]).ok();
    let password = plain.read(&secret("admin"));
    let replica = format!(
        "mkdir -p /tmp/replica && redis-server --port 7399 --bind 127.0.0.1 --dir /tmp/replica --save '' --daemonize yes \
         --replicaof 127.0.0.1 6379 --masteruser admin --masterauth '{}' --pidfile /tmp/replica/pid >/dev/null
         for i in $(seq 100); do redis-cli -p 7399 INFO replication | grep -q master_link_status:up && break; sleep 0.1; done
         redis-cli -p 7399 INFO replication | grep master_link_status",
        password.trim()
    );
    assert!(plain.sh(&replica).ok().contains("up"));

    policy(&plain, "[redis]\ntcp-backlog = 601\n");
    let put_off = apply(&plain);
    let said = put_off.exits(1);
    assert!(
        said.contains("restart pending") && said.contains("--restart default"),
        "{put_off}"
    );
    let wrong = plain.exec(&[BINARY, "apply", "--restart", "another"]);
    assert!(
        wrong.exits(2).is_empty() && wrong.stderr.contains("no such instance"),
        "{wrong}"
    );
    plain.exec(&[BINARY, "apply", "--restart", "default"]).ok();
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
    assert!(apply(&plain).ok().contains("nothing to change"));
    plain.sh("kill $(cat /tmp/replica/pid)").ok();
}

fn bare() -> Plain {
    let plain = Plain::start();
    plain.install(Path::new(env!("CARGO_BIN_EXE_redis-harden")), BINARY, 0o755);
    plain
}

fn applied() -> Plain {
    let plain = bare();
    apply(&plain).ok();
    plain
}

fn apply(plain: &Plain) -> Ran {
    plain.exec(&[BINARY, "apply"])
}

fn history(plain: &Plain) -> String {
    plain.exec(&[BINARY, "history"]).ok().to_owned() + "\n"
}

fn policy(plain: &Plain, text: &str) {
    plain.write(
        POLICY,
        format!("extends = \"production\"\n\n{text}").as_bytes(),
        0o644,
    );
}

fn secret(user: &str) -> String {
    format!("/etc/redis-harden/secrets/{user}")
}

fn install(plain: &Plain, packages: &[&str]) {
    plain.exec(&["apt-get", "-qq", "update"]).ok();
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    plain
        .exec_with(
            &quiet,
            &[&["apt-get", "-qqy", "install"], packages].concat(),
        )
        .ok();
}

/// From now on /var/log/witness has the arguments of every start of /usr/bin/redis-server: the package's own is diverted,
/// and what stands in its place writes them down.
fn watch_redis(plain: &Plain) {
    plain.write("/usr/bin/redis-server", WITNESS.as_bytes(), 0o755);
    plain.sh("mkdir -p /usr/lib/witness && ln -s /usr/bin/redis-check-rdb /usr/lib/witness/redis-server
        touch /var/log/witness && chmod 666 /var/log/witness
        dpkg-divert --quiet --local --no-rename --divert /usr/bin/redis-server.diverted --add /usr/bin/redis-server").ok();
}

/// Debian's redis-server is a link to redis-check-rdb, which looks at the name it was called by.
const WITNESS: &str = r#"#!/bin/sh
echo "$*" >>/var/log/witness
exec /usr/lib/witness/redis-server "$@"
"#;

fn starts(plain: &Plain) -> Vec<String> {
    let lines = plain.read("/var/log/witness");
    let questions = |line: &&str| !matches!(*line, "--version" | "-v");
    // A configuration is tried without network and data before it is put in place.
    let rehearsals = |line: &&str| !line.starts_with("/run/redis-harden-rehearsal-");
    let starts = lines.lines().filter(questions).filter(rehearsals);
    starts.map(str::to_owned).collect()
}

/// How often the log says that a server began.
fn server_starts(plain: &Plain) -> usize {
    plain
        .read("/var/log/redis/redis-server.log")
        .matches("Redis is starting")
        .count()
}

/// The arguments and environments of all processes that were there meanwhile, as often as we could look.
fn watching_processes<T>(act: impl FnOnce() -> T) -> (T, BTreeSet<String>) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                    for file in ["cmdline", "environ"] {
                        // Not a process, or gone: nothing to see.
                        let text = std::fs::read(process.path().join(file)).unwrap_or_default();
                        seen.insert(String::from_utf8_lossy(&text).into_owned());
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            seen
        });
        let done = act();
        over.store(true, Ordering::Relaxed);
        (done, watcher.join().expect("it only reads"))
    })
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    pid: String,
    parent: String,
    user: String,
    arguments: String,
}

fn processes(plain: &Plain) -> Vec<Process> {
    let listed = plain.exec(&["ps", "-eo", "pid=,ppid=,user:32=,args="]);
    let process = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        Some(Process {
            pid: words.next()?,
            parent: words.next()?,
            user: words.next()?,
            arguments: words.collect::<Vec<_>>().join(" "),
        })
    };
    listed
        .ok()
        .lines()
        .filter_map(process)
        .filter(|p| !p.arguments.starts_with("ps "))
        .collect()
}

/// Every process of ours or of Redis.
fn ours(plain: &Plain) -> Vec<Process> {
    let named = |p: &Process| p.arguments.contains("redis");
    processes(plain).into_iter().filter(named).collect()
}

/// The supervisors and their servers.
fn lives(plain: &Plain) -> Vec<Process> {
    let all = ours(plain);
    assert!(all.iter().all(|p| p.user == "redis"), "{all:?}");
    all
}

#[track_caller]
fn assert_nothing_of_ours_is_root(plain: &Plain) {
    let root: Vec<String> = processes(plain)
        .into_iter()
        .filter(|p| p.user != "redis")
        .map(|p| p.arguments)
        .collect();
    assert_eq!(root, ["(sd-stubinit)", "sleep infinity"]);
    for process in lives(plain) {
        let status = plain.read(&format!("/proc/{}/status", process.pid));
        for line in [
            "CapEff:\t0000000000000000",
            "CapPrm:\t0000000000000000",
            "CapAmb:\t0000000000000000",
            "CapInh:\t0000000000000000",
        ] {
            assert!(status.contains(line), "{line} of {process:?}:\n{status}");
        }
    }
}

fn redis(plain: &Plain, user: &str, words: &[&str]) -> Ran {
    redis_at(plain, user, SOCKET, words)
}

/// As a user of an instance: `user`, or `instance.user`.
fn redis_at(plain: &Plain, user: &str, socket: &str, words: &[&str]) -> Ran {
    let password = plain.read(&secret(user));
    let name = user.rsplit('.').next().unwrap_or(user);
    let login = [
        "redis-cli",
        "-s",
        socket,
        "--user",
        name,
        "--no-auth-warning",
    ];
    plain.exec_with(&[("REDISCLI_AUTH", &password)], &[&login, words].concat())
}

/// Our supervisor runs it, and everybody may do what they are there for and nothing else.
#[track_caller]
fn serves_hardened(plain: &Plain, instance: &str, socket: &str, port: u16) {
    let all = lives(plain);
    let supervisor = all
        .iter()
        .find(|p| p.arguments == format!("{BINARY} supervise {instance}"));
    let supervisor = supervisor.unwrap_or_else(|| panic!("no supervisor of {instance}: {all:?}"));
    let server = all
        .iter()
        .find(|p| p.parent == supervisor.pid && p.arguments.starts_with("/usr/"));
    assert!(
        server.is_some_and(|p| p.arguments.ends_with(&format!(":{port}"))),
        "{all:?}"
    );

    let prefix = if instance == "default" {
        String::new()
    } else {
        format!("{instance}.")
    };
    let ask =
        |user: &str, words: &[&str]| redis_at(plain, &format!("{prefix}{user}"), socket, words);
    for user in USERS {
        assert_eq!(ask(user, &["PING"]).ok(), "PONG");
        let access = plain.exec(&[
            "stat",
            "-c",
            "%U:%G %a",
            &secret(&format!("{prefix}{user}")),
        ]);
        assert_eq!(access.ok(), "root:root 600");
    }
    for stranger in [&["-s", socket][..], &["-p", &port.to_string()]] {
        let refused = plain.exec(&[&["redis-cli"], stranger, &["PING"]].concat());
        assert!(says(&refused, "NOAUTH"), "{refused}");
    }
    let forbidden: [(&str, &[&str]); 8] = [
        ("app", &["CONFIG", "GET", "dir"]),
        ("app", &["FLUSHALL"]),
        ("app", &["KEYS", "*"]),
        ("app", &["EVAL", "return 1", "0"]),
        ("agent", &["GET", "key"]),
        ("agent", &["CONFIG", "GET", "dir"]),
        ("agent", &["ACL", "LIST"]),
        ("agent", &["SAVE"]),
    ];
    for (user, words) in forbidden {
        let refused = ask(user, words);
        assert!(says(&refused, "NOPERM"), "{user} {words:?}: {refused}");
    }
    assert!(says(&ask("agent", &["INFO", "server"]), "redis_version"));
}

/// The ports that our table in the kernel looks at.
fn guarded(plain: &Plain) -> Vec<u16> {
    let set = plain.exec(&["nft", "list", "set", "inet", "redis_harden", "ports"]);
    let elements = set
        .ok()
        .split_once("elements = {")
        .map_or("", |(_, rest)| rest);
    let ports = elements.split('}').next().unwrap_or_default().split(',');
    ports.filter_map(|port| port.trim().parse().ok()).collect()
}

fn says(ran: &Ran, word: &str) -> bool {
    ran.stdout.contains(word) || ran.stderr.contains(word)
}

fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{what} did not come"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

/// xorshift64*: enough to choose where to cut.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
}
