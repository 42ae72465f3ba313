//! One control can hang nothing: with an nft that never ends `check` still does, and says what it could not read.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn a_program_that_does_not_end_costs_one_control_its_verdict() {
    let dir = tempfile::tempdir().expect("a directory");
    let (nft, file) = (dir.path().join("nft"), dir.path().join("report.json"));
    std::fs::write(&nft, "#!/bin/sh\nexec sleep 60\n").expect("a script");
    std::fs::set_permissions(&nft, PermissionsExt::from_mode(0o755)).expect("its mode");
    // In a mount namespace of its own the machine's nft is this one.
    let script = format!(
        "mount --bind {} /usr/sbin/nft && exec {} check --only 'network.*' --only 'kernel.*' --report json={}",
        nft.display(),
        env!("CARGO_BIN_EXE_redis-harden"),
        file.display()
    );
    let start = Instant::now();
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .output()
        .expect("unshare, as root");
    assert!(start.elapsed() < Duration::from_secs(15), "{output:?}");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = std::fs::read_to_string(&file).expect("a report");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let controls = report.get("controls").and_then(Value::as_array);
    let of = |id: &str| {
        let all = controls.expect("controls");
        let found = all.iter().find(|c| c.get("id").is_some_and(|i| i == id));
        found.unwrap_or_else(|| panic!("no {id}")).clone()
    };
    let hung = of("network.firewall");
    assert_eq!(hung.get("status"), Some(&Value::from("unknown")));
    assert!(
        hung.to_string().contains("within 4 s and was killed"),
        "{hung}"
    );
    let judged = of("kernel.overcommit-memory");
    assert_ne!(judged.get("status"), Some(&Value::from("unknown")));
}
