//! A clock that jumps back between two runs: the journal goes by numbers, not by times.

use super::harness::{Fake, Ran, binary};
use std::process::Command;

/// The binary a year ago, as far as it can tell.
fn a_year_ago(tree: &Fake, args: &[&str]) -> Ran {
    let mut command = Command::new("faketime");
    command
        .args(["-f", "-365d", binary(), "--root"])
        .arg(tree.root())
        .args(args);
    Ran::of(&mut command)
}

#[test]
fn a_clock_that_jumps_back_changes_no_order() {
    let tree = Fake::debian();
    let policy = "/etc/redis-harden/policy.toml";
    tree.file(policy, "[kernel]\nswappiness = 9\n");
    tree.run(&["apply"]).exits(0);
    let values = "/etc/sysctl.d/99-zz-redis-harden.conf";
    let first = tree.text(values);

    tree.file(policy, "[kernel]\nswappiness = 5\n");
    a_year_ago(&tree, &["apply"]).exits(0);
    assert!(tree.text(values).contains("vm.swappiness = 5"));
    let told = tree.run(&["history"]).out;
    let runs: Vec<&str> = told.lines().map(str::trim_start).collect();
    assert!(
        matches!(runs.as_slice(), [one, two] if one.starts_with('1') && two.starts_with('2')),
        "{told}"
    );

    // The newest is the one that came last, whenever that was.
    tree.run(&["rollback"]).exits(0);
    assert_eq!(tree.text(values), first);
    a_year_ago(&tree, &["rollback"]).exits(0);
    assert!(!tree.has(values));
}
