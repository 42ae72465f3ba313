//! The report for a person: worst first, by topic, aligned.

use super::harness::{Fake, run};
use super::reports::tree;
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn text_is_grouped_by_topic_and_aligned_with_a_line_for_each_that_passes() {
    let tree = tree();
    let ran = tree.run(&["check", "-v", "--allow-unknown"]);
    let rows: Vec<&str> = ran
        .exits(1)
        .lines()
        .filter(|l| {
            ["pass ", "fail ", "waived ", "unknown ", "not-applicable "]
                .iter()
                .any(|w| l.starts_with(w))
        })
        .collect();
    let listed = run(&["controls"]).out.lines().count() - 1;
    assert_eq!(rows.len(), listed, "{ran}");
    let id = |row: &&str| row[16..].split(' ').next().expect("an id").to_owned();
    let mut topics: Vec<String> = rows
        .iter()
        .map(|r| id(r).split('.').next().expect("a topic").to_owned())
        .collect();
    topics.dedup();
    let distinct: BTreeSet<&String> = topics.iter().collect();
    assert_eq!(
        distinct.len(),
        topics.len(),
        "each topic stands together: {topics:?}"
    );
    let column = rows.iter().map(|r| 16 + id(r).len()).max().expect("some") + 2;
    for row in &rows {
        let severity = row[column..].split(' ').next();
        assert!(
            severity.is_some_and(|s| ["low", "medium", "high", "critical"].contains(&s)),
            "{row}"
        );
    }
    // Nothing but the next row, or the end of its topic, follows a passing control's.
    let lines: Vec<&str> = ran.out.lines().collect();
    for pair in lines.windows(2).filter(|w| w[0].starts_with("pass ")) {
        assert!(!pair[1].starts_with(' '), "{pair:?}");
    }
    let last: Vec<&str> = lines.iter().rev().take(2).copied().collect();
    assert_eq!(last[0], "next: redis-harden plan");
    assert!(
        last[1].contains(" pass, ") && last[1].contains("; score "),
        "{last:?}"
    );
    let quiet = tree.run(&["check", "--allow-unknown"]);
    assert!(!quiet.exits(1).contains("\npass "), "{quiet}");
}

#[test]
fn the_worst_comes_first() {
    let tree = Fake::debian();
    let ran = tree.run(&["check"]);
    let first = ran
        .exits(1)
        .lines()
        .find(|l| l.starts_with("fail "))
        .expect("fails");
    let json = tree.run(&["check", "--format", "json"]);
    let json: Value = serde_json::from_str(json.exits(1)).expect("JSON");
    let rank = |s: &Value| {
        ["low", "medium", "high", "critical"]
            .iter()
            .position(|w| s == w)
    };
    let controls = json["controls"].as_array().expect("a list");
    let worst = controls
        .iter()
        .filter(|c| c["status"] == "fail")
        .max_by_key(|c| rank(&c["severity"]));
    let word = worst.expect("some")["severity"].as_str().expect("text");
    assert!(first.contains(&format!("  {word} ")), "{first}");
}

#[test]
fn what_a_host_says_does_not_move_the_terminal() {
    let tree = Fake::debian();
    tree.file(
        "etc/sysctl.d/50.conf",
        "net.core.somaxconn = \u{1b}[2J1\u{9b}2J\n",
    );
    let said = "net.core.somaxconn at boot is \\u{1b}[2J1\\u{9b}2J, wants";
    for (command, code) in [("check --only", 1), ("explain", 0)] {
        let args: Vec<&str> = command.split(' ').chain(["kernel.somaxconn"]).collect();
        let ran = tree.run(&args);
        assert!(ran.exits(code).contains(said), "{ran}");
    }
}
