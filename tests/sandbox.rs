//! Units with random directives, in the package's file and in drop-ins: our verdict on each of them is that of
//! `systemd-analyze security`, which merges and judges the same files by systemd's own code.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

#[path = "support/fake.rs"]
mod fake;

use fake::Fake;
use proptest::prelude::*;
use redis_harden::audit::Status;
use redis_harden::control::Control;
use redis_harden::controls::all;
use redis_harden::policy::Policies;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Control, directive, and the values that it is given. `ProtectProc=noaccess` is left out: it hides what our control is about, and
/// systemd gives it half of its points.
const DIRECTIVES: &[(&str, &str, &[&str])] = &[
    ("sandbox.no-new-privileges", "NoNewPrivileges", FLAGS),
    (
        "sandbox.protect-system",
        "ProtectSystem",
        &["strict", "full", "yes", "no", ""],
    ),
    (
        "sandbox.protect-home",
        "ProtectHome",
        &["yes", "1", "no", "off"],
    ),
    ("sandbox.private-tmp", "PrivateTmp", FLAGS),
    ("sandbox.private-devices", "PrivateDevices", FLAGS),
    (
        "sandbox.protect-kernel-tunables",
        "ProtectKernelTunables",
        FLAGS,
    ),
    (
        "sandbox.protect-kernel-modules",
        "ProtectKernelModules",
        FLAGS,
    ),
    (
        "sandbox.protect-control-groups",
        "ProtectControlGroups",
        FLAGS,
    ),
    ("sandbox.restrict-suid-sgid", "RestrictSUIDSGID", FLAGS),
    ("sandbox.lock-personality", "LockPersonality", FLAGS),
    (
        "sandbox.memory-deny-write-execute",
        "MemoryDenyWriteExecute",
        FLAGS,
    ),
    ("sandbox.restrict-realtime", "RestrictRealtime", FLAGS),
    ("sandbox.protect-kernel-logs", "ProtectKernelLogs", FLAGS),
    ("sandbox.protect-clock", "ProtectClock", FLAGS),
    ("sandbox.protect-hostname", "ProtectHostname", FLAGS),
    (
        "sandbox.protect-proc",
        "ProtectProc",
        &["invisible", "default"],
    ),
    ("sandbox.remove-ipc", "RemoveIPC", FLAGS),
    ("sandbox.private-users", "PrivateUsers", FLAGS),
    (
        "sandbox.native-system-calls",
        "SystemCallArchitectures",
        &["native", "native x86", ""],
    ),
];

/// As systemd.syntax(7) spells them.
const FLAGS: &[&str] = &["yes", "true", "on", "1", "no", "false", "off", "0"];

const UNIT: &str = "/lib/systemd/system/redis-server.service";
const DROP_IN: &str = "/etc/systemd/system/redis-server.service.d/50-local.conf";

/// Which directive, which of its values, and which section.
type Pick = (
    prop::sample::Index,
    prop::sample::Index,
    prop::sample::Index,
);

/// Most lines are where they belong.
const SECTIONS: &[&str] = &[
    "Service", "Service", "Service", "Service", "Unit", "Install",
];

/// One line for each pick.
fn section(picks: &[Pick]) -> String {
    let line = |(which, value, section): &Pick| {
        let (_, key, values) = which.get(DIRECTIVES);
        format!("[{}]\n{key}={}\n", section.get(SECTIONS), value.get(values))
    };
    picks.iter().map(line).collect()
}

/// Each directive's `set`, by systemd.
fn theirs(root: &Path) -> BTreeMap<String, bool> {
    let output = Command::new("systemd-analyze")
        .args([
            "security",
            "--offline=true",
            "--json=short",
            "--no-pager",
            "--root",
        ])
        .arg(root)
        .arg("redis-server.service")
        .output()
        .expect("systemd-analyze (tests/install-deps)");
    let table: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let row = |row: &Value| {
        let name = row.get("json_field")?.as_str()?.to_owned();
        // A directive in part is one that still costs exposure.
        Some((name, row.get("exposure")?.is_null()))
    };
    table
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(row)
        .collect()
}

fn control(id: &str) -> &'static Control {
    let mut found = all().into_iter().filter(|c| c.id == id);
    found.next().expect("a control")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn we_judge_a_unit_as_systemd_does(
        unit in prop::collection::vec(any::<Pick>(), 0..30),
        drop_in in prop::collection::vec(any::<Pick>(), 0..15),
    ) {
        let mut fake = Fake::new();
        let run = "ExecStart=/usr/bin/redis-server\nUser=redis\n";
        fake.lay(UNIT, &format!("{}[Service]\n{run}", section(&unit)));
        fake.lay(DROP_IN, &section(&drop_in));
        let policies = Policies::parse("test.toml", "").expect("production");
        let theirs = theirs(&fake.real("/"));
        for (id, key, _) in DIRECTIVES {
            let ours = fake.judge(&policies, control(id)).status == Status::Pass;
            let by_systemd = theirs.get(*key).copied();
            prop_assert_eq!(by_systemd, Some(ours), "{} in\n{}{}", key, section(&unit), section(&drop_in));
        }
    }
}
