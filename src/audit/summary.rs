//! What an audit comes to: counts, a score, an exit code.

use super::{Judged, Status};
use crate::control::Severity;
use serde::Serialize;

/// Counts by status, and the score.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    pub pass: usize,
    pub fail: usize,
    pub waived: usize,
    /// Failing as they did in the baseline.
    pub known: usize,
    pub unknown: usize,
    pub not_applicable: usize,
    /// 0 to 100: the share of passing controls among those that pass, fail, are known to fail or unknown, weighted by severity.
    pub score: u32,
}

impl Summary {
    /// Counts the controls.
    pub fn of(judged: &[Judged]) -> Summary {
        let count = |status| judged.iter().filter(|j| j.status == status).count();
        let weigh = |statuses: &[Status]| -> u32 {
            judged
                .iter()
                .filter(|j| statuses.contains(&j.status))
                .map(|j| j.control.severity.weight())
                .sum()
        };
        let (good, all) = (
            weigh(&[Status::Pass]),
            weigh(&[Status::Pass, Status::Known, Status::Fail, Status::Unknown]),
        );
        Summary {
            pass: count(Status::Pass),
            fail: count(Status::Fail),
            waived: count(Status::Waived),
            known: count(Status::Known),
            unknown: count(Status::Unknown),
            not_applicable: count(Status::NotApplicable),
            score: (good * 100).checked_div(all).unwrap_or(0),
        }
    }
}

/// What the exit code of `check` says: 2 dominates 1, and nothing evaluated is 2.
pub fn exit_code(judged: &[Judged], fail_on: Severity, allow_unknown: bool) -> u8 {
    let evaluated = judged.iter().any(|j| j.status != Status::NotApplicable);
    let unknown = judged.iter().any(|j| j.status == Status::Unknown);
    // A control with an unknown finding may have a failing one as well.
    let fails = |j: &Judged| j.findings.iter().any(|f| f.status == Status::Fail);
    let failed = judged
        .iter()
        .any(|j| fails(j) && j.control.severity >= fail_on);
    match (evaluated, unknown && !allow_unknown, failed) {
        (false, _, _) | (_, true, _) => 2,
        (_, _, true) => 1,
        _ => 0,
    }
}
