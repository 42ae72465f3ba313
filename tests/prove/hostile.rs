//! Whoever has taken the server's user over, before root runs `prove`: it writes nothing for him, starts nothing, tells him nothing.

use super::machine::{OPEN, bare, difference, hardened, prove, surroundings};
use crate::support::plain::Plain;
use std::process::Command;

/// What runs when it is loaded: everything that the server's user may do.
const MODULE: &str = r#"
#include <stdlib.h>
#include <unistd.h>
__attribute__((constructor)) static void loaded(void) {
    if (fork()) return;
    if (fork()) _exit(0);
    setsid();
    system("for d in /tmp /var/tmp /dev/shm /run /run/redis /etc/redis /var/lib/redis /var/log/redis /root / ; do echo pwned >$d/pwned; done 2>/dev/null;"
           "cat /etc/shadow /etc/redis-harden/secrets/* /proc/1/environ >/var/lib/redis/stolen 2>/dev/null;"
           "ip link; yes | head -c 100000000 >/var/log/redis/fill;"
           "kill -9 -1");
    _exit(0);
}
"#;

fn module(plain: &Plain) {
    let dir = tempfile::tempdir().expect("a directory");
    let (code, object) = (dir.path().join("m.c"), dir.path().join("m.so"));
    std::fs::write(&code, MODULE).expect("our own directory");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-w", "-o"])
        .arg(&object)
        .arg(&code)
        .status();
    assert!(built.expect("cc (tests/install-deps)").success());
    plain.install(&object, "/var/lib/redis/evil.so", 0o755);
}

/// What is there may not differ, but for what the running server writes by itself.
#[track_caller]
fn changes_nothing(plain: &Plain, code: Option<i32>) -> String {
    let (tree, around) = (plain.tree(), surroundings(plain));
    let ran = prove(plain, &["-v", "--allow-unknown"]);
    assert!(code.is_none_or(|code| ran.code == code), "{ran}");
    assert_eq!(difference(&tree, &plain.tree()), "", "{ran}");
    assert_eq!(surroundings(plain), around, "{ran}");
    let shadow = plain.read("/etc/shadow");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for line in shadow.lines() {
        assert!(!said.contains(line), "a line of /etc/shadow is told: {ran}");
    }
    said
}

fn as_redis(plain: &Plain, script: &str) {
    let mut words = vec![
        "setpriv",
        "--reuid",
        "redis",
        "--regid",
        "redis",
        "--clear-groups",
    ];
    words.extend(["sh", "-ec", script]);
    plain.exec(&words).ok();
}

#[test]
fn a_configuration_of_the_attackers_gets_root_to_do_nothing() {
    let plain = bare();
    module(&plain);
    // Each alone: the first fault would hide the others.
    for lines in [
        "loadmodule /var/lib/redis/evil.so",
        "dir /root\nlogfile /etc/cron.d/pwned\npidfile /etc/pwned\nunixsocket /etc/pwned.sock",
        "dir /var/lib/redis/link\ndbfilename pwned",
        "include /etc/shadow",
        "aclfile /etc/shadow",
        "aclfile /etc/passwd\ndir /etc",
        "requirepass hunter2\nbogus-directive hunter2",
        "logfile /usr/bin/pwned\ndir /usr/bin",
        "unixsocket /run/redis/../../etc/pwned\ndir /",
        "port 0\nunixsocket /var/lib/redis/link/x",
    ] {
        as_redis(&plain, "ln -sfn /etc /var/lib/redis/link");
        plain.write(
            "/etc/redis/redis.conf",
            format!("port 6379\n{lines}\n").as_bytes(),
            0o644,
        );
        let said = changes_nothing(&plain, None);
        assert!(!said.contains("hunter2"), "a password is told: {said}");
        let flush = said.lines().find(|l| l.contains("  prove.flush"));
        println!("--- {lines}\n{}", flush.unwrap_or_default());
    }
}

#[test]
fn links_in_the_servers_directories_lead_root_nowhere() {
    let plain = bare();
    let (conf, original) = ("/etc/redis/redis.conf", "/etc/redis/original");
    for target in ["/etc/shadow", "/dev/zero", "/proc/kmsg", "/nonexistent"] {
        as_redis(
            &plain,
            &format!("[ -e {original} ] || mv {conf} {original}; ln -sfn {target} {conf}"),
        );
        let said = changes_nothing(&plain, None);
        assert!(!said.contains("root:"), "{said}");
    }
    as_redis(&plain, &format!("rm {conf}; mkfifo {conf}"));
    changes_nothing(&plain, None);
}

#[test]
fn a_module_that_runs_in_the_twin_hurts_neither_the_host_nor_the_running_server() {
    let plain = bare();
    plain.sh(OPEN).ok();
    module(&plain);
    as_redis(
        &plain,
        "printf '\\nloadmodule /var/lib/redis/evil.so\\n' >>/etc/redis/redis.conf",
    );
    // What it does where it can.
    plain
        .sh("unshare --pid --fork setpriv --reuid redis --regid redis --clear-groups redis-server --port 0 --dir /tmp --loadmodule /var/lib/redis/evil.so; sleep 1
            ls /tmp/pwned /etc/redis/pwned /var/lib/redis/pwned && rm /tmp/pwned /var/tmp/pwned /dev/shm/pwned /etc/redis/pwned /var/lib/redis/pwned /var/log/redis/pwned /var/lib/redis/stolen; rm -f /run/redis/pwned /var/log/redis/fill")
        .ok();
    // Its constructor runs in the twin, and the kernel ends the twin's processes for it.
    let said = changes_nothing(&plain, None);
    assert!(said.contains("not tried"), "{said}");
    assert_eq!(plain.exec(&["redis-cli", "PING"]).ok(), "PONG");
}

#[test]
fn state_that_the_servers_user_left_on_a_hardened_host_is_believed_nowhere() {
    let plain = hardened();
    as_redis(
        &plain,
        "cd /var/lib/redis; ln -s /etc/shadow dump.rdb.link; mkfifo fifo; ln -s / root; mkdir -p .ssh; cd /run/redis; ln -s /etc/shadow planted",
    );
    changes_nothing(&plain, Some(0));
}

#[test]
fn a_policy_of_somebody_elses_is_not_taken_and_one_of_roots_gets_no_further_than_a_twin() {
    let plain = bare();
    as_redis(&plain, "echo '[redis]' >/var/lib/redis/policy.toml");
    let theirs = prove(&plain, &["--policy", "/var/lib/redis/policy.toml"]);
    assert_eq!((theirs.code, theirs.stdout.as_str()), (2, ""), "{theirs}");
    // Rendered by root, and still nowhere that a twin could be laid over.
    plain.exec(&["mkdir", "-p", "/etc/redis-harden"]).ok();
    for dir in ["/", "/etc", "/usr/bin", "/proc"] {
        plain.write(
            "/etc/redis/redis.conf",
            format!("dir {dir}\n").as_bytes(),
            0o640,
        );
        plain.sh("chown redis:redis /etc/redis/redis.conf").ok();
        let said = changes_nothing(&plain, Some(2));
        assert!(said.contains("as a directory of its own"), "{dir}: {said}");
    }
}
