//! One control can hang nothing: with an nft or a Redis that never answers, or a ruleset without measure, `check` still ends, and
//! says what it could not read. Needs root.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

#[test]
fn a_program_that_does_not_end_costs_one_control_its_verdict() {
    let dir = tempfile::tempdir().expect("a directory");
    let (nft, file) = (dir.path().join("nft"), dir.path().join("report.json"));
    std::fs::write(&nft, "#!/bin/sh\nexec sleep 60\n").expect("a script");
    std::fs::set_permissions(&nft, PermissionsExt::from_mode(0o755)).expect("its mode");
    // In a mount namespace of its own the machine's nft is this one.
    let script = format!(
        "nft add table inet redis_harden && mount --bind {} /usr/sbin/nft && {CHECK} --only 'network.*' --only 'kernel.*' --report json={}",
        nft.display(),
        file.display()
    );
    let output = within(Duration::from_secs(15), &script);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let of = |id: &str| control(&file, id);
    let hung = of("network.firewall");
    assert_eq!(hung.get("status"), Some(&Value::from("unknown")));
    assert!(
        hung.to_string().contains("within 4 s and was killed"),
        "{hung}"
    );
    let judged = of("kernel.overcommit-memory");
    assert_ne!(judged.get("status"), Some(&Value::from("unknown")));
}

#[test]
fn somebodys_fifty_thousand_rules_cost_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (rules, file) = (dir.path().join("rules"), dir.path().join("report.json"));
    let theirs: String = (0..50_000)
        .map(|n| {
            format!(
                "tcp dport {} ip saddr 10.0.{}.1 accept\n",
                1 + n % 60_000,
                n % 250
            )
        })
        .collect();
    let table = format!("table ip theirs {{\nchain input {{\n{theirs}}}\n}}\n");
    std::fs::write(&rules, table).expect("a ruleset");
    let script = format!(
        "nft -f {} && timeout 3 {CHECK} --only network.firewall --report json={}",
        rules.display(),
        file.display()
    );
    let output = within(Duration::from_secs(30), &script);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let firewall = control(&file, "network.firewall");
    assert_eq!(
        firewall.get("status"),
        Some(&Value::from("fail")),
        "{firewall}"
    );
}

#[test]
fn a_redis_in_a_script_without_end_is_unknown_and_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("report.json");
    let script = format!(
        "ip link set lo up; cd {}; redis-server --save '' >/dev/null & server=$!
        until redis-cli PING >/dev/null 2>&1; do sleep 0.1; done
        redis-cli EVAL 'while true do end' 0 >/dev/null 2>&1 & sleep 0.5
        {CHECK} --report json={}; code=$?; kill -KILL $server; exit $code",
        dir.path().display(),
        file.display()
    );
    let output = within(Duration::from_secs(20), &script);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let status = |id| control(&file, id).get("status").cloned();
    for id in ["acl.anonymous", "network.bind", "account.process-user"] {
        assert_eq!(status(id), Some(Value::from("unknown")), "{id}");
    }
    assert_ne!(
        status("kernel.overcommit-memory"),
        Some(Value::from("unknown"))
    );
}

/// In the script's environment: the binary.
const CHECK: &str = "\"$REDIS_HARDEN\" check";

/// Runs a shell script in mount and network namespaces of its own; it must end in time.
fn within(limit: Duration, script: &str) -> Output {
    let start = Instant::now();
    let output = Command::new("unshare")
        .args(["--mount", "--net", "sh", "-c", script])
        .env("REDIS_HARDEN", env!("CARGO_BIN_EXE_redis-harden"))
        .output()
        .expect("unshare, as root");
    assert!(start.elapsed() < limit, "{output:?}");
    output
}

/// A control in a report.
fn control(report: &Path, id: &str) -> Value {
    let text = std::fs::read_to_string(report).expect("a report");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let all = report.get("controls").and_then(Value::as_array);
    let mut all = all.expect("controls").iter();
    let found = all.find(|c| c.get("id").is_some_and(|i| i == id));
    found.unwrap_or_else(|| panic!("no {id}")).clone()
}
