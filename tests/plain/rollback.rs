//! Rollbacks: the tree, run by run, and over what stands on them.

use super::machine::{
    BINARY, SOCKET, applied, apply, bare, guarded, history, policy, redis, says, serves_hardened,
};
use super::processes::{Process, lives, ours};
use crate::support::left::left_behind;

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
