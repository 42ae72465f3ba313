//! What Docker publishes passes no input chain: it is a finding, and closed where the policy says so. The containers' own network stays.

use super::engine::{Engine, ok};
use super::network::{Namespace, REDIS};
use redis_harden::setting::firewall::{Networks, Table};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

const POLICY: &str = "extends = \"production\"\n[redis]\nbind = [\"10.78.1.1\"]\n[firewall]\nallow = [\"10.78.1.0/24\"]\n";

/// A host with Docker, and a machine on each of two links.
fn laid_out() -> (Engine, Namespace, Namespace) {
    let engine = Engine::new();
    let friend = linked(&engine.host, "friend", 1);
    let stranger = linked(&engine.host, "stranger", 2);
    engine.import_debian();
    engine.image(
        "redis:test",
        "FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y --no-install-recommends redis-server\n\
         CMD [\"redis-server\", \"--bind\", \"0.0.0.0\", \"--protected-mode\", \"no\"]\n",
        &[],
    );
    (engine, friend, stranger)
}

fn linked(host: &Namespace, role: &str, n: u8) -> Namespace {
    let other = Namespace::new(role);
    let (here, there) = (format!("dk{n}"), "eth0");
    host.ip(&[
        "link",
        "add",
        &here,
        "type",
        "veth",
        "peer",
        "name",
        there,
        "netns",
        other.name(),
    ]);
    for (at, device, address) in [
        (host, here.as_str(), format!("10.78.{n}.1/24")),
        (&other, there, format!("10.78.{n}.2/24")),
    ] {
        at.ip(&["addr", "add", &address, "dev", device]);
        at.ip(&["link", "set", device, "up"]);
    }
    other
}

fn at(n: u8, port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(10, 78, n, 1).into(), port)
}

/// The control's status and what was found, as `check` on that host says.
fn finding(host: &Namespace, policy: &Path) -> (String, String) {
    let ran = Command::new("ip")
        .args(["netns", "exec", host.name()])
        .arg(env!("CARGO_BIN_EXE_redis-harden"))
        .arg("--policy")
        .arg(policy)
        .args([
            "check",
            "--only",
            "network.published-ports",
            "--format",
            "json",
        ])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&ran.stderr)));
    let control = &report["controls"][0];
    (
        control["status"].as_str().unwrap_or_default().to_owned(),
        control["findings"].to_string(),
    )
}

#[test]
fn what_docker_publishes_is_found_and_closed_by_policy() {
    let (engine, friend, stranger) = laid_out();
    let dir = tempfile::TempDir::new_in("/root").unwrap();
    let policy = dir.path().join("policy.toml");
    std::fs::write(&policy, POLICY).unwrap();
    let started = |ports: &str| {
        let run = ["run", "--detach", "--publish", ports, "redis:test"];
        let id = ok(&mut engine.docker(&run)).trim().to_owned();
        std::thread::sleep(std::time::Duration::from_secs(1));
        id
    };
    let networks = Networks::of(&["10.78.1.0/24".parse().unwrap()]);
    let table = |forwards| Table {
        ports: [(REDIS, networks.clone())].into(),
        forwards,
        ..Table::default()
    };

    let id = started("127.0.0.1:6379:6379");
    engine.host.load(&table(false));
    assert_eq!(finding(&engine.host, &policy).0, "pass", "loopback's alone");
    assert!(!stranger.reaches(at(2, REDIS)));
    ok(&mut engine.docker(&["rm", "--force", &id]));

    let id = started("6379:6379");
    assert!(
        stranger.reaches(at(2, REDIS)),
        "Docker's rules come before the input chain"
    );
    let (status, facts) = finding(&engine.host, &policy);
    assert_eq!(status, "fail", "{facts}");
    assert!(facts.contains("6379→172.17.0."), "{facts}");

    engine.host.load(&table(true));
    std::fs::write(&policy, format!("{POLICY}published-ports = \"close\"\n")).unwrap();
    assert!(friend.reaches(at(1, REDIS)), "whom the policy allows");
    assert!(!stranger.reaches(at(2, REDIS)), "nobody else");
    assert_eq!(finding(&engine.host, &policy).0, "pass");

    // Another port of the host's for a Redis is not among those that are closed: it is found.
    let other = started("7000:6379");
    assert!(stranger.reaches(at(2, 7000)));
    let (status, facts) = finding(&engine.host, &policy);
    assert_eq!(status, "fail", "{facts}");
    assert!(
        facts.contains("7000→172.17.0.") && !facts.contains("6379→"),
        "{facts}"
    );
    ok(&mut engine.docker(&["rm", "--force", &id, &other]));
}
