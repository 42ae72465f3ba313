//! Servers that talk to each other from sandbox to sandbox: MIGRATE, and a cluster that is made, resharded and fails over.

use super::watched::Watched;
use std::process::Command;
use std::time::{Duration, Instant};

/// Below the ports that the kernel gives away, and so that the bus's are too.
const FIRST: u16 = 21_000;
const BUS: u16 = 10_000;

pub fn a_key_migrates() {
    let target = Watched::start("");
    let contain = format!("{{ connect = [{}] }}", target.port);
    let source = Watched::start_with(&[("contain", &contain)], |port| {
        format!("port {port}\nbind 127.0.0.1")
    });
    source.ask("SET key value");
    let migrate = format!(
        "MIGRATE 127.0.0.1 {} key 0 5000 AUTH2 admin admin",
        target.port
    );
    assert_eq!(source.ask(&migrate), "+OK");
    assert_eq!(target.cli(&["GET", "key"]).trim(), "value");
    source.ends_unharmed();
    target.ends_unharmed();
}

pub fn a_cluster_is_made_resharded_and_fails_over() {
    let ports: Vec<u16> = (FIRST..FIRST + 6).collect();
    let all: Vec<String> = ports
        .iter()
        .flat_map(|port| [port.to_string(), (port + BUS).to_string()])
        .collect();
    let start = |port: &u16| {
        let contain = format!(
            "{{ listen = [{}], connect = [{}] }}",
            port + BUS,
            all.join(", ")
        );
        Watched::start_at(*port, &[("contain", &contain)], |port| {
            format!(
                "port {port}\nbind 127.0.0.1\ncluster-enabled yes\ncluster-node-timeout 5000\n\
                 masteruser admin\nmasterauth admin\nrepl-diskless-sync-delay 0"
            )
        })
    };
    let nodes: Vec<Watched> = ports.iter().map(start).collect();
    let places: Vec<String> = ports
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    let entry = places.first().unwrap();
    let mut create = vec!["create"];
    create.extend(places.iter().map(String::as_str));
    create.extend(["--cluster-replicas", "1", "--cluster-yes"]);
    cluster(&create);
    let [first, .., last] = nodes.as_slice() else {
        panic!("six nodes");
    };
    for node in &nodes {
        node.wait("CLUSTER INFO", "cluster_state:ok");
    }
    last.wait("INFO replication", "master_link_status:up");
    for n in 0..100 {
        // Two thirds of the keys are another node's.
        first.cli(&["SET", &format!("key{n}"), "value"]);
    }
    let id = |node: &Watched| node.cli(&["CLUSTER", "MYID"]).trim().to_owned();
    let primaries: Vec<&Watched> = nodes
        .iter()
        .filter(|node| node.cli(&["INFO", "replication"]).contains("role:master"))
        .collect();
    let [from, to, ..] = primaries.as_slice() else {
        panic!("three primaries");
    };
    let (from, to) = (id(from), id(to));
    cluster(&[
        "reshard",
        entry,
        "--cluster-from",
        &from,
        "--cluster-to",
        &to,
        "--cluster-slots",
        "2000",
        "--cluster-yes",
    ]);
    // Who has not heard yet of the slots' new owner does not vote.
    agrees(entry);
    fails_over(last);
    agrees(entry);
    for node in nodes {
        node.ends_unharmed();
    }
}

fn agrees(place: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !checks(place) {
        assert!(
            Instant::now() < deadline,
            "the cluster's slots are covered and agreed on"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// An election without a majority ends after 5 s, and is asked for again, as an operator would.
fn fails_over(replica: &Watched) {
    for _ in 0..6 {
        assert_eq!(replica.ask("CLUSTER FAILOVER"), "+OK");
        if replica.says("INFO replication", "role:master", Duration::from_secs(6)) {
            return;
        }
    }
    panic!("no majority:\n{}", replica.instance.output());
}

fn cluster(args: &[&str]) {
    let output = redis_cli(args);
    assert!(output.status.success(), "{output:?}");
}

fn checks(place: &str) -> bool {
    let said = String::from_utf8(redis_cli(&["check", place]).stdout).unwrap();
    said.contains("[OK] All 16384 slots covered") && said.contains("[OK] All nodes agree")
}

fn redis_cli(args: &[&str]) -> std::process::Output {
    Command::new("redis-cli")
        .args([
            "--user",
            "admin",
            "--pass",
            "admin",
            "--no-auth-warning",
            "--cluster",
        ])
        .args(args)
        .output()
        .unwrap()
}
