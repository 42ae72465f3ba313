//! Our verdicts on this machine against those of `redis-server --check-system`, which judges the same kernel by its own code.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

use serde_json::Value;
use std::process::Command;

/// Its name for a check, and the setting that we judge for it.
const PAIRS: [(&str, &str); 3] = [
    ("overcommit", "sysctl vm.overcommit_memory"),
    ("THP", "/sys/kernel/mm/transparent_hugepage/enabled"),
    ("xen-clocksource", "clock source"),
];

fn ours(setting: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_redis-harden"))
        .args([
            "check", "--format", "json", "--only", "kernel.*", "--only", "memory.*",
        ])
        .output()
        .expect("it runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let controls = report.get("controls").and_then(Value::as_array);
    let findings = controls
        .expect("controls")
        .iter()
        .filter_map(|control| control.get("findings")?.as_array())
        .flatten();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut ours = findings.filter(|f| text(f, "setting").as_deref() == Some(setting));
    let found = ours
        .next()
        .unwrap_or_else(|| panic!("nothing is judged of {setting}"));
    text(found, "status").expect("a status")
}

#[test]
fn redis_and_we_agree_on_this_machine() {
    let output = Command::new("redis-server").arg("--check-system").output();
    let output = output.expect("redis-server is installed (tests/install-deps)");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for (name, setting) in PAIRS {
        let line = said
            .lines()
            .find(|line| line.starts_with(&format!("[{name}]")))
            .unwrap_or_else(|| panic!("no {name} in {said}"));
        let ours = ours(setting);
        let theirs = match line {
            _ if line.contains("OK") => "pass",
            _ if line.contains("WARNING") => "fail",
            // What it cannot read it counts as good; we do not.
            _ => "not-applicable",
        };
        println!("{name}: {theirs} there, {ours} here");
        assert_eq!(ours, theirs, "{line}");
    }
}
