//! TLS from nothing: an authority and a certificate, an apply that closes the port in clear text, clients with a certificate of their
//! own, and renewals that nobody notices. openssl and the server's own client are the judges.

use super::machine::{
    BINARY, apply, bare, cli, flavour, guarded, history, log_file, policy, redis, secret,
    wait_until,
};
use super::processes::server_starts;
use crate::support::disk::Ran;
use crate::support::issued::certificates;
use crate::support::plain::Plain;
use std::path::Path;
use std::process::Command;

const PAIR: &str = "/etc/redis-harden/tls/default.pem";
const CA: &str = "/etc/redis-harden/tls/ca.crt";
const CLIENT: &str = "/etc/redis-harden/clients/web";

pub fn tls(plain: &Plain, words: &[&str]) -> Ran {
    plain.exec(&[&[BINARY, "tls"], words].concat())
}

/// What the server's own client is answered by TLS, with these options.
fn ping(plain: &Plain, options: &[&str]) -> Ran {
    let password = plain.read(&secret("app"));
    let name = cli();
    let cli = [&*name, "-p", "6380", "--tls", "--cacert", CA];
    let user = ["--user", "app", "--no-auth-warning"];
    let words = [&cli[..], options, &user, &["ping"]].concat();
    plain.exec_with(&[("REDISCLI_AUTH", &password)], &words)
}

fn with_certificate(plain: &Plain) -> Ran {
    let (crt, key) = (format!("{CLIENT}.crt"), format!("{CLIENT}.key"));
    ping(plain, &["--cert", &crt, "--key", &key])
}

/// As openssl sees it: of the file, or of what is served.
pub fn fingerprint(plain: &Plain, of: &str) -> String {
    let shown = "openssl x509 -noout -fingerprint -sha256";
    let text = match of {
        "served" => plain.sh_from_here(&format!(
            "openssl s_client -connect 127.0.0.1:6380 -cert $ROOT{CLIENT}.crt -key $ROOT{CLIENT}.key </dev/null 2>/dev/null | {shown}"
        )),
        file => plain.sh_from_here(&format!("{shown} -in $ROOT{file}")),
    };
    text.ok().rsplit('=').next().unwrap_or_default().to_owned()
}

fn access(plain: &Plain, path: &str) -> String {
    plain
        .exec(&["stat", "-c", "%U:%G %a", path])
        .ok()
        .to_owned()
}

/// A machine whose policy asks for TLS.
fn machine() -> Plain {
    let plain = bare();
    policy(
        &plain,
        "[redis]\nbind = [\"0.0.0.0\"]\n[firewall]\nallow = [\"10.0.0.0/8\"]\n[tls]\nenabled = true\n",
    );
    plain
}

#[test]
fn from_nothing_to_mutual_tls_and_a_renewal_that_nobody_notices() {
    let plain = machine();
    // Nothing of it is made unasked.
    let early = plain.exec(&[BINARY, "check", "--only", "tls.files"]);
    assert!(
        early.stdout.contains("redis-harden tls init makes them"),
        "{early}"
    );

    let refused = apply(&plain);
    assert!(refused.exits(2).is_empty(), "{refused}");
    assert!(refused.stderr.contains("tls init makes them"), "{refused}");
    assert_eq!(history(&plain), "no run has changed anything yet\n");

    let made = tls(
        &plain,
        &["init", "--name", "cache.example", "--name", "192.0.2.7"],
    );
    assert!(made.ok().contains("sha256"), "{made}");
    let again = tls(&plain, &["init"]);
    assert!(again.ok().contains("it stays"), "{again}");
    assert_eq!(access(&plain, "/etc/redis-harden/ca"), "root:root 700");
    assert_eq!(
        access(&plain, "/etc/redis-harden/ca/ca.key"),
        "root:root 600"
    );
    let verified = plain.sh_from_here(
        "cd $ROOT/etc/redis-harden/tls && for purpose in sslserver sslclient; do openssl verify -x509_strict -purpose $purpose -CAfile ca.crt \
         default.pem || exit; done; openssl x509 -noout -checkhost cache.example -checkip 192.0.2.7 -in default.pem && \
         openssl x509 -noout -ext subjectAltName,extendedKeyUsage -in default.pem"
    );
    for part in [
        "does match certificate",
        "DNS:localhost",
        "IP Address:127.0.0.1",
        "TLS Web Server Authentication, TLS Web Client Authentication",
    ] {
        assert!(verified.ok().contains(part), "{part}: {verified}");
    }
    assert!(!verified.stdout.contains("NOT match"), "{verified}");

    apply(&plain).ok();
    assert_eq!(access(&plain, PAIR), format!("root:{} 640", flavour()));
    tls(&plain, &["issue", "web"]).ok();
    assert_eq!(access(&plain, &format!("{CLIENT}.key")), "root:root 600");
    assert_eq!(with_certificate(&plain).ok(), "PONG");
    assert_ne!(
        ping(&plain, &[]).stdout.trim(),
        "PONG",
        "a client without certificate"
    );
    let clear = plain.exec(&[&cli(), "-p", "6379", "ping"]);
    assert!(
        clear.stderr.contains("refused") || clear.stdout.contains("refused"),
        "{clear}"
    );
    assert_eq!(guarded(&plain), [6380]);
    for (version, taken) in [("tls1_1", false), ("tls1_2", true), ("tls1_3", true)] {
        let hello = plain.sh_from_here(&format!(
            "openssl s_client -{version} -cipher ALL:@SECLEVEL=0 -connect 127.0.0.1:6380 -CAfile $ROOT{CA} -verify_return_error \
             -cert $ROOT{CLIENT}.crt -key $ROOT{CLIENT}.key </dev/null"
        ));
        assert_eq!(hello.code == 0, taken, "{version}: {hello}");
    }
    let clean = plain.exec(&[BINARY, "check", "--only", "tls.*,files.*,config.*"]);
    assert!(!clean.stdout.contains("fail  tls."), "{clean}");
    assert!(apply(&plain).ok().starts_with("nothing to change\n"));
    let status = plain.exec(&[BINARY, "status"]);
    assert!(status.ok().contains("TLS at port 6380"), "{status}");

    // One that waits on an open connection, and is to be answered on it after the renewal.
    let starts = server_starts(&plain);
    let password = plain.read(&secret("app"));
    plain.background(
        &format!(
            "echo begun >&2; REDISCLI_AUTH={password} exec {} -p 6380 --tls --cacert {CA} --cert {CLIENT}.crt --key {CLIENT}.key \
             --user app --no-auth-warning blpop queue 60 >/tmp/popped",
            cli()
        ),
        "begun",
    );
    wait_until("the client that waits", || {
        let clients = redis(&plain, "admin", &["client", "list"]);
        clients.ok().contains("cmd=blpop")
    });
    // What a killed renewal leaves holds a key: it is gone with the next one.
    plain
        .sh("cp /etc/redis-harden/tls/default.pem /etc/redis-harden/tls/.default.pem.redis-harden.4000000")
        .ok();
    let before = fingerprint(&plain, "served");
    let kept = tls(&plain, &["renew", "--within", "30"]);
    assert!(kept.ok().contains("it stays"), "{kept}");
    assert_eq!(fingerprint(&plain, "served"), before);
    let renewed = tls(&plain, &["renew"]);
    let after = fingerprint(&plain, "served");
    assert_ne!(after, before);
    assert_eq!(after, fingerprint(&plain, PAIR));
    assert!(renewed.ok().contains(&after), "{renewed}");
    let names = plain.sh_from_here(&format!(
        "openssl x509 -noout -ext subjectAltName -in $ROOT{PAIR}"
    ));
    assert!(names.ok().contains("DNS:cache.example"), "{names}");
    assert_eq!(with_certificate(&plain).ok(), "PONG");
    assert_eq!(server_starts(&plain), starts, "no restart");
    redis(&plain, "app", &["lpush", "queue", "kept"]).ok();
    wait_until("the answer on the old connection", || {
        plain.sh("cat /tmp/popped").stdout.contains("kept")
    });
    assert_eq!(
        plain.sh("ls -A /etc/redis-harden/tls").ok(),
        "ca.crt\ndefault.pem"
    );
    let log = plain.sh(&format!("cat {}", log_file()));
    assert!(apply(&plain).ok().starts_with("nothing to change\n"));
    let later = plain.sh(&format!("cat {}", log_file()));
    assert_eq!(log.ok(), later.ok(), "our own look is not in the log");
}

/// A command of ours on this machine: the one that signs for several hosts.
fn signer(dir: &Path, words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_redis-harden"))
        .args(words)
        .current_dir(dir)
        .output()
        .expect("our own binary");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("PEM is text")
}

/// The findings of the control on where the authority's key is.
fn holds_authority(plain: &Plain) -> bool {
    let only = [BINARY, "check", "--only", "tls.authority-elsewhere"];
    plain.exec(&only).stdout.contains("fail")
}

#[test]
fn one_of_several_hosts_has_its_certificate_signed_elsewhere_and_keeps_it_against_worse_ones() {
    let plain = machine();
    policy(
        &plain,
        "[firewall]\npeers = [\"10.0.0.0/24\"]\n[tls]\nenabled = true\n",
    );
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| dir.path().join(name);
    signer(
        dir.path(),
        &["tls", "init", "--authority-only", "--ca", "ca"],
    );
    let asked = tls(&plain, &["csr", "--name", "cache.example"]);
    let again = tls(&plain, &["csr", "--name", "cache.example"]);
    let waiting = "/etc/redis-harden/tls/default.key.waiting";
    assert_eq!(access(&plain, waiting), "root:root 600");
    assert!(!asked.stdout.contains("PRIVATE"), "{asked}");
    std::fs::write(file("cache.csr"), again.ok().to_owned() + "\n").expect("our directory");
    let signed = signer(dir.path(), &["tls", "sign", "cache.csr", "--ca", "ca"]);
    plain.write("/root/cache.crt", signed.as_bytes(), 0o644);
    plain.install(&file("ca/ca.crt"), "/root/ca.crt", 0o644);

    let untold = tls(&plain, &["install", "/root/cache.crt"]);
    assert!(
        untold.exits(2).is_empty() && untold.stderr.contains("--ca-cert"),
        "{untold}"
    );
    tls(
        &plain,
        &["install", "/root/cache.crt", "--ca-cert", "/root/ca.crt"],
    )
    .ok();
    assert!(
        plain.exec(&["stat", waiting]).code != 0,
        "the key is in its place"
    );
    assert_eq!(plain.read(CA), plain.read("/root/ca.crt"));
    apply(&plain).ok();
    signer(
        dir.path(),
        &["tls", "issue", "web", "--ca", "ca", "--out", "out"],
    );
    for end in ["crt", "key"] {
        let from = file(&format!("out/web.{end}"));
        plain.install(&from, &format!("{CLIENT}.{end}"), 0o600);
    }
    assert_eq!(with_certificate(&plain).ok(), "PONG");
    assert!(!holds_authority(&plain));
    let renewed = tls(&plain, &["renew"]);
    assert!(
        renewed.exits(2).is_empty() && renewed.stderr.contains("tls csr"),
        "{renewed}"
    );
    // Nor does an init lock the clients of that authority out.
    let init = tls(&plain, &["init"]);
    assert!(
        init.exits(2).is_empty() && init.stderr.contains("another authority"),
        "{init}"
    );
    assert!(!holds_authority(&plain));

    let before = plain.read(PAIR);
    let starts = server_starts(&plain);
    let issued = certificates();
    for (certificate, key, why) in [
        ("expired", "expired", "has expired"),
        ("early", "early", "is not valid yet"),
        ("by-fallen", "by-fallen", "has expired"),
        ("client", "client", "not for servers"),
        ("direct", "good", "another certificate's"),
        ("sha1", "sha1", "weak: SHA-1-signature"),
    ] {
        for (name, end) in [(certificate, "crt"), (key, "key")] {
            let from = issued.path().join(format!("{name}.{end}"));
            plain.install(&from, &format!("/root/bad.{end}"), 0o600);
        }
        let refused = tls(
            &plain,
            &["install", "/root/bad.crt", "--key", "/root/bad.key"],
        );
        assert_eq!(refused.code, 2, "{certificate}: {refused}");
        assert!(refused.stderr.contains(why), "{certificate}: {refused}");
        assert_eq!(plain.read(PAIR), before, "{certificate}");
        assert_eq!(with_certificate(&plain).ok(), "PONG", "{certificate}");
    }
    // What only the running server can refuse is put back: it may not read the authorities now.
    plain.exec(&["chmod", "600", CA]).ok();
    plain.write("/root/again.crt", signed.as_bytes(), 0o644);
    let key = plain.sh(&format!("sed -n '/PRIVATE/,$p' {PAIR} >/root/again.key"));
    assert_eq!(key.code, 0, "{key}");
    let refused = tls(
        &plain,
        &["install", "/root/again.crt", "--key", "/root/again.key"],
    );
    assert_eq!(refused.code, 2, "{refused}");
    assert!(
        refused.stderr.contains("former certificate is back"),
        "{refused}"
    );
    assert_eq!(plain.read(PAIR), before);
    assert_eq!(server_starts(&plain), starts);
    plain.write("/etc/redis-harden/ca/ca.key", b"x\n", 0o600);
    assert!(holds_authority(&plain), "among several hosts");
}
