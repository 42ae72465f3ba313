//! What the first apply on a bare machine installs, and that no stock Redis ever ran on the way.

use super::machine::{
    BINARY, SOCKET, USERS, applied, apply, bare, history, secret, serves_hardened,
};
use super::processes::{assert_nothing_of_ours_is_root, lives, real_starts, watching_processes};
use crate::support::plain::Plain;
use std::collections::BTreeSet;

pub const POLICY_RC_D: &str = "/usr/sbin/policy-rc.d";
const ALLOW: &[u8] = b"#!/bin/sh\n# the image's own\nexit 0\n";
pub const DENY: &[u8] = b"#!/bin/sh\n# the image's own\nexit 101\n";

#[test]
fn what_the_package_itself_starts_is_seen() {
    let plain = bare();
    plain.write(POLICY_RC_D, ALLOW, 0o755);
    plain.exec(&["apt-get", "-qq", "update"]).ok();
    let installs = "DEBIAN_FRONTEND=noninteractive apt-get -qqy install redis-server";
    let (installed, started) = plain.exec_and_servers(&["sh", "-c", installs]);
    installed.ok();
    assert!(
        real_starts(&started)
            .iter()
            .any(|argv| argv.contains("/etc/redis/redis.conf")),
        "{started:?}"
    );
}

#[test]
fn apply_on_a_bare_debian_leaves_a_hardened_redis_and_a_stock_one_never_ran() {
    let plain = bare();
    let ((applied, started), seen) =
        watching_processes(|| plain.exec_and_servers(&[BINARY, "apply"]));
    println!("{applied}");
    applied.ok();

    assert_eq!(plain.sh(&format!("ls -d {POLICY_RC_D}* || true")).ok(), "");
    let started = real_starts(&started);
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
    let (applied, started) = plain.exec_and_servers(&[BINARY, "apply"]);
    applied.ok();
    assert_eq!(plain.sh(&look).ok(), before);
    let started = real_starts(&started);
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
        crate::support::left::allow("/var/log/**", crate::support::tree::What::Anything, "logs"),
        crate::support::left::allow(
            "/var/lib/redis/**",
            crate::support::tree::What::Anything,
            "a live Redis's data",
        ),
        crate::support::left::allow(
            "/var/lib/redis-harden/lock",
            crate::support::tree::What::Anything,
            "says who held it last",
        ),
    ];
    let changed = before.unexplained(&plain.tree(), &moving, &BTreeSet::new());
    assert!(changed.is_empty(), "{}", changed.join("\n"));
    assert_eq!(plain.exec(&[BINARY, "plan"]).code, 0);
}
