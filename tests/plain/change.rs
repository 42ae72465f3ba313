//! Changes of a policy on a running server: what reaches it live, and what takes a restart.

use super::machine::{
    BINARY, SOCKET, applied, apply, bare, policy, redis, redis_at, says, secret, serves_hardened,
};
use super::processes::{Process, lives, ours, server_starts};

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
    assert!(lines.contains(&"# files.configuration; restart"), "{plan}");
    assert!(lines.contains(&"# service.running; restart"), "{plan}");
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
        said.contains("maxclients 10000 → 5000") && said.contains("# service.live; live"),
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
fn a_server_with_a_process_namespace_of_its_own_is_found_changed_and_rolled_back() {
    let plain = applied();
    redis(&plain, "app", &["SET", "kept", "apart"]).ok();
    policy(&plain, "[service]\npid-namespace = true\n");
    apply(&plain).ok();
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "apart");

    let status = plain.exec(&[BINARY, "status"]);
    let said = status.ok();
    assert!(said.contains("sandbox: processes holds"), "{status}");
    let server = ours(&plain)
        .into_iter()
        .find(|process| process.arguments.starts_with("/usr/bin/redis-server"))
        .expect("a server");
    assert!(said.contains(&format!("pid {},", server.pid)), "{status}");
    let check = plain.exec(&[BINARY, "check", "--only", "account.*,limits.*"]);
    assert!(!check.stdout.contains("unknown"), "{check}");
    let again = apply(&plain);
    assert!(again.ok().starts_with("nothing to change\n"), "{again}");

    plain.exec(&[BINARY, "rollback"]).ok();
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "apart");
    let status = plain.exec(&[BINARY, "status"]);
    assert!(!status.ok().contains("processes holds"), "{status}");
    plain.exec(&[BINARY, "stop"]).ok();
    assert_eq!(ours(&plain), [], "nothing is left");
}
