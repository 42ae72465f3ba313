//! An audit within a budget of time.

use super::budget::{self, Budget};
use super::{
    Asked, Finding, Judged, Selection, Status, Where, ask, in_order, judge, settings, worst,
};
use crate::control::{Control, Want};
use crate::facts::Facts;
use crate::host::Host;
use crate::policy::Policies;
use crate::setting::{Memo, Sight};
use std::sync::Arc;

/// Judges where nothing may hang: a control that does is unknown, and named. What is looked at lives as long as the process,
/// since a look that hangs does.
pub fn audit_within(
    (host, facts, policies): (&'static Host, &'static Facts, &'static Policies),
    controls: &[&'static Control],
    selection: &Selection,
    budget: Budget,
) -> Vec<Judged> {
    let today = host.now();
    let asked = Arc::new(ask(Sight::new(host, facts), policies, controls, selection));
    let (count, theirs) = (asked.len(), Arc::clone(&asked));
    let results = budget::within((0..count).collect(), budget, move || {
        let memo: &'static Memo = Box::leak(Box::default());
        memo.ahead(host, settings(&theirs));
        let (sight, asked) = (
            Sight::new(host, facts).remembering(memo),
            Arc::clone(&theirs),
        );
        move |n: &usize| Some(judge(sight, policies, asked.get(*n)?, today))
    });
    let judged = asked.iter().zip(results).map(|(asked, result)| {
        let judged = result.flatten();
        (asked.at, judged.unwrap_or_else(|| asked.late(budget)))
    });
    in_order(judged.collect())
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
