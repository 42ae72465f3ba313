//! Judges: each control's settings are read and held against their rules. An error is never a pass, and nothing evaluated is no success.

mod asked;
mod baseline;
pub mod budget;
mod finding;
mod outside;
mod selection;
mod summary;
mod timed;
mod waived;
mod waivers;

pub use baseline::{Baseline, Origin};
pub use finding::{Finding, Where};
pub use selection::Selection;
pub use summary::{Summary, exit_code};
pub use timed::audit_within;
pub use waivers::{WaiverReport, WaiverState, waivers};

use crate::control::Control;
use crate::policy::Policies;
use crate::setting::{Ahead, Memo, Setting, Sight};
use asked::{Asked, ask, settings};
use finding::finding;
use serde::{Deserialize, Serialize};
use waived::waive;

/// The verdict on a setting or a control, from harmless to grave.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    NotApplicable,
    Pass,
    Waived,
    /// It fails as it did in the baseline.
    Known,
    Fail,
    Unknown,
}

impl Status {
    /// The word used in reports.
    pub fn word(self) -> &'static str {
        match self {
            Status::NotApplicable => "not-applicable",
            Status::Pass => "pass",
            Status::Waived => "waived",
            Status::Known => "known",
            Status::Fail => "fail",
            Status::Unknown => "unknown",
        }
    }
}

/// A control, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    pub control: &'static Control,
    pub status: Status,
    pub findings: Vec<Finding>,
}

/// The controls' ids.
pub fn ids(controls: &[&'static Control]) -> Vec<&'static str> {
    controls.iter().map(|c| c.id).collect()
}

/// Judges the selected controls, in their order.
pub fn audit(
    sight: Sight,
    policies: &Policies,
    controls: &[&'static Control],
    selection: &Selection,
) -> Vec<Judged> {
    let today = sight.host.now();
    let asked = ask(sight, policies, controls, selection);
    let ahead = match settings(&asked).any(Setting::is_asked_ahead) {
        true => Ahead::of_the_firewall(sight.host),
        false => Ahead::default(),
    };
    let memo = Memo::with(ahead);
    let sight = sight.remembering(&memo);
    let judged = asked
        .into_iter()
        .map(|asked| (asked.at, judge(sight, policies, &asked, today)));
    in_order(judged.collect())
}

fn in_order(mut judged: Vec<(usize, Judged)>) -> Vec<Judged> {
    judged.sort_by_key(|(at, _)| *at);
    judged.into_iter().map(|(_, judged)| judged).collect()
}

fn judge(sight: Sight, policies: &Policies, asked: &Asked, now: jiff::Timestamp) -> Judged {
    let control = asked.control;
    let mut findings: Vec<Finding> = asked
        .wanted
        .iter()
        .cloned()
        .map(|(instance, want)| finding(sight, control, instance, want))
        .collect();
    for finding in findings.iter_mut().filter(|f| f.status == Status::Fail) {
        waive(finding, control, policies, now);
    }
    Judged {
        control,
        status: worst(&findings),
        findings,
    }
}

/// A control's status is the worst of its findings.
fn worst(findings: &[Finding]) -> Status {
    let statuses = findings.iter().map(|f| f.status);
    statuses.max().unwrap_or(Status::NotApplicable)
}
