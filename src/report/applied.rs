//! What an `apply` did, for a program: `apply --format json`. Its schema is generated from these types.

use super::json::FindingReport;
use crate::audit::{Judged, Status};
use crate::control::Severity;
use crate::journal::Applied;
use schemars::JsonSchema;
use serde::Serialize;

/// Raised when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// `apply --format json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Document {
    /// The version of this format.
    pub schema: u32,
    /// The run's number, as `history` lists it; null where nothing was changed.
    pub run: Option<u32>,
    /// Each change that was made, in a line; empty on a host that was already as the policy says.
    pub changes: Vec<String>,
    /// What could not be done.
    pub failed: Vec<FailureReport>,
    /// What fails or is not known now that it is done.
    pub left: Vec<Left>,
}

/// Changes that belong together, one of which could not be made.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FailureReport {
    pub group: String,
    pub error: String,
    /// Whether all that it had changed is as it was.
    pub put_back: bool,
}

/// A finding that is left.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Left {
    pub control: &'static str,
    pub severity: Severity,
    #[serde(flatten)]
    pub finding: FindingReport,
}

/// The document.
pub fn render(
    applied: &Applied,
    judged: &[Judged],
    run: Option<u32>,
) -> serde_json::Result<String> {
    let changes = applied.changed.iter();
    let failed = applied.failed.iter().map(|failure| FailureReport {
        group: failure.group.clone(),
        error: failure.error.to_string(),
        put_back: failure.left.is_empty(),
    });
    let document = Document {
        schema: SCHEMA,
        run,
        changes: changes
            .map(|change| change.lines().next().unwrap_or_default().to_owned())
            .collect(),
        failed: failed.collect(),
        left: judged.iter().flat_map(left).collect(),
    };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

/// The JSON Schema of the document.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

fn left(judged: &Judged) -> impl Iterator<Item = Left> {
    let control = judged.control;
    let findings = judged.findings.iter();
    findings
        .filter(|f| matches!(f.status, Status::Fail | Status::Unknown))
        .map(move |finding| Left {
            control: control.id,
            severity: control.severity,
            finding: super::json::finding(finding),
        })
}
