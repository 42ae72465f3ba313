//! The stable, versioned JSON report. Its schema is generated from these types.

use super::Report;
use crate::audit::{Finding, Judged, Origin, Status, Summary, WaiverReport, Where};
use crate::control::Severity;
use schemars::JsonSchema;
use serde::Serialize;

/// Raised when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// `check --format json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Document {
    /// The version of this format.
    pub schema: u32,
    pub tool: Tool,
    /// When it was judged, in UTC.
    pub time: String,
    pub host: HostFacts,
    pub policy: PolicyFacts,
    /// What it was compared with; absent when nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Origin>,
    pub summary: Summary,
    pub waivers: Vec<WaiverReport>,
    pub controls: Vec<ControlReport>,
}

/// What judged.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Tool {
    pub name: &'static str,
    pub version: &'static str,
}

/// What was judged.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct HostFacts {
    pub hostname: String,
    pub root: String,
    /// Why only files were judged; absent for a running system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_only: Option<String>,
    pub kernel: String,
    pub machine: String,
    pub distribution: String,
    pub init: String,
    pub container_signs: Vec<String>,
    /// Bytes of RAM.
    pub memory: u64,
    /// Bytes: the least of the RAM and the container's limit.
    pub memory_limit: u64,
    pub cpus: usize,
}

/// By what it was judged.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PolicyFacts {
    pub name: String,
    pub files: Vec<String>,
    pub sha256: String,
}

/// One control.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ControlReport {
    pub id: &'static str,
    pub title: &'static str,
    pub severity: Severity,
    /// The worst of its findings.
    pub status: Status,
    pub why: &'static str,
    pub references: Vec<&'static str>,
    pub findings: Vec<FindingReport>,
}

/// One setting.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FindingReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    pub setting: String,
    pub status: Status,
    /// What was found; null when there is nothing, or it could not be read.
    pub observed: Option<String>,
    pub expected: String,
    pub fix: String,
    #[serde(rename = "where")]
    pub place: Where,
    /// Why, where the values alone do not say it; null otherwise.
    pub because: Option<String>,
}

/// The report as one JSON document.
pub fn render(report: Report) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&document(report)).map(|text| text + "\n")
}

/// The JSON Schema of the report.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

fn document(report: Report) -> Document {
    let facts = report.facts;
    Document {
        schema: SCHEMA,
        tool: Tool {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
        },
        time: report.time(),
        host: HostFacts {
            hostname: facts.hostname.clone(),
            root: report.root.display().to_string(),
            files_only: report.files_only.map(str::to_owned),
            kernel: facts.kernel.clone(),
            machine: facts.machine.clone(),
            distribution: facts.distro.name.clone(),
            init: format!("{:?}", facts.init).to_lowercase(),
            container_signs: facts.container_signs.clone(),
            memory: facts.memory,
            memory_limit: facts.memory_limit,
            cpus: facts.cpus,
        },
        policy: PolicyFacts {
            name: report.policies.name.clone(),
            files: report
                .policies
                .files
                .iter()
                .map(|f| f.display().to_string())
                .collect(),
            sha256: report.policies.sha256.clone(),
        },
        baseline: report.baseline.map(|b| b.origin.clone()),
        summary: report.summary(),
        waivers: report.waivers.to_vec(),
        controls: report.judged.iter().map(control).collect(),
    }
}

fn control(judged: &Judged) -> ControlReport {
    let control = judged.control;
    ControlReport {
        id: control.id,
        title: control.title,
        severity: control.severity,
        status: judged.status,
        why: control.why,
        references: control.references.to_vec(),
        findings: judged.findings.iter().map(finding).collect(),
    }
}

pub(super) fn finding(finding: &Finding) -> FindingReport {
    FindingReport {
        instance: finding.instance.clone(),
        setting: finding.setting.to_string(),
        status: finding.status,
        observed: finding.observed.as_ref().map(ToString::to_string),
        expected: finding.rule.to_string(),
        fix: finding.fix.clone(),
        place: finding.place,
        because: finding.because.clone(),
    }
}
