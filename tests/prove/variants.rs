//! Other policies and other servers: a network, TLS, a cluster, Redis 8.0 and Valkey 8.1.

use super::machine::{BINARY, bare, bare_of, ids, install, outcomes, prove};
use crate::support::disk::Ran;
use crate::support::plain::Plain;
use std::collections::BTreeMap;
use std::process::Command;

type Outcomes = BTreeMap<String, (String, String)>;

fn apply(plain: &Plain, policy: &str) -> Ran {
    let policy = format!("extends = \"production\"\n\n{policy}");
    plain.exec(&["mkdir", "-p", "/etc/redis-harden"]).ok();
    plain.write("/etc/redis-harden/policy.toml", policy.as_bytes(), 0o644);
    plain.exec(&[BINARY, "apply"])
}

fn proven(plain: &Plain, code: i32) -> Outcomes {
    let ran = prove(plain, &["--format", "json"]);
    assert_eq!(ran.code, code, "{ran}");
    outcomes(&ran.stdout)
}

fn because<'a>(all: &'a Outcomes, id: &str) -> &'a str {
    &all.get(id).expect("an attempt").1
}

#[test]
fn on_a_network_the_packet_filter_refuses_and_without_it_another_host_gets_through() {
    let plain = bare();
    let bound =
        "[redis]\nbind = [\"0.0.0.0\"]\nmaxclients = 200\n[firewall]\nallow = [\"10.9.0.0/16\"]\n";
    apply(&plain, bound).ok();
    let all = proven(&plain, 0);
    for id in ["prove.other-host", "prove.clear-text", "prove.slow-loris"] {
        assert!(because(&all, id).contains("(network)"), "{all:?}");
    }
    // Its sandbox lets it connect to its peers' ports; that this is none of its peers the packet filter knows.
    for id in [
        "prove.rogue-primary",
        "prove.rogue-payload",
        "prove.migrate",
    ] {
        let why = because(&all, id);
        assert!(
            why.contains("user admin") && why.contains("(network)"),
            "{why}"
        );
    }

    apply(&plain, &format!("{bound}enabled = false\n")).ok();
    let all = proven(&plain, 1);
    let through = ["prove.clear-text", "prove.other-host", "prove.slow-loris"];
    assert_eq!(ids(&all, "succeeded"), through, "{all:?}");
    let loris = because(&all, "prove.slow-loris");
    assert!(
        loris.contains("who was connected before is served on"),
        "{loris}"
    );
    assert!(because(&all, "prove.flush").contains("another host: NOAUTH"));
}

/// Its own authority, for servers and clients.
fn certificate(plain: &Plain) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| dir.path().join(name);
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-nodes", "-days", "90"])
        .args([
            "-subj",
            "/CN=redis",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .arg("-out")
        .arg(file("redis.crt"))
        .arg("-keyout")
        .arg(file("redis.key"))
        .output()
        .expect("openssl is installed (tests/install-deps)");
    assert!(made.status.success(), "{made:?}");
    for (name, mode) in [("redis.crt", 0o644), ("redis.key", 0o640)] {
        let text = std::fs::read(file(name)).expect("it is made");
        plain.write(&format!("/etc/redis-tls/{name}"), &text, mode);
    }
    plain.sh("chgrp redis /etc/redis-tls/redis.key").ok();
}

#[test]
fn by_tls_alone_nothing_old_and_nobody_without_a_certificate_is_served() {
    let plain = bare();
    certificate(&plain);
    let tls = |clients: &str| {
        format!(
            "[redis]\nport = 0\n[redis.directives]\ntls-port = 6390\ntls-auth-clients = \"{clients}\"\ntls-protocols = '\"TLSv1.2 TLSv1.3\"'\ntls-cert-file = \"/etc/redis-tls/redis.crt\"\ntls-key-file = \"/etc/redis-tls/redis.key\"\ntls-ca-cert-file = \"/etc/redis-tls/redis.crt\"\n"
        )
    };
    apply(&plain, &tls("yes")).ok();
    let all = proven(&plain, 0);
    for id in ["prove.tls-downgrade", "prove.tls-no-certificate"] {
        assert!(because(&all, id).contains("(tls)"), "{all:?}");
    }
    assert!(because(&all, "prove.clear-text").contains("no port in clear text"));
    assert!(because(&all, "prove.flush").contains("user app: NOPERM"));

    apply(&plain, &tls("no")).ok();
    let all = proven(&plain, 1);
    assert_eq!(
        ids(&all, "succeeded"),
        ["prove.tls-no-certificate"],
        "{all:?}"
    );
}

#[test]
fn the_bus_of_a_cluster_is_out_of_reach() {
    let plain = bare();
    let cluster = "[redis.directives]\ncluster-enabled = \"yes\"\n";
    apply(&plain, cluster).ok();
    let all = proven(&plain, 0);
    assert!(
        because(&all, "prove.bus-port").contains("port 16379"),
        "{all:?}"
    );
    assert!(
        because(&all, "prove.anonymous-command").contains("NOAUTH"),
        "{all:?}"
    );
}

fn refused_on_trixie(flavour: &str) {
    let plain = bare_of("trixie");
    install(&plain, &["iproute2"]);
    apply(&plain, &format!("[redis]\nflavour = \"{flavour}\"\n")).ok();
    let all = proven(&plain, 0);
    assert!(ids(&all, "refused").len() >= 45, "{all:?}");
    println!("{}", prove(&plain, &[]).stdout);
}

#[test]
fn redis_8_0_refuses_all_of_them() {
    refused_on_trixie("redis");
}

#[test]
fn valkey_8_1_refuses_all_of_them() {
    refused_on_trixie("valkey");
}
