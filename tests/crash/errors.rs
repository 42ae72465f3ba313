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

/// Places that one run writes several times: each of its contents is a whole one.
const WRITTEN_OFTEN: &str = "/etc/sysctl.d/99-zz-redis-harden.conf";

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
            && *path != WRITTEN_OFTEN
    });
    neither
        .map(|(path, node)| format!("{path} is half written: {node:?}"))
        .collect()
}

fn fails_at_each(kind: Kind, host: &Host, command: &str, few: usize) {
    let known = known(kind);
    let wanted = match command {
        "apply" => &known.after,
        _ => &known.before,
    };
    let (_, all) = calls(&host.copy(), command);
    let faults = faults(sample(all, few));
    each(
        &format!("{command} told of an error, {kind:?}"),
        &faults,
        |(call, error)| {
            let host = host.copy();
            let what = format!("{command} told {error} by {} {}", call.nth, call.line);
            let ran = inject(&host, command, &call.with(&format!("error={error}")));
            let now = host.tree();
            let mut wrong = is_told(&ran, error, &now, wanted);
            wrong.extend(is_whole(&now, &known.before, &known.after));
            if !wrong.is_empty() {
                wrong = vec![format!("{what}:\n{}", wrong.join("\n"))];
            }
            wrong.extend(known.converges(&host, &what));
            wrong.extend(known.goes_back(&host, &what));
            wrong
        },
    );
}

#[test]
fn an_apply_whose_write_fails() {
    for kind in KINDS {
        fails_at_each(kind, &known(kind).first, "apply", 7);
    }
}

#[test]
fn a_rollback_whose_write_fails() {
    for kind in KINDS {
        fails_at_each(kind, &known(kind).applied, "rollback", 4);
    }
}

/// From some call on a disk is full, or has gone: nothing that is written any more succeeds, the journal's own end included.
#[test]
fn a_disk_that_fails_for_good() {
    for kind in KINDS {
        let known = known(kind);
        let (_, all) = calls(&known.first.copy(), "apply");
        let lasting = ["fdatasync", "fsync", "renameat", "write", "ftruncate"];
        // A kernel's value is on no disk: it stays readable where one cannot be written.
        let on_disk = |c: &Call| kind == Kind::Offline || c.name != "write";
        let points = all
            .into_iter()
            .filter(|c| lasting.contains(&c.name.as_str()) && on_disk(c));
        let points = sample(points.collect(), 4);
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
