//! SIGKILL before each write of an apply, of a rollback, and of the recovery that follows.

use crate::host::{Host, KINDS, Kind};
use crate::judge::known;
use crate::sample::{each, everything, sample};
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
    let (_, all) = calls(&host.copy(), command);
    killed_at(kind, host, command, sample(all, few));
}

fn killed_at(kind: Kind, host: &Host, command: &str, points: Vec<Call>) {
    let known = known(kind);
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
        killed_at_each(kind, &known(kind).first, "apply", 3);
    }
}

#[test]
fn a_rollback_that_is_killed() {
    for kind in KINDS {
        killed_at_each(kind, &known(kind).applied, "rollback", 3);
    }
}

#[test]
fn an_apply_that_is_killed_while_it_copies_itself() {
    let first = &known(Kind::Copying).first;
    let (_, mut all) = calls(&first.copy(), "apply");
    all.retain(|call| call.line.contains("/usr/local/sbin"));
    killed_at(Kind::Copying, first, "apply", sample(all, 1));
}

/// The apply is killed at a few of its writes, the next rollback at each of its own, the next apply at each of its recovery.
#[test]
fn a_recovery_that_is_killed() {
    for kind in KINDS {
        let first = &known(kind).first;
        let (_, all) = calls(&first.copy(), "apply");
        // The long form has four hosts half applied, the sample one.
        let halves = if everything() { 4 } else { 1 };
        let step = all.len() / (halves + 1);
        for call in all.iter().skip(step).step_by(step).take(halves) {
            let half = first.copy();
            assert_eq!(kill(&half, "apply", call), None);
            killed_at_each(kind, &half, "rollback", 1);
            let (_, mut recovery) = calls(&half.copy(), "apply");
            // The new run after it is an apply as any other.
            let new = recovery
                .iter()
                .position(|c| c.line.contains("\"0002\", 0700"));
            recovery.truncate(new.unwrap_or(recovery.len()));
            killed_at(kind, &half, "apply", sample(recovery, 1));
        }
    }
}
