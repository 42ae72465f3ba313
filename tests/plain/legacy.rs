//! A Redis as the guides set it up, with one password for everybody, becomes one with users, and its programs go on.

use super::machine::{BINARY, POLICY, SOCKET, apply, bare, install, redis};
use crate::support::plain::Plain;

/// As a program that knows no users.
fn with_password_alone(plain: &Plain, words: &[&str]) -> String {
    let login = ["redis-cli", "-p", "6379", "--no-auth-warning"];
    let ran = plain.exec_with(&[("REDISCLI_AUTH", "of old")], &[&login, words].concat());
    ran.stdout.trim().to_owned() + ran.stderr.trim()
}

#[test]
fn a_host_with_requirepass_is_taken_over_and_its_programs_go_on_until_their_day() {
    let plain = bare();
    install(&plain, &["redis-server"]);
    plain
        .sh("cat >>/etc/redis/redis.conf <<'END'
maxmemory 100mb
requirepass \"of old\"
rename-command FLUSHALL \"\"
rename-command DEBUG \"\"
END
            redis-cli shutdown nosave 2>/dev/null; sleep 0.2
            setpriv --reuid redis --regid redis --clear-groups redis-server /etc/redis/redis.conf --daemonize yes >/dev/null; sleep 0.5")
        .ok();
    assert_eq!(with_password_alone(&plain, &["SET", "kept", "1"]), "OK");
    let written = plain.exec(&[BINARY, "policy", "init", "--from-host"]);
    let text = written.ok().to_owned() + "\n";
    println!("{text}");
    assert!(text.contains("maxmemory = \"100mb\"") && text.contains("default-until = "));
    assert!(
        text.contains("rename-command flushall") && !text.contains("of old"),
        "{text}"
    );
    plain.sh("mkdir -p /etc/redis-harden").ok();
    plain.write(POLICY, text.as_bytes(), 0o644);
    // Without systemd a server that somebody else has started is his to stop; it saves its data.
    let told = apply(&plain);
    told.exits(2);
    assert!(told.stderr.contains("SHUTDOWN saves its data"), "{told}");
    with_password_alone(&plain, &["SHUTDOWN"]);
    println!("{}", apply(&plain).ok());

    // Its data and its programs are there, and have less to break.
    assert_eq!(with_password_alone(&plain, &["GET", "kept"]), "1");
    assert!(with_password_alone(&plain, &["FLUSHALL"]).contains("NOPERM"));
    assert!(with_password_alone(&plain, &["CONFIG", "GET", "dir"]).contains("NOPERM"));
    assert!(!redis(&plain, "app", &["PING"]).ok().contains("ERR"));
    assert!(apply(&plain).ok().contains("nothing to change"));
    // The package's file is read by nobody now.
    let again = plain.exec(&[BINARY, "policy", "init", "--from-host"]);
    assert!(again.stderr.contains("redis-harden policy show"), "{again}");

    // Who still needs it is counted.
    let in_use = || {
        plain.exec(&[
            BINARY,
            "check",
            "--only",
            "acl.default-in-use",
            "--fail-on",
            "low",
        ])
    };
    in_use().ok();
    plain
        .sh("REDISCLI_AUTH='of old' setsid redis-cli -p 6379 BLPOP nothing 60 >/dev/null 2>&1 </dev/null & sleep 0.3")
        .ok();
    let said = in_use();
    assert!(said.exits(1).contains("127.0.0.1×1"), "{said}");
    plain.sh("kill $(pidof redis-cli); sleep 0.2").ok();

    // Its day has come.
    let days = text.find("default-until = \"").expect("it is there") + "default-until = \"".len();
    let over = format!("{}2020-01-01{}", &text[..days], &text[days + 10..]);
    plain.write(POLICY, over.as_bytes(), 0o644);
    let due = plain.exec(&[BINARY, "check", "--only", "files.acl"]);
    due.exits(1);
    apply(&plain).ok();
    assert!(with_password_alone(&plain, &["GET", "kept"]).contains("WRONGPASS"));
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
    let list = redis(&plain, "admin", &["ACL", "LIST"]);
    assert!(list.ok().contains("user default off"), "{list}");
    assert!(plain.exec(&["test", "-S", SOCKET]).code == 0);
}

#[test]
fn a_policy_as_the_guides_have_it_is_understood_and_made_into_users() {
    let plain = bare();
    let of_old = "of old, in clear text";
    let directives = |requirepass: &str| {
        format!(
            "extends = \"production\"\n[redis.directives]\nrename-command = ['SUBSCRIBE \"\"', 'CONFIG hidden-name']\n{requirepass}\n\
             [legacy]\ndefault-until = \"2099-12-31\"\n"
        )
    };
    plain.sh("mkdir -p /etc/redis-harden").ok();
    let text = directives(&format!("requirepass = \"{of_old}\""));
    plain.write(POLICY, text.as_bytes(), 0o600);
    let applied = plain.exec(&[BINARY, "-vv", "apply"]);
    println!("{applied}");
    applied.ok();
    let warned = &applied.stderr;
    assert!(warned.contains("requirepass is the password of the user default, in clear text"));
    assert!(warned.contains("rename-command is not rendered: it breaks Sentinel"));
    for word in [of_old, "hidden-name"] {
        assert!(!applied.stdout.contains(word));
    }
    assert!(!warned.contains(of_old));

    let as_default = |words: &[&str]| {
        let login = ["redis-cli", "-s", SOCKET, "--no-auth-warning"];
        let ran = plain.exec_with(&[("REDISCLI_AUTH", of_old)], &[&login, words].concat());
        ran.stdout + &ran.stderr
    };
    assert!(as_default(&["SET", "key", "1"]).contains("OK"));
    for (user, words) in [("app", ["SUBSCRIBE", "x"]), ("app", ["CONFIG", "HELP"])] {
        let refused = redis(&plain, user, &words);
        assert!(refused.stdout.contains("NOPERM"), "{refused}");
        assert!(as_default(&words).contains("NOPERM"));
    }
    // It is no server with renamed commands: who administers calls them by their names.
    assert!(
        redis(&plain, "admin", &["CONFIG", "GET", "maxclients"])
            .ok()
            .contains("maxclients")
    );
    assert!(
        redis(&plain, "app", &["PUBLISH", "x", "y"])
            .ok()
            .contains('0')
    );
    let found = plain.sh(&format!(
        "grep -rl '{of_old}' /etc /var/lib /run /var/log 2>/dev/null | sort"
    ));
    assert_eq!(
        found.ok(),
        format!("{POLICY}\n/etc/redis-harden/secrets/default")
    );
    for words in [
        &["policy", "show"][..],
        &["check", "--format", "json"],
        &["plan"],
        &["-vvv", "check"],
    ] {
        let ran = plain.exec(&[&[BINARY], words].concat());
        assert!(
            !ran.stdout.contains(of_old) && !ran.stderr.contains(of_old),
            "{ran}"
        );
    }
    assert!(apply(&plain).ok().contains("nothing to change"));

    // As the warning says: out of the policy, and all goes on.
    plain.write(POLICY, directives("").as_bytes(), 0o644);
    let without = apply(&plain);
    assert!(without.ok().contains("nothing to change"), "{without}");
    assert!(!without.stderr.contains("requirepass"), "{without}");
    assert!(as_default(&["GET", "key"]).contains('1'));
}
