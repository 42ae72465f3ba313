//! A certificate that was renewed in its file: an apply has the server read it, and nobody is disconnected.

use super::machine::{
    BINARY, apply, bare, cli, flavour, guarded, policy, redis, secret, wait_until,
};
use super::processes::server_starts;
use crate::support::disk::Ran;
use crate::support::plain::Plain;
use std::path::Path;
use std::process::Command;

const PORT: &str = "6390";
const CERTIFICATE: &str = "/etc/redis-tls/redis.crt";
const KEY: &str = "/etc/redis-tls/redis.key";

/// A certificate for this host that is its own authority, valid for these days, and its key.
fn issued(dir: &Path, name: &str, days: &str) -> (Vec<u8>, Vec<u8>) {
    let file = |end: &str| dir.join(format!("{name}.{end}"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-nodes", "-days", days])
        .args(["-subj", "/CN=redis", "-addext"])
        .args(["subjectAltName=IP:127.0.0.1", "-out"])
        .arg(file("crt"))
        .arg("-keyout")
        .arg(file("key"))
        .output()
        .expect("openssl is installed (tests/install-deps)");
    assert!(made.status.success(), "{made:?}");
    let read = |end| std::fs::read(file(end)).expect("it is made");
    (read("crt"), read("key"))
}

fn put(plain: &Plain, certificate: &[u8], key: &[u8]) {
    plain.write(CERTIFICATE, certificate, 0o644);
    plain.write(KEY, key, 0o640);
    plain.sh(&format!("chgrp {} {KEY}", flavour())).ok();
}

/// What a client is answered that trusts this certificate alone.
fn trusting(plain: &Plain, certificate: &[u8]) -> Ran {
    plain.write("/etc/redis-tls/trusted.crt", certificate, 0o644);
    let cli = [
        &cli(),
        "-p",
        PORT,
        "--tls",
        "--cacert",
        "/etc/redis-tls/trusted.crt",
    ];
    let words = ["--user", "app", "--no-auth-warning", "ping"];
    let login = [("REDISCLI_AUTH", plain.read(&secret("app")))];
    let login = login.map(|(name, value)| (name, value.trim().to_owned()));
    let login: Vec<(&str, &str)> = login.iter().map(|(n, v)| (*n, v.as_str())).collect();
    plain.exec_with(&login, &[&cli[..], &words].concat())
}

#[test]
fn without_systemd_the_supervisor_takes_what_somebody_else_has_renewed() {
    let plain = bare();
    let dir = tempfile::tempdir().expect("a directory");
    let (first, first_key) = issued(dir.path(), "first", "90");
    let (second, second_key) = issued(dir.path(), "second", "90");
    apply(&plain).ok();
    plain.sh("mkdir -p /etc/redis-tls").ok();
    put(&plain, &first, &first_key);
    policy(
        &plain,
        &format!(
            "[tls]\nenabled = true\nport = {PORT}\nclients = \"optional\"\nwatch = \"supervisor\"\n\
             cert = \"{CERTIFICATE}\"\nkey = \"{KEY}\"\nca = \"{CERTIFICATE}\"\n"
        ),
    );
    apply(&plain).ok();
    assert_eq!(trusting(&plain, &first).ok(), "PONG");
    plain.exec(&[BINARY, "check", "--only", "acl.*"]).ok();
    let starts = server_starts(&plain);
    put(&plain, &second, &second_key);
    wait_until("the new certificate", || {
        trusting(&plain, &second).stdout.trim() == "PONG"
    });
    assert_eq!(server_starts(&plain), starts, "no restart");
    assert!(apply(&plain).ok().starts_with("nothing to change\n"));
    let told = plain.sh("cat /var/log/redis-harden/default.log");
    assert!(told.ok().contains("the server has read it"), "{told}");
}

#[test]
fn a_renewed_certificate_reaches_the_running_server_and_a_wrong_one_does_not() {
    let plain = bare();
    let dir = tempfile::tempdir().expect("a directory");
    let (first, first_key) = issued(dir.path(), "first", "90");
    let (second, second_key) = issued(dir.path(), "second", "90");
    let (_, other_key) = issued(dir.path(), "other", "90");
    // The account and the server first: the key's group is the server's.
    apply(&plain).ok();
    plain.sh("mkdir -p /etc/redis-tls").ok();
    put(&plain, &first, &first_key);
    policy(
        &plain,
        &format!(
            "[redis]\nbind = [\"0.0.0.0\"]\n[firewall]\nallow = [\"10.0.0.0/8\"]\n[redis.directives]\ntls-port = {PORT}\ntls-cert-file = \"{CERTIFICATE}\"\ntls-key-file = \"{KEY}\"\n\
             tls-ca-cert-file = \"{CERTIFICATE}\"\ntls-auth-clients = \"no\"\n"
        ),
    );
    apply(&plain).ok();
    assert_eq!(trusting(&plain, &first).ok(), "PONG");
    // The packet filter guards a port that a directive opens, too.
    assert_eq!(guarded(&plain), [6379, 6390]);
    let starts = server_starts(&plain);
    // One that waits, and is to be answered by the same connection.
    let password = plain.read(&secret("app"));
    plain.background(
        &format!(
            "echo begun >&2; REDISCLI_AUTH={} exec {} -p {PORT} --tls --cacert {CERTIFICATE} \
             --user app --no-auth-warning blpop queue 60 >/tmp/popped",
            password.trim(),
            cli()
        ),
        "begun",
    );
    let waits = || {
        let clients = redis(&plain, "admin", &["client", "list"]);
        clients.ok().contains("cmd=blpop")
    };
    wait_until("the client that waits", waits);

    // A key that belongs to another: the server goes on with what it has.
    put(&plain, &second, &other_key);
    let refused = apply(&plain);
    assert!(refused.exits(2).contains("tls.key-matches"), "{refused}");
    assert!(refused.stderr.contains("has another key"), "{refused}");
    assert_eq!(trusting(&plain, &first).ok(), "PONG");
    assert_ne!(trusting(&plain, &second).stdout.trim(), "PONG");

    put(&plain, &second, &second_key);
    let plan = plain.exec(&[BINARY, "plan"]);
    let line = "running default: serves the certificate of its file: no → yes\n    # tls.served-is-file; live\n";
    assert!(plan.exits(1).contains(line), "{plan}");
    assert_eq!(
        trusting(&plain, &first).ok(),
        "PONG",
        "plan changes nothing"
    );
    let renewed = apply(&plain);
    assert!(renewed.ok().starts_with("1 change:\n"), "{renewed}");
    assert_eq!(trusting(&plain, &second).ok(), "PONG");
    assert_ne!(trusting(&plain, &first).stdout.trim(), "PONG");
    assert_eq!(server_starts(&plain), starts, "no restart");
    redis(&plain, "app", &["lpush", "queue", "kept"]).ok();
    wait_until("the answer on the old connection", || {
        plain.sh("cat /tmp/popped").stdout.contains("kept")
    });
    assert!(apply(&plain).ok().starts_with("nothing to change\n"));
    // Nothing of ours could be put back: the file is not ours.
    let rolled = plain.exec(&[BINARY, "rollback"]);
    rolled.ok();
    assert_eq!(trusting(&plain, &second).ok(), "PONG");
}
