//! The last record of the log cut short, or damaged, as a power loss leaves what was not synced; and damage before it, which nobody may pass over.

use crate::fake::{Tree, differences};
use crate::host::{Host, KINDS};
use crate::judge::known;
use crate::sample::{each, everything, sample};
use crate::strace::{calls, inject};
use std::fs;

const LOG: &str = "/var/lib/redis-harden/runs/0001/log";

/// How the end of a log is spoilt.
#[derive(Clone, Copy, Debug)]
enum Spoilt {
    /// So many bytes of the last record are there.
    Cut(usize),
    /// The disk gave zeros for its first half.
    Zeros,
}

fn spoil(host: &Host, how: Spoilt) {
    let path = host.real(LOG);
    let mut log = fs::read(&path).expect("a log");
    // The last byte ends the last record, the line break before it the record before.
    let length = 1 + log
        .iter()
        .rev()
        .skip(1)
        .take_while(|b| **b != b'\n')
        .count();
    let start = log.len() - length;
    match how {
        Spoilt::Cut(kept) => log.truncate((start + kept).min(log.len() - 1)),
        Spoilt::Zeros => log
            .iter_mut()
            .skip(start)
            .take(length / 2)
            .for_each(|b| *b = 0),
    }
    fs::write(&path, log).expect("our own");
}

/// An apply is killed before it syncs a record, and the disk has kept a part of that record.
#[test]
fn a_record_that_was_not_synced() {
    for kind in KINDS {
        let known = known(kind);
        let (_, all) = calls(&known.first.copy(), "apply");
        let syncs = all.into_iter().filter(|c| c.name == "fdatasync");
        let cuts = [
            Spoilt::Cut(0),
            Spoilt::Cut(1),
            Spoilt::Cut(30),
            Spoilt::Cut(usize::MAX >> 1),
            Spoilt::Zeros,
        ];
        let points = sample(syncs.collect(), 2)
            .into_iter()
            .enumerate()
            .flat_map(|(n, call)| {
                let chosen = cuts.into_iter().enumerate();
                let chosen =
                    chosen.filter(move |(cut, _)| everything() || *cut == (2 + n) % cuts.len());
                chosen.map(move |(_, cut)| (call.clone(), cut))
            });
        let points: Vec<_> = points.collect();
        each(
            &format!("a record cut short, {kind:?}"),
            &points,
            |(call, how)| {
                let host = known.first.copy();
                let ran = inject(&host, "apply", &call.with("signal=KILL"));
                if ran.signal != Some(9) {
                    return vec![format!("not killed at {}: {ran}", call.line)];
                }
                spoil(&host, *how);
                known.survives(&host, &format!("killed at sync {} and {how:?}", call.nth))
            },
        );
    }
}

/// All that is on the host, journal included, but the lock, which says who held it.
fn all_but_the_lock(host: &Host) -> Tree {
    let mut all = host.everything();
    all.remove("/var/lib/redis-harden/lock");
    all
}

#[test]
fn damage_before_the_last_record_is_refused_by_name_and_nothing_is_touched() {
    for kind in KINDS {
        let host = known(kind).applied.copy();
        let path = host.real(LOG);
        let log = fs::read_to_string(&path).expect("a log");
        fs::write(&path, log.replacen("intent", "INTENT", 1)).expect("our own");
        let before = all_but_the_lock(&host);
        for command in ["apply", "rollback"] {
            let ran = host.run(command);
            assert_eq!(ran.code, Some(2), "{ran}");
            let said = format!("reading {LOG}: line 2 is damaged");
            assert!(ran.err.contains(&said), "{ran}");
        }
        let touched = differences(&before, &all_but_the_lock(&host));
        assert!(touched.is_empty(), "{}", touched.join("\n"));
    }
}

#[test]
fn a_before_image_that_is_gone_is_refused_by_name_and_nothing_is_touched() {
    for kind in KINDS {
        let host = known(kind).applied.copy();
        let runs = host.real("/var/lib/redis-harden/runs/0001");
        let names = fs::read_dir(&runs)
            .expect("a run")
            .map(|e| e.expect("a name").file_name());
        let image = names
            .map(|n| n.into_string().expect("UTF-8"))
            .find(|n| n.ends_with(".before"));
        let image = image.expect("something was there before");
        fs::remove_file(runs.join(&image)).expect("our own");
        let before = all_but_the_lock(&host);
        let ran = host.run("rollback");
        assert_eq!(ran.code, Some(2), "{ran}");
        let said = format!("{image}: the before-image is missing");
        assert!(ran.err.contains(&said), "{ran}");
        let touched = differences(&before, &all_but_the_lock(&host));
        assert!(touched.is_empty(), "{}", touched.join("\n"));
    }
}
