//! A call that writes fails: the run says what and why, leaves nothing half written, and the next one does the whole work.

use crate::fake::{Tree, differences};
use crate::host::{Host, KINDS, Kind, Ran};
use crate::judge::known;
use crate::sample::{each, everything, sample};
use crate::strace::{Call, calls, inject};

/// What a disk and a kernel answer when they cannot.
const ERRORS: [&str; 7] = [
    "EIO", "ENOSPC", "EROFS", "EACCES", "EDQUOT", "EMFILE", "ENOMEM",
];

/// Places that one run writes several times, each time whole: a value at a time, and a directory made on the way to a file
/// before its own turn.
const WRITTEN_OFTEN: [&str; 2] = [
    "/etc/sysctl.d/99-zz-redis-harden.conf",
    "/etc/redis-harden/redis",
];

/// Each call with each error; the sample has one error a call, in turn.
fn faults(points: Vec<Call>) -> Vec<(Call, &'static str)> {
    let all = points.into_iter().enumerate();
    let faults = all.flat_map(|(n, call)| {
        let errors = ERRORS.iter().enumerate();
        let chosen = errors.filter(move |(e, _)| everything() || n % ERRORS.len() == *e);
        chosen.map(move |(_, error)| (call.clone(), *error))
    });
    faults.collect()
}

/// Trouble is told with its errno, and nothing else is: no panic, no signal, and no success on another tree than `wanted`.
fn is_told(ran: &Ran, error: &str, now: &Tree, wanted: &Tree) -> Vec<String> {
    let as_wanted = differences(wanted, now).is_empty();
    let told = match ran.code {
        Some(0) => as_wanted,
        Some(2) => ran.err.lines().any(|line| {
            line.starts_with("redis-harden: ") && line.contains(error)
                || line.contains("not put back")
        }),
        _ => false,
    };
    let fine = told && !ran.err.contains("panicked");
    (!fine).then(|| ran.to_string()).into_iter().collect()
}

/// Every place is as before or as after.
fn is_whole(now: &Tree, before: &Tree, after: &Tree) -> Vec<String> {
    let neither = now.iter().filter(|(path, node)| {
        before.get(*path) != Some(*node)
            && after.get(*path) != Some(*node)
            && !WRITTEN_OFTEN.contains(&path.as_str())
    });
    neither
        .map(|(path, node)| format!("{path} is half written: {node:?}"))
        .collect()
}

/// Tells `command` each of these errors on copies of `host`.
fn fails_at(kind: Kind, host: &Host, command: &str, faults: Vec<(Call, &'static str)>) {
    let known = known(kind);
    let wanted = match command {
        "apply" => &known.after,
        _ => &known.before,
    };
    let what = format!("{command} told of an error, {kind:?}");
    each(&what, &faults, |(call, error)| {
        let host = host.copy();
        let what = format!("{command} told {error} by {} {}", call.nth, call.line);
        let ran = inject(&host, command, &call.with(&format!("error={error}")));
        let now = host.tree();
        let mut wrong = is_told(&ran, error, &now, wanted);
        wrong.extend(is_whole(&now, &known.before, &known.after));
        wrong.iter_mut().for_each(|w| *w = format!("{what}: {w}"));
        wrong.extend(known.converges(&host, &what));
        wrong.extend(known.goes_back(&host, &what));
        wrong
    });
}

#[test]
fn an_apply_whose_write_fails() {
    for kind in KINDS {
        let first = &known(kind).first;
        let (_, all) = calls(&first.copy(), "apply");
        fails_at(kind, first, "apply", faults(sample(all, 4)));
    }
}

#[test]
fn a_rollback_whose_write_fails() {
    for kind in KINDS {
        let applied = &known(kind).applied;
        let (_, all) = calls(&applied.copy(), "rollback");
        fails_at(kind, applied, "rollback", faults(sample(all, 3)));
    }
}

/// The first group fails for it; the next one begins the journal again, and all later runs can read it.
#[test]
fn a_journal_that_cannot_begin() {
    let first = &known(Kind::Offline).first;
    let (_, all) = calls(&first.copy(), "apply");
    let log = |c: &Call| c.line.contains("/runs/0001/log>");
    let begins = ["write", "fdatasync"].map(|name| {
        let found = all.iter().find(|c| c.name == name && log(c));
        (found.expect("a journal").clone(), "ENOSPC")
    });
    fails_at(Kind::Offline, first, "apply", begins.to_vec());
}

/// A file that cannot be removed: the directory around it stays in the journal with it, for the next rollback.
#[test]
fn a_directory_that_cannot_be_emptied() {
    let applied = &known(Kind::Running).applied;
    let (_, mut all) = calls(&applied.copy(), "rollback");
    all.retain(|c| c.name == "unlinkat" && c.line.contains("\"default.conf\""));
    let faults = all.into_iter().map(|call| (call, "EIO")).collect();
    fails_at(Kind::Running, applied, "rollback", faults);
}

/// Of several changes to one file the middle one cannot be put back: what was there before it is not put over it.
#[test]
fn a_file_that_was_changed_several_times() {
    let applied = &known(Kind::Offline).applied;
    let (_, mut all) = calls(&applied.copy(), "rollback");
    all.retain(|c| c.name == "fsync" && c.line.contains("/etc/sysctl.d>"));
    assert!(all.len() > 2, "{all:?}");
    let faults = all.into_iter().map(|call| (call, "EROFS")).collect();
    fails_at(Kind::Offline, applied, "rollback", faults);
}

/// From some call on a disk is full, or has gone: nothing that is written any more succeeds, the journal's own end included.
#[test]
fn a_disk_that_fails_for_good() {
    for kind in KINDS {
        let known = known(kind);
        let (_, all) = calls(&known.first.copy(), "apply");
        let lasting = ["fdatasync", "fsync", "renameat", "write", "ftruncate"];
        let points = all
            .into_iter()
            .filter(|c| lasting.contains(&c.name.as_str()));
        let points = sample(points.collect(), 2);
        each(
            &format!("a disk that fails for good, {kind:?}"),
            &points,
            |call| {
                let host = known.first.copy();
                let what = format!("apply told EIO from {} {} on", call.nth, call.line);
                // With the journal's own repair failing too.
                let fault = format!("{},ftruncate:error=EIO:when={}+", call.name, call.nth);
                let fault = if call.name == "ftruncate" {
                    call.with("error=EIO")
                } else {
                    fault
                };
                let ran = inject(&host, "apply", &fault);
                let mut wrong: Vec<String> = Vec::new();
                if ran.code != Some(2) || ran.err.contains("panicked") {
                    wrong.push(format!("{what}:\n{ran}"));
                }
                wrong.extend(known.survives(&host, &what));
                wrong
            },
        );
    }
}
