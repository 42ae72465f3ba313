//! What has become of the policy's waivers: in force, expired, or without effect. One that waives nothing is said, never kept in silence.

use super::{Judged, Selection, Status};
use crate::control::Control;
use crate::facts::Facts;
use crate::policy::{Policies, Waiver};
use jiff::civil::Date;
use serde::Serialize;

/// A waiver of the policy, after an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct WaiverReport {
    /// The glob over control ids.
    pub control: String,
    pub reason: String,
    /// `YYYY-MM-DD`, the last day on which it counts; null when there is none.
    pub expires: Option<String>,
    pub state: WaiverState,
    /// How many findings it waives, or would if it had not expired.
    pub findings: usize,
}

/// What a waiver does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverState {
    /// It waives something.
    InForce,
    /// Its last day has passed: what it covers fails again.
    Expired,
    /// Nothing that it covers fails.
    Unused,
    /// Not all that it covers was judged.
    NotJudged,
}

impl WaiverState {
    /// The words used in reports.
    pub fn words(self) -> &'static str {
        match self {
            WaiverState::InForce => "in force",
            WaiverState::Expired => "expired",
            WaiverState::Unused => "unused",
            WaiverState::NotJudged => "not judged",
        }
    }
}

/// The waivers of all instances, each once.
pub fn waivers(
    policies: &Policies,
    facts: &Facts,
    controls: &[&'static Control],
    selection: &Selection,
    judged: &[Judged],
    now: jiff::Timestamp,
) -> Vec<WaiverReport> {
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut found: Vec<WaiverReport> = Vec::new();
    for policy in &policies.instances {
        let judges = |waiver: &&Waiver| controls.iter().any(|c| waiver.covers(c.id));
        for waiver in policy.waiver.iter().filter(judges) {
            let whole = controls
                .iter()
                .all(|c| !waiver.covers(c.id) || selection.has(c.id));
            let tally = Tally::of(waiver, policy.redis.name.as_str(), judged);
            let state = tally.state(waiver, today, whole, facts.offline);
            merge(&mut found, report(waiver, state, tally.affected));
        }
    }
    found
}

fn report(waiver: &Waiver, state: WaiverState, findings: usize) -> WaiverReport {
    WaiverReport {
        control: waiver.control.clone(),
        reason: waiver.reason.clone(),
        expires: waiver.expires.clone(),
        state,
        findings,
    }
}

/// What concerns the whole host is waived by every instance's policy alike: such waivers are one.
fn merge(found: &mut Vec<WaiverReport>, new: WaiverReport) {
    let same = |old: &&mut WaiverReport| {
        (&old.control, &old.reason, &old.expires) == (&new.control, &new.reason, &new.expires)
    };
    match found.iter_mut().find(same) {
        Some(old) => {
            old.state = old.state.min(new.state);
            old.findings = old.findings.max(new.findings);
        }
        None => found.push(new),
    }
}

/// What a waiver meets in an audit.
#[derive(Default)]
struct Tally {
    /// Findings that it waives, or that fail although it covers them.
    affected: usize,
    waived: bool,
    unknown: bool,
    not_applicable: bool,
}

impl Tally {
    fn of(waiver: &Waiver, instance: &str, judged: &[Judged]) -> Tally {
        let mut tally = Tally::default();
        let covered = judged.iter().filter(|j| waiver.covers(j.control.id));
        let concerned = covered
            .flat_map(|j| &j.findings)
            .filter(|f| f.instance.as_deref().is_none_or(|i| i == instance));
        for finding in concerned {
            match finding.status {
                Status::Waived => (tally.waived, tally.affected) = (true, tally.affected + 1),
                Status::Fail | Status::Known => tally.affected += 1,
                Status::Unknown => tally.unknown = true,
                Status::NotApplicable => tally.not_applicable = true,
                Status::Pass => {}
            }
        }
        tally
    }

    fn state(&self, waiver: &Waiver, today: Date, whole: bool, offline: bool) -> WaiverState {
        let hidden = !whole || self.unknown || offline && self.not_applicable;
        match self {
            _ if waiver.has_expired(today) => WaiverState::Expired,
            Tally { waived: true, .. } => WaiverState::InForce,
            _ if hidden => WaiverState::NotJudged,
            _ => WaiverState::Unused,
        }
    }
}
