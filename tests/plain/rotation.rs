//! Passwords are replaced while they are used: nobody is refused, whatever cuts it off.

use super::machine::{BINARY, applied, apply, cli, flavour, policy, redis, secret, socket};
use crate::support::disk::Ran;
use crate::support::plain::Plain;
use std::path::Path;
use std::process::Command;

const STATE: &str = "/var/lib/redis-harden";

fn rotate(plain: &Plain, words: &[&str]) -> Ran {
    plain.exec(&[&[BINARY, "secret", "rotate"], words].concat())
}

fn password(plain: &Plain, user: &str) -> String {
    plain.read(&secret(user)).trim().to_owned()
}

/// Whether this password lets the user in.
fn lets_in(plain: &Plain, user: &str, password: &str) -> bool {
    let words = [&cli(), "-s", &socket(), "--user", user, "PING"];
    let said = plain.exec_with(&[("REDISCLI_AUTH", password)], &words);
    // A user that may do other things than PING is let in too.
    !said.stdout.contains("WRONGPASS")
        && !said.stderr.contains("WRONGPASS")
        && (said.stdout.contains("PONG") || said.stdout.contains("NOPERM"))
}

#[test]
fn a_password_is_replaced_under_load_and_nobody_is_refused() {
    let plain = applied();
    // Whoever reads the file anew for each connection, and one who stays connected.
    let load = format!(
        "cd /tmp; rm -f stop refused done
         (while [ ! -e stop ]; do
             REDISCLI_AUTH=$(cat {file}) {cli} -e -s {socket} --user app --no-auth-warning INCR n >>done 2>>refused || echo failed >>refused
          done) >/dev/null 2>&1 &
         (export REDISCLI_AUTH=$(cat {file}); {cli} -e -r 100000 -i 0.005 -s {socket} --user app --no-auth-warning INCR m >/dev/null 2>>refused || echo ended >>refused) >/dev/null 2>&1 &
         echo $! >stays",
        file = secret("app"),
        socket = socket(),
        cli = cli()
    );
    plain.sh(&load).ok();
    let before = password(&plain, "app");
    let said = rotate(&plain, &["app", "--overlap", "1h"]).ok().to_owned();
    let after = password(&plain, "app");
    assert!(before != after && after.len() == 64);
    assert!(!said.contains(&after) && !said.contains(&before), "{said}");
    assert!(lets_in(&plain, "app", &before) && lets_in(&plain, "app", &after));

    // It is no drift, and an apply in between keeps both.
    assert!(apply(&plain).ok().contains("nothing to change"));
    assert!(lets_in(&plain, "app", &before));
    // A restart too.
    let again = rotate(&plain, &["app"]);
    again.exits(2);
    assert!(again.stderr.contains("--finish first"), "{again}");

    rotate(&plain, &["app", "--finish"]).ok();
    assert!(!lets_in(&plain, "app", &before) && lets_in(&plain, "app", &after));
    assert!(apply(&plain).ok().contains("nothing to change"));
    plain
        .sh("sleep 0.3; cd /tmp; touch stop; sleep 0.2; kill $(cat stays); sleep 0.1")
        .ok();
    assert_eq!(plain.sh("grep -v ended /tmp/refused; true").ok(), "");
    let done: usize = plain
        .sh("wc -l </tmp/done")
        .ok()
        .trim()
        .parse()
        .expect("a number");
    assert!(done > 20, "{done} requests");
    // Neither is in what we keep, nor in a log.
    for password in [&before, &after] {
        let found = plain.sh(&format!(
            "grep -rl {password} {STATE} /var/log /etc /run 2>/dev/null; true"
        ));
        let found: Vec<&str> = found.ok().lines().filter(|f| *f != secret("app")).collect();
        assert!(found.is_empty(), "{found:?}");
    }
    println!("{done} requests by the file");
}

/// strace of this machine, with its libraries: the same Debian.
fn lend_strace(plain: &Plain) {
    let libraries = Command::new("ldd").arg("/usr/bin/strace").output();
    let libraries = libraries.expect("Debian's ldd").stdout;
    let libraries = String::from_utf8(libraries).expect("text");
    let files = libraries
        .split_whitespace()
        .filter(|word| word.starts_with("/lib/"));
    for file in files.chain(["/usr/bin/strace"]) {
        if plain.exec(&["test", "-e", file]).code != 0 {
            plain.install(Path::new(file), file, 0o755);
        }
    }
}

#[test]
fn a_rotation_that_is_killed_locks_nobody_out_and_is_gone_on_with() {
    let plain = applied();
    lend_strace(&plain);
    let (mut resumed, mut killed) = (0, 0);
    for command in [&["app"][..], &["app", "--finish"]] {
        for nth in 1.. {
            if command.len() == 2 && nth > 1 {
                rotate(&plain, &["app"]).ok();
            }
            let before = password(&plain, "app");
            let inject = format!("inject=/^rename|^unlink|^link:signal=SIGKILL:when={nth}");
            let strace = [
                "strace",
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                &inject,
                BINARY,
                "secret",
                "rotate",
            ];
            let cut = plain.exec(&[&strace, command].concat());
            assert!(
                lets_in(&plain, "app", &password(&plain, "app")),
                "{nth}: {cut}"
            );
            if command.len() == 1 {
                assert!(lets_in(&plain, "app", &before), "{nth}: {cut}");
            }
            if cut.code == 0 {
                break;
            }
            killed += 1;
            // An apply in between changes nothing for whoever has either.
            if nth % 2 == 0 && command.len() == 1 {
                apply(&plain);
                assert!(lets_in(&plain, "app", &before));
                assert!(lets_in(&plain, "app", &password(&plain, "app")));
            }
            let on = rotate(&plain, &["app"]);
            resumed += usize::from(on.stderr.contains("going on with what was cut off"));
            assert!(
                on.code == 0 || on.stderr.contains("--finish first"),
                "{nth}: {on}"
            );
            rotate(&plain, &["app", "--finish"]).ok();
            assert!(lets_in(&plain, "app", &password(&plain, "app")));
            assert_eq!(plain.sh(&format!("ls {STATE}/rotations")).ok(), "");
        }
    }
    println!("killed {killed} times, {resumed} were gone on with");
    assert!(killed >= 8 && resumed >= 3, "{killed} {resumed}");
}

/// Three on one machine: an apply takes longer than each of them.
#[test]
fn what_is_refused_what_is_overdue_and_what_is_shown() {
    let plain = applied();
    who_may_not_and_what_cannot_changes_nothing(&plain);
    a_former_password_that_is_overdue_is_a_finding(&plain);
    a_password_is_shown_to_a_person_only_and_redis_cli_needs_none(&plain);
}

fn who_may_not_and_what_cannot_changes_nothing(plain: &Plain) {
    let before = password(plain, "app");
    let nobody = plain.exec(&[
        "setpriv",
        "--reuid",
        "65534",
        "--clear-groups",
        BINARY,
        "secret",
        "rotate",
        "app",
    ]);
    nobody.exits(2);
    assert!(nobody.stderr.contains("as root"), "{nobody}");
    for (words, says) in [
        (&["nobody"][..], "no user nobody"),
        (&["app", "--instance", "jobs"], "no instance jobs"),
        (
            &["app", "--finish"],
            "no password of default.app is being replaced",
        ),
        (&["app", "--from", "/nowhere"], "no such file"),
        (&["app", "--from", "/etc/hostname"], "less than 16"),
    ] {
        let said = rotate(plain, words);
        said.exits(2);
        assert!(said.stderr.contains(says), "{said}");
    }
    rotate(plain, &["--finish"]).ok();

    let secrets = "/etc/redis-harden/secrets";
    plain
        .sh(&format!(
            "mount --bind {secrets} {secrets} && mount -o remount,ro,bind {secrets}"
        ))
        .ok();
    let read_only = rotate(plain, &["app"]);
    plain.sh(&format!("umount {secrets}")).ok();
    read_only.exits(2);
    assert!(read_only.stderr.contains("ead-only"), "{read_only}");
    assert_eq!(password(plain, "app"), before);
    assert_eq!(
        plain
            .sh(&format!("ls {STATE}/rotations 2>/dev/null; true"))
            .ok(),
        ""
    );

    let both = plain.sh(&format!(
        "{BINARY} secret rotate app & {BINARY} secret rotate app; a=$?; wait $!; echo $a $?"
    ));
    let codes = both.ok().lines().last().unwrap_or_default().to_owned();
    assert!(codes == "0 2" || codes == "2 0", "{both}");
    let after = password(plain, "app");
    assert!(before != after && lets_in(plain, "app", &before) && lets_in(plain, "app", &after));

    // One of its own choice.
    rotate(plain, &["app", "--finish", "--disconnect"]).ok();
    plain.write("/root/chosen", b"correct horse battery staple\r\n", 0o600);
    rotate(plain, &["app", "--from", "/root/chosen", "--overlap", "0s"]).ok();
    rotate(plain, &["--finish"]).ok();
    assert!(
        lets_in(plain, "app", "correct horse battery staple") && !lets_in(plain, "app", &after)
    );
}

#[test]
fn root_and_the_supervisor_keep_their_access() {
    let plain = applied();
    let [agent, admin] = ["agent", "admin"].map(|user| password(&plain, user));
    let said = rotate(&plain, &["agent"]).ok().to_owned();
    assert!(said.contains("redis-harden restart"), "{said}");
    let early = rotate(&plain, &["agent", "--finish"]);
    early.exits(2);
    assert!(
        early.stderr.contains("redis-harden restart first"),
        "{early}"
    );
    assert!(lets_in(&plain, "agent", &agent));
    plain.exec(&[BINARY, "restart"]).ok();
    rotate(&plain, &["agent", "--finish"]).ok();
    assert!(!lets_in(&plain, "agent", &agent));
    assert!(
        plain
            .exec(&[BINARY, "status"])
            .ok()
            .contains("default: ready since")
    );
    plain
        .sh(&format!("kill -9 $(pidof {}-server); sleep 1", flavour()))
        .ok();
    assert!(
        plain
            .exec(&[BINARY, "status"])
            .ok()
            .contains("default: ready since")
    );

    rotate(&plain, &["admin"]).ok();
    assert!(apply(&plain).ok().contains("nothing to change"));
    rotate(&plain, &["admin", "--finish"]).ok();
    assert!(!lets_in(&plain, "admin", &admin));
    assert!(apply(&plain).ok().contains("nothing to change"));
}

#[test]
fn a_rollback_brings_no_former_password_back() {
    let plain = applied();
    let before = password(&plain, "app");
    policy(
        &plain,
        "[redis]\nmaxclients = 5000\n\n[acl.report]\nrole = \"read-only\"\n",
    );
    apply(&plain).ok();
    rotate(&plain, &["app"]).ok();
    rotate(&plain, &["app", "--finish"]).ok();
    let after = password(&plain, "app");
    plain.exec(&[BINARY, "rollback"]).ok();
    assert!(lets_in(&plain, "app", &after) && !lets_in(&plain, "app", &before));
    assert!(
        !redis(&plain, "admin", &["ACL", "LIST"])
            .ok()
            .contains("user report")
    );
    let file = plain.read("/etc/redis-harden/redis/default.acl");
    assert!(!file.contains("user report"));
    plain.exec(&[BINARY, "restart"]).ok();
    assert!(lets_in(&plain, "app", &after) && !lets_in(&plain, "app", &before));
}

fn a_former_password_that_is_overdue_is_a_finding(plain: &Plain) {
    let overdue = || plain.exec(&[BINARY, "check", "--only", "acl.former-passwords"]);
    overdue().ok();
    rotate(plain, &["app", "--overlap", "1s"]).ok();
    plain.sh("sleep 1.2").ok();
    let said = overdue();
    assert!(said.exits(1).contains("default.app"), "{said}");
    rotate(plain, &["--finish"]).ok();
    overdue().ok();
}

fn a_password_is_shown_to_a_person_only_and_redis_cli_needs_none(plain: &Plain) {
    let password = password(plain, "app");
    let shown = plain.exec(&[BINARY, "secret", "show", "app"]);
    assert!(
        shown.ok().contains("/etc/redis-harden/secrets/app") && !shown.ok().contains(&password)
    );
    let piped = plain.exec(&[BINARY, "secret", "show", "app", "--reveal"]);
    assert!(
        piped.exits(2).is_empty() && piped.stderr.contains("no terminal"),
        "{piped}"
    );
    let command = format!("{BINARY} secret show app --reveal");
    let seen = plain.exec(&["script", "-qec", &command, "/dev/null"]);
    assert_eq!(seen.ok().trim(), password);

    let cli = |words: &[&str]| plain.exec(&[&[BINARY, "cli"], words].concat());
    assert_eq!(
        cli(&["--user", "app", "SET", "greeting", "hello"]).ok(),
        "OK"
    );
    assert_eq!(
        cli(&["--user", "app", "--raw", "GET", "greeting"]).ok(),
        "hello"
    );
    assert!(cli(&["CONFIG", "GET", "port"]).ok().contains("6379"));
    for words in [
        &["-p", "1", "PING"][..],
        &["-n", "1", "-a", "x", "PING"],
        &["--user", "nobody", "PING"],
    ] {
        cli(words).exits(2);
    }
    // redis-cli's own -h is no call for our help, which would hide that nothing was done.
    for words in [
        &["-h", "10.0.0.1", "PING"][..],
        &["--", "-h", "10.0.0.1", "PING"],
    ] {
        let refused = cli(words);
        assert!(
            refused.exits(2).is_empty() && refused.stderr.contains("--instance"),
            "{refused}"
        );
    }
    assert!(cli(&["--help"]).ok().contains("Usage: redis-harden cli"));
    let theirs = cli(&["--", "--help"]);
    assert!(
        theirs.stdout.contains("redis-cli [OPTIONS]")
            || theirs.stderr.contains("redis-cli [OPTIONS]"),
        "{theirs}"
    );
    assert!(cli(&["--user", "app", "-e", "FLUSHALL"]).code == 1);
    let look = format!(
        "{BINARY} cli --user app BLPOP nothing 2 >/dev/null & sleep 0.5; pid=$(pidof {})
         tr '\\0' ' ' </proc/$pid/cmdline; stat -c '%a %U' /proc/$pid/environ; grep 'core file' /proc/$pid/limits
         setpriv --reuid 65534 --clear-groups cat /proc/$pid/environ 2>&1; wait",
        super::machine::cli()
    );
    let seen = plain.sh(&look);
    let seen = seen.ok();
    assert!(
        seen.contains("--user app BLPOP") && !seen.contains(&password),
        "{seen}"
    );
    assert!(
        seen.contains("400 root") && seen.contains("Permission denied"),
        "{seen}"
    );
}

#[test]
fn a_password_file_elsewhere_is_replaced_where_it_is_roots_alone() {
    let plain = applied();
    let file = "/srv/app/password";
    let text = format!("[acl.app]\nrole = \"application\"\npassword-file = \"{file}\"\n");
    policy(&plain, &text);
    plain
        .sh(&format!(
            "mkdir -p /srv/app; (umask 077; echo a-password-from-elsewhere >{file}); chgrp www-data {file}; chmod 640 {file}"
        ))
        .ok();
    apply(&plain).ok();
    let now = || plain.read(file).trim().to_owned();
    let before = now();
    assert!(lets_in(&plain, "app", &before));
    let said = rotate(&plain, &["app"]);
    assert!(said.ok().contains(file), "{said}");
    let after = now();
    assert!(after != before && lets_in(&plain, "app", &before) && lets_in(&plain, "app", &after));
    let access = plain.exec(&["stat", "-c", "%U:%G %a", file]);
    assert_eq!(access.ok(), "root:www-data 640");
    assert!(apply(&plain).ok().contains("nothing to change"));
    rotate(&plain, &["app", "--finish"]).ok();
    assert!(!lets_in(&plain, "app", &before) && lets_in(&plain, "app", &after));
    assert_eq!(plain.sh(&format!("ls {STATE}/rotations")).ok(), "");

    // What another could have put there, or would have changed elsewhere, is left to him.
    for (make, why) in [
        (format!("chown www-data {file}"), "not by root"),
        (
            format!("chown root {file}; chmod 660 {file}"),
            "can be written by its group",
        ),
        (
            format!("chmod 600 {file}; chmod 777 /srv/app"),
            "can be written by",
        ),
        (
            format!("chmod 755 /srv/app; mv {file} /srv/app/other; ln -s other {file}"),
            "is a link",
        ),
    ] {
        plain.sh(&make).ok();
        let refused = rotate(&plain, &["app"]);
        refused.exits(2);
        assert!(refused.stderr.contains(why), "{make}: {refused}");
        assert!(
            refused.stderr.contains("then redis-harden apply"),
            "{refused}"
        );
        assert_eq!(now(), after);
        assert!(lets_in(&plain, "app", &after));
    }
}
