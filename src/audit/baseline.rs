//! A former JSON report: what failed then, and fails now just the same, is known.
//! It makes nothing pass, and what could not be judged is never known.

use super::{Finding, Judged, Status, worst};
use crate::setting::Setting;
use crate::setting::measure::Measure;
use crate::setting::server::ProcessFact;
use crate::value::Value;
use serde::{Deserialize, Serialize};

/// A former report, as far as it is compared.
#[derive(Debug, Deserialize)]
pub struct Baseline {
    schema: u32,
    #[serde(flatten)]
    pub origin: Origin,
    controls: Vec<Control>,
}

/// Which audit it was.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
pub struct Origin {
    /// When, in UTC.
    pub time: String,
    pub host: OriginHost,
}

/// What it audited.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
pub struct OriginHost {
    pub hostname: String,
    pub root: String,
}

#[derive(Debug, Deserialize)]
struct Control {
    id: String,
    findings: Vec<Former>,
}

#[derive(Debug, Deserialize)]
struct Former {
    instance: Option<String>,
    setting: String,
    status: Status,
    observed: Option<String>,
}

impl Baseline {
    /// Reads a former `check --format json`.
    pub fn parse(text: &str) -> Result<Baseline, String> {
        let baseline: Baseline = serde_json::from_str(text)
            .map_err(|e| format!("it is no report of `redis-harden check --format json`: {e}"))?;
        match baseline.schema {
            1 => Ok(baseline),
            other => Err(format!(
                "it is a report of schema {other}, and this redis-harden compares schema 1: make a new one"
            )),
        }
    }

    /// Marks as known what failed then just as it does now.
    pub fn mark(&self, judged: &mut [Judged]) {
        for judged in judged {
            let id = judged.control.id;
            for finding in &mut judged.findings {
                if finding.status == Status::Fail && self.knows(id, finding) {
                    finding.status = Status::Known;
                }
            }
            judged.status = worst(&judged.findings);
        }
    }

    fn knows(&self, id: &str, now: &Finding) -> bool {
        let setting = now.setting.to_string();
        let same = |then: &Former| {
            matches!(then.status, Status::Fail | Status::Known)
                && then.instance == now.instance
                && then.setting == setting
                && is_unchanged(then, now)
        };
        let controls = self.controls.iter().filter(|c| c.id == id);
        controls.flat_map(|c| &c.findings).any(same)
    }
}

/// Whether the value is the one of then. A measured number moves by itself; a value whose text does not tell all of it may have changed.
fn is_unchanged(then: &Former, now: &Finding) -> bool {
    let told = now.observed.as_ref().map(ToString::to_string);
    match &now.observed {
        Some(Value::File(_) | Value::Lines(_) | Value::Firewall(_)) => false,
        Some(Value::Int(_)) if is_measured(&now.setting) => then.observed.is_some(),
        _ => then.observed == told,
    }
}

/// Numbers that differ from one run to the next.
fn is_measured(setting: &Setting) -> bool {
    matches!(
        setting,
        Setting::Measure(Measure::ClockCost)
            | Setting::FreeSpace(_)
            | Setting::Info { .. }
            | Setting::Cluster { .. }
            | Setting::Process {
                what: ProcessFact::Swapped,
                ..
            }
    )
}
