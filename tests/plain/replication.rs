//! Replicas and primaries are told apart, and restarted only where they are named.

use super::machine::{BINARY, applied, apply, bare, policy, redis, secret, wait_until};

#[test]
fn a_replica_is_not_made_a_primary_by_a_restart_that_nobody_named() {
    let plain = applied();
    policy(&plain, "[redis]\ntcp-backlog = 600\n");
    apply(&plain).ok();
    plain
        .sh("redis-server --port 7398 --bind 127.0.0.1 --save '' --daemonize yes --dir /tmp --pidfile /tmp/primary.pid")
        .ok();
    redis(&plain, "admin", &["REPLICAOF", "127.0.0.1", "7398"]).ok();
    let rollback = plain.exec(&[BINARY, "rollback"]);
    rollback.exits(2);
    let said = "is a replica of 127.0.0.1:7398, and would start as a primary";
    assert!(rollback.stderr.contains(said), "{rollback}");
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

    // A rollback restarts it too.
    policy(&plain, "[redis]\ntcp-backlog = 602\n");
    plain.exec(&[BINARY, "apply", "--restart", "default"]).ok();
    wait_until("the replica", || {
        let told = redis(&plain, "admin", &["INFO", "replication"]);
        told.ok().contains("connected_slaves:1")
    });
    let refused = plain.exec(&[BINARY, "rollback"]);
    refused.exits(2);
    assert!(
        refused.stderr.contains("is a primary, and 1 connected"),
        "{refused}"
    );
    let backlog = || redis(&plain, "admin", &["CONFIG", "GET", "tcp-backlog"]);
    assert!(backlog().ok().ends_with("602"));
    plain.exec(&[BINARY, "rollback", "--force"]).ok();
    assert!(backlog().ok().ends_with("601"));
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
    plain.sh("kill $(cat /tmp/replica/pid)").ok();
}
