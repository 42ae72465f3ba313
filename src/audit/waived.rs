//! Which waiver of the policy covers a finding, and whether it still counts.

use super::{Finding, Status};
use crate::control::Control;
use crate::policy::{Policies, Waiver};

/// Applies a waiver that covers the control. One that has expired fails again, and says so.
/// What concerns the whole host is waived only where every instance's policy waives it.
pub(super) fn waive(
    finding: &mut Finding,
    control: &Control,
    policies: &Policies,
    now: jiff::Timestamp,
) {
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut waived = None;
    for policy in &policies.instances {
        let concerned = finding
            .instance
            .as_deref()
            .is_none_or(|i| i == policy.redis.name.as_str());
        if !concerned {
            continue;
        }
        let covering: Vec<&Waiver> = policy
            .waiver
            .iter()
            .filter(|w| w.covers(control.id))
            .collect();
        match covering.iter().find(|w| !w.has_expired(today)) {
            Some(waiver) => waived = Some(*waiver),
            None => {
                for waiver in covering {
                    let day = waiver.expires.as_deref().unwrap_or_default();
                    finding.explain(&format!("the waiver expired on {day}: {}", waiver.reason));
                }
                return;
            }
        }
    }
    if let Some(waiver) = waived {
        finding.status = Status::Waived;
        finding.change = None;
        finding.because = Some(words_of(waiver));
        finding.waived_until = waiver.expires.clone();
    }
}

/// Why, and until when.
fn words_of(waiver: &Waiver) -> String {
    let until = waiver.expires.as_ref();
    let until = until.map_or(String::new(), |day| format!(" until {day}"));
    format!("waived{until}: {}", waiver.reason)
}
