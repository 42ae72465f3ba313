//! Two applies and a rollback at once: one after the other, in some order, and each whole.

use crate::fake::differences;
use crate::host::{Host, KINDS, Ran};
use crate::judge::known;
use crate::sample::everything;
use std::process::Stdio;

fn at_once(host: &Host, commands: &[&str]) -> Vec<Ran> {
    let started: Vec<_> = commands
        .iter()
        .map(|command| {
            let mut command = host.command(&[], command);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("it starts")
        })
        .collect();
    let ended = started.into_iter();
    ended
        .map(|child| Ran::ended(child.wait_with_output().expect("our own child")))
        .collect()
}

#[test]
fn two_applies_and_a_rollback_at_once() {
    for kind in KINDS {
        let known = known(kind);
        let rounds = if everything() { 60 } else { 2 };
        let (mut applied, mut rolled_back) = (0, 0);
        for _ in 0..rounds {
            let host = known.first.copy();
            for ran in at_once(&host, &["apply", "rollback", "apply"]) {
                assert_eq!(ran.code, Some(0), "{ran}");
            }
            // Whoever came last decides; there is nothing between the two.
            let now = host.tree();
            let after = differences(&known.after, &now);
            match (
                after.is_empty(),
                differences(&known.before, &now).is_empty(),
            ) {
                (true, _) => applied += 1,
                (_, true) => rolled_back += 1,
                _ => panic!("neither applied nor rolled back:\n{}", after.join("\n")),
            }
            let wrong = known.survives(&host, "two applies and a rollback at once");
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        }
        println!(
            "crash: at once, {kind:?}: {rounds} rounds, {applied} ended applied, {rolled_back} rolled back"
        );
    }
}
