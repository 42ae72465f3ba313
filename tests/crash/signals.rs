//! SIGTERM, SIGINT and SIGHUP in the middle: the process ends as that signal ends one, the journal says that the run is open, and the
//! next one recovers it.

use crate::host::{KINDS, Kind};
use crate::judge::known;
use crate::sample::{each, sample};
use crate::strace::{calls, inject};

const SIGNALS: [(&str, i32); 3] = [("HUP", 1), ("INT", 2), ("TERM", 15)];

#[test]
fn a_signal_in_the_middle() {
    for kind in KINDS {
        interrupted(kind, "apply");
        interrupted(kind, "rollback");
    }
}

fn interrupted(kind: Kind, command: &str) {
    let known = known(kind);
    let host = match command {
        "apply" => &known.first,
        _ => &known.applied,
    };
    let (_, all) = calls(&host.copy(), command);
    // A third, each signal in turn: what one leaves is what SIGKILL leaves, unless somebody catches it.
    let third = all.into_iter().skip(1).step_by(3).collect();
    let signals = SIGNALS.iter().cycle();
    let points: Vec<_> = sample(third, 1).into_iter().zip(signals).collect();
    each(
        &format!("{command} and a signal, {kind:?}"),
        &points,
        |(call, (name, number))| {
            let host = host.copy();
            let ran = inject(&host, command, &call.with(&format!("signal={name}")));
            let what = format!("{command} and SIG{name} at {} {}", call.nth, call.line);
            let mut wrong = Vec::new();
            if ran.signal != Some(*number) {
                wrong.push(format!("{what}: {ran}"));
            }
            wrong.extend(known.survives(&host, &what));
            wrong
        },
    );
}
