//! A replica logs in at its primary as a user of the policy, with a password that is in no file that anybody is shown.

use super::machine::{BINARY, applied, apply, flavour, redis, redis_at, wait_until};
use crate::support::plain::Plain;

const SECRET: &str = "/etc/redis-harden/secrets/replica";
const AUTH: &str = "/etc/redis-harden/redis/two.auth";
const USER: &str = "[acl.replica]\nrole = \"replica\"\npassword-file = \"/etc/redis-harden/secrets/replica\"\n\
    [replication]\nuser = \"replica\"\n";

fn other() -> String {
    let flavour = flavour();
    format!("/run/{flavour}-two/{flavour}-server.sock")
}

fn policies(plain: &Plain, user: &str) {
    let flavour = flavour();
    let one = format!(
        "extends = \"production\"\n[redis]\nflavour = \"{flavour}\"\nmaxmemory = \"64mb\"\n{user}"
    );
    let two = format!(
        "extends = \"production\"\n[redis]\nflavour = \"{flavour}\"\nport = 6380\nmaxmemory = \"64mb\"\n[redis.directives]\nreplicaof = \"127.0.0.1 6379\"\n{user}"
    );
    plain.write("/etc/redis-harden/policy.toml", one.as_bytes(), 0o644);
    plain.sh("mkdir -p /etc/redis-harden/instances").ok();
    plain.write(
        "/etc/redis-harden/instances/two.toml",
        two.as_bytes(),
        0o644,
    );
}

fn is_up(plain: &Plain) -> bool {
    let told = redis_at(plain, "two.admin", &other(), &["INFO", "replication"]);
    told.stdout.contains("master_link_status:up")
}

/// The link is cut, and comes again with what the replica has by now.
#[track_caller]
fn comes_again(plain: &Plain) {
    redis(plain, "admin", &["CLIENT", "KILL", "TYPE", "replica"]).ok();
    wait_until("the end of the link", || {
        redis(plain, "admin", &["INFO", "replication"])
            .stdout
            .contains("connected_slaves:0")
            || is_up(plain)
    });
    wait_until("the link", || is_up(plain));
    let as_whom = redis(plain, "admin", &["CLIENT", "LIST", "TYPE", "replica"]);
    assert!(as_whom.ok().contains("user=replica"), "{as_whom}");
}

/// Only where it has to be.
fn is_nowhere_else(plain: &Plain, password: &str) {
    let found = plain.sh(&format!(
        "grep -rl {password} /etc /run /var/lib /var/log 2>/dev/null | sort; true"
    ));
    let places = [AUTH, SECRET, "/etc/redis-harden/redis/default.auth"];
    let found: Vec<&str> = found.ok().lines().filter(|f| !places.contains(f)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_replica_logs_in_with_a_password_that_nobody_is_shown() {
    let plain = applied();
    policies(&plain, USER);
    let said = plain.exec(&[BINARY, "-vv", "apply"]);
    println!("{said}");
    said.ok();
    wait_until("the link", || is_up(&plain));
    let password = || plain.read(SECRET).trim().to_owned();
    let first = password();
    assert!(!said.stdout.contains(&first) && !said.stderr.contains(&first));
    assert_eq!(
        plain.exec(&["stat", "-c", "%U:%G %a", AUTH]).ok(),
        format!("root:{} 640", flavour())
    );
    let as_whom = redis(&plain, "admin", &["CLIENT", "LIST", "TYPE", "replica"]);
    assert!(as_whom.ok().contains("user=replica"), "{as_whom}");
    let again = apply(&plain);
    assert!(again.ok().contains("nothing to change"), "{again}");
    let check = |glob: &str| plain.exec(&[BINARY, "check", "--only", glob, "--fail-on", "low"]);
    for glob in [
        "replication.password-file",
        "config.plaintext-secret",
        "config.drift-running",
        "files.configuration",
    ] {
        let ran = check(glob);
        assert_eq!(ran.code, 0, "{ran}");
    }
    is_nowhere_else(&plain, &first);

    // A new password reaches both sides; the link stays, and comes again.
    let rotated = plain.exec(&[BINARY, "secret", "rotate", "replica"]);
    println!("{rotated}");
    rotated.ok();
    let second = password();
    assert_ne!(first, second);
    assert!(is_up(&plain) && plain.read(AUTH).contains(&second));
    comes_again(&plain);
    plain
        .exec(&[BINARY, "secret", "rotate", "replica", "--finish"])
        .ok();
    comes_again(&plain);
    assert!(apply(&plain).ok().contains("nothing to change"));
    for password in [&first, &second] {
        is_nowhere_else(&plain, password);
    }

    // The twin that is attacked does without it, and a copy of all data is a replica's work.
    let attempt = ["check", "--with", "prove", "--only", "prove.rogue-replica"];
    let proven = plain.exec(&[&[BINARY], &attempt[..]].concat());
    assert!(proven.ok().contains("prove.rogue-replica"), "{proven}");

    // What somebody changes, in the server or in the file, is a finding that an apply mends.
    redis_at(
        &plain,
        "two.admin",
        &other(),
        &["CONFIG", "SET", "masterauth", "wrong"],
    )
    .ok();
    check("replication.password-file").exits(1);
    let plan = plain.exec(&[BINARY, "plan"]);
    println!("{plan}");
    assert!(!plan.stdout.contains(&second), "{plan}");
    apply(&plain).ok();
    comes_again(&plain);
    plain
        .sh(&format!("echo masterauth wrong >{AUTH}; chmod 644 {AUTH}"))
        .ok();
    check("replication.password-file").exits(1);
    apply(&plain).ok();
    assert!(plain.read(AUTH).contains(&second));
    plain.exec(&[BINARY, "restart", "two"]).ok();
    wait_until("the link", || is_up(&plain));
    is_nowhere_else(&plain, &second);

    // Without the user there is no such file; an undo makes it anew, with the password of now.
    policies(&plain, "");
    println!("{}", plain.exec(&[BINARY, "apply", "--restart", "default"]));
    assert_ne!(plain.exec(&["test", "-e", AUTH]).code, 0);
    assert!(apply(&plain).ok().contains("nothing to change"));
    let back = plain.exec(&[BINARY, "rollback", "--force"]);
    println!("{back}");
    back.ok();
    assert!(plain.exec(&[BINARY, "status"]).ok().contains("two: ready"));
    policies(&plain, USER);
    println!("{}", apply(&plain).ok());
    wait_until("the link", || is_up(&plain));
    let access = plain.exec(&["stat", "-c", "%U:%G %a", AUTH]);
    assert_eq!(access.ok(), format!("root:{} 640", flavour()));
    assert!(plain.read(AUTH).contains(&password()));
    for password in [first, second, password()] {
        is_nowhere_else(&plain, &password);
    }
}
