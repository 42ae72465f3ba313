//! An audit within a budget of time.

use super::budget::{self, Budget};
use super::{Asked, Finding, Judged, Selection, Status, Where, ask, in_order, judge, worst};
use crate::control::{Control, Want};
use crate::facts::Facts;
use crate::host::Host;
use crate::policy::Policies;
use crate::setting::{Ahead, Memo, Sight};
use std::mem::take;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Judges where nothing may hang: a control that does is unknown, and named. What is looked at lives as long as the process,
/// since a look that hangs does. Two work at once, on neighbours each, since those read the same files.
pub fn audit_within(
    (host, facts, policies): (&'static Host, &'static Facts, &'static Policies),
    controls: &[&'static Control],
    selection: &Selection,
    ahead: Ahead,
    budget: Budget,
) -> Vec<Judged> {
    let mut one = ask(Sight::new(host, facts), policies, controls, selection);
    let other = one.split_off(one.len() / 2);
    let judged = |asked, ahead| part_within((host, facts, policies), asked, ahead, budget);
    let (mut all, rest) = thread::scope(|scope| {
        // What was asked ahead is judged last.
        let other = scope.spawn(|| judged(other, ahead));
        (judged(one, Ahead::default()), other.join())
    });
    all.extend(rest.unwrap_or_else(|panic| resume_unwind(panic)));
    in_order(all)
}

fn part_within(
    (host, facts, policies): (&'static Host, &'static Facts, &'static Policies),
    asked: Vec<Asked>,
    ahead: Ahead,
    budget: Budget,
) -> Vec<(usize, Judged)> {
    let now = host.now();
    let asked = Arc::new(asked);
    let (count, theirs) = (asked.len(), Arc::clone(&asked));
    let ahead = Arc::new(Mutex::new(ahead));
    let results = budget::within((0..count).collect(), budget, move || {
        let ahead = take(&mut *ahead.lock().unwrap_or_else(PoisonError::into_inner));
        let memo: &'static Memo = Box::leak(Box::new(Memo::with(ahead)));
        let (sight, asked) = (
            Sight::new(host, facts).remembering(memo),
            Arc::clone(&theirs),
        );
        move |n: &usize| Some(judge(sight, policies, asked.get(*n)?, now))
    });
    let judged = asked.iter().zip(results).map(|(asked, result)| {
        let judged = result.flatten();
        (asked.at, judged.unwrap_or_else(|| asked.late(budget)))
    });
    judged.collect()
}

impl Asked {
    /// It was not judged in time.
    fn late(&self, budget: Budget) -> Judged {
        let why = format!(
            "it was not read within its {} s, or the {} s of the whole run",
            budget.piece.as_secs(),
            budget.whole.as_secs()
        );
        let unknown = |(instance, want): &(Option<String>, Want)| Finding {
            instance: instance.clone(),
            setting: want.setting.clone(),
            status: Status::Unknown,
            observed: None,
            rule: want.rule.clone(),
            fix: self.control.by_hand.to_owned(),
            place: Where::Hand,
            because: Some(why.clone()),
            change: None,
            waived_until: None,
            at_first_boot: false,
        };
        let findings: Vec<Finding> = self.wanted.iter().map(unknown).collect();
        Judged {
            control: self.control,
            status: worst(&findings),
            findings,
        }
    }
}
