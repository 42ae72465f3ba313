//! What must hold on a machine after an apply and after each boot, as it told from inside.

use super::machine::Told;
use std::path::Path;

/// All that a machine was asked in this boot, without what depends on the user-data.
#[track_caller]
pub fn is_hardened(told: &Told, boot: usize, suite: &str) {
    let status = told.ok(boot, "cloud-init");
    assert!(status.starts_with("status: done"), "{status}");
    result_is_fine(told, boot);

    assert_eq!(told.ok(boot, "overcommit"), "1");
    assert_eq!(told.ok(boot, "somaxconn"), "4096");
    let huge_pages = told.ok(boot, "huge-pages");
    assert!(huge_pages.contains("[madvise]"), "{huge_pages}");
    let filter = told.ok(boot, "firewall");
    assert!(
        filter.contains("hook input") && filter.contains("6379"),
        "{filter}"
    );

    assert_eq!(told.ok(boot, "ping"), "PONG");
    let stranger = told.said(boot, "stranger");
    assert!(stranger.starts_with("NOAUTH"), "{stranger}");
    assert_eq!(told.ok(boot, "active"), "active");
    assert_eq!(
        told.ok(boot, "enabled"),
        "enabled\nenabled\nenabled\nenabled"
    );
    is_confined(told, boot, "confined", &["redis-harden", "redis-server"]);
    assert_eq!(told.said(boot, "failed"), "", "units that failed");
    let exposure = exposure(told.ok(boot, "security"));
    assert!(exposure <= 1.0, "exposure {exposure}");

    findings_are_expected(told, boot, suite);
    let again = told.ok(boot, "again");
    assert!(again.starts_with("nothing to change\n"), "{again}");
    let status = told.ok(boot, "status");
    assert!(status.starts_with("default: ready"), "{status}");
    assert!(
        status.contains("\n  AppArmor: enforce (profile redis-harden)\n"),
        "{status}"
    );

    assert_eq!(
        told.said(boot, "escapes"),
        "0",
        "colour in cloud-init's log"
    );
    assert_eq!(
        told.said(boot, "told-secrets"),
        "",
        "files that hold a password"
    );
}

/// `result.json`, of the run that cloud-init or the boot made.
#[track_caller]
fn result_is_fine(told: &Told, boot: usize) {
    assert_eq!(told.ok(boot, "result-mode"), "root 600");
    let text = told.ok(boot, "result");
    let result: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/schema/result.schema.json");
    let schema = std::fs::read_to_string(schema).expect("shipped");
    let schema = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    assert!(validator.is_valid(&result), "{text}");
    let field = |name: &str| result.get(name).expect("it is always written");
    assert_eq!(field("exit-code"), 0, "{text}");
    assert_eq!(field("failed"), 0, "{text}");
    assert!(field("trouble").is_null(), "{text}");
}

/// `→ Overall exposure level for redis-server.service: 0.9 SAFE`.
#[track_caller]
fn exposure(security: &str) -> f64 {
    let level = security.rsplit_once("service: ").map(|(_, level)| level);
    let number = level.and_then(|level| level.split(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no exposure level in {security}"))
}

/// What is left is what `findings/SUITE.txt` says, a reason beside each; nothing is unknown.
#[track_caller]
fn findings_are_expected(told: &Told, boot: usize, suite: &str) {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/vm/findings/{suite}.txt"));
    let list =
        std::fs::read_to_string(&list).unwrap_or_else(|why| panic!("{}: {why}", list.display()));
    let expected: Vec<&str> = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (control, reason) = line.split_once(' ').expect("a control and a reason");
            assert!(reason.trim().len() > 20, "no reason: {line}");
            control
        })
        .collect();
    let said = told.said(boot, "findings");
    let mut found = Vec::new();
    for line in said.lines() {
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("fail"), "{line}");
        found.push(words.next().expect("a control"));
    }
    assert_eq!(found, expected, "in boot {boot}:\n{said}");
}

/// Each process of the service is in our profile, and held to it.
#[track_caller]
pub fn is_confined(told: &Told, boot: usize, asked: &str, programs: &[&str]) {
    let said = told.ok(boot, asked);
    let mut found: Vec<&str> = said
        .lines()
        .map(|line| match line.split_once(": ") {
            Some((program, "redis-harden (enforce)")) => program,
            _ => panic!("in boot {boot} not confined: {line}"),
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, programs, "in boot {boot}");
}

/// AppArmor has refused nothing of ours in this boot.
#[track_caller]
pub fn nothing_was_refused(told: &Told, boot: usize) {
    assert_eq!(told.exits(boot, "refusals", 1), "");
}

/// What no profile allows is refused to root in the profile, and to nobody without it.
#[track_caller]
pub fn trespassers_are_refused(told: &Told, boot: usize) {
    for asked in ["run-in", "read-in", "log-in", "planted-in"] {
        let (said, code) = (told.said(boot, asked), told.code(boot, asked));
        assert_ne!(code, 0, "{asked}: {said}");
    }
    assert!(
        told.said(boot, "log-in").contains("Permission denied"),
        "{}",
        told.said(boot, "log-in")
    );
    for asked in ["run-out", "read-out", "planted-out"] {
        told.ok(boot, asked);
    }
    let log = told.ok(boot, "trespasses");
    for file in ["/usr/bin/true", "/root/vm-test.rdb", "/etc/cron.d/vm-test"] {
        let name = format!("name=\"{file}\"");
        assert!(log.contains(&name), "{file} in\n{log}");
    }
}

/// The kernel's values are those of Debian's first boot.
#[track_caller]
pub fn is_debians(told: &Told, boot: usize) {
    assert_eq!(told.exits(boot, "kernel", 0), "", "in boot {boot}");
    assert_eq!(told.said(boot, "failed"), "", "units that failed");
}
