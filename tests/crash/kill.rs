//! SIGKILL before each write of an apply, of a rollback, and of the recovery that follows.

use crate::host::{Host, KINDS, Kind};
use crate::judge::known;
use crate::sample::{each, sample};
use crate::strace::{Call, calls, inject};

const SIGKILL: i32 = 9;

/// Kills the command before the call; what is wrong when it was not.
fn kill(host: &Host, command: &str, call: &Call) -> Option<String> {
    let ran = inject(host, command, &call.with("signal=KILL"));
    let killed = ran.signal == Some(SIGKILL);
    (!killed).then(|| format!("{command} was not killed at {}: {ran}", call.line))
}

/// Kills `command` at each of its writes on copies of `host`, and looks what can be made of it.
fn killed_at_each(kind: Kind, host: &Host, command: &str, few: usize) {
    let known = known(kind);
    let (_, all) = calls(&host.copy(), command);
    // The new run after a recovery is an apply as any other.
    let recovery = all
        .iter()
        .position(|call| call.line.contains("\"0002\", 0700"));
    let points = sample(
        all.into_iter()
            .take(recovery.unwrap_or(usize::MAX))
            .collect(),
        few,
    );
    each(&format!("{command} killed, {kind:?}"), &points, |call| {
        let host = host.copy();
        let what = format!("{command} killed at {} {}", call.nth, call.line);
        let mut wrong: Vec<String> = kill(&host, command, call).into_iter().collect();
        wrong.extend(known.survives(&host, &what));
        wrong
    });
}

#[test]
fn an_apply_that_is_killed() {
    for kind in KINDS {
        killed_at_each(kind, &known(kind).first, "apply", 4);
    }
}

#[test]
fn a_rollback_that_is_killed() {
    for kind in KINDS {
        killed_at_each(kind, &known(kind).applied, "rollback", 4);
    }
}

/// The apply is killed at a few of its writes, the next rollback or apply at each of its own.
#[test]
fn a_recovery_that_is_killed() {
    for kind in KINDS {
        let first = &known(kind).first;
        let (_, all) = calls(&first.copy(), "apply");
        // The long form has four hosts half applied, the sample one.
        let halves = if crate::sample::everything() { 4 } else { 1 };
        let step = all.len() / (halves + 1);
        for call in all.iter().skip(step).step_by(step).take(halves) {
            let half = first.copy();
            assert_eq!(kill(&half, "apply", call), None);
            for command in ["rollback", "apply"] {
                killed_at_each(kind, &half, command, 2);
            }
        }
    }
}
