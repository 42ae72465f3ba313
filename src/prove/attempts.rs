//! The list of attempts. An attempt is data and one function in one of these files; adding one touches one file.

mod access;
mod code;
mod exhaustion;
mod live;
mod persistence;
mod replication;
mod sandbox;
mod secrets;
mod transport;

use super::Attempt;
use crate::control::{Control, Severity, Wants};

/// The topics, in the order of an attacker's way in.
pub const TOPICS: [&[Attempt]; 9] = [
    live::ATTEMPTS,
    access::ATTEMPTS,
    transport::ATTEMPTS,
    secrets::ATTEMPTS,
    persistence::ATTEMPTS,
    replication::ATTEMPTS,
    code::ATTEMPTS,
    exhaustion::ATTEMPTS,
    sandbox::ATTEMPTS,
];

/// The reason behind an attempt.
struct Reason {
    id: &'static str,
    /// The desired state, as a sentence.
    title: &'static str,
    severity: Severity,
    why: &'static str,
    references: &'static [&'static str],
    by_hand: &'static str,
}

/// As every report tells it.
const fn control(reason: Reason) -> Control {
    Control {
        id: reason.id,
        title: reason.title,
        severity: reason.severity,
        why: reason.why,
        references: reason.references,
        by_hand: reason.by_hand,
        wants: Wants::Attempt(reason.id),
        cases: &[],
    }
}

#[cfg(test)]
mod tests {
    use crate::prove::all;
    use std::collections::BTreeSet;

    #[test]
    fn every_attempt_has_an_id_of_its_own_a_reason_a_remedy_and_a_reference() {
        let ids: BTreeSet<&str> = all().map(|attempt| attempt.control.id).collect();
        assert_eq!(ids.len(), all().count());
        assert!(ids.len() >= 25, "{}", ids.len());
        for attempt in all() {
            let control = &attempt.control;
            assert!(control.id.starts_with("prove."), "{}", control.id);
            assert!(!control.why.is_empty() && !control.by_hand.is_empty());
            assert!(!control.references.is_empty(), "{}", control.id);
            assert!(!control.title.ends_with('.'), "{}", control.id);
        }
        let plain = crate::controls::all();
        assert!(plain.iter().all(|control| !ids.contains(control.id)));
    }
}
