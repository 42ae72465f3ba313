//! SARIF 2.1.0, for code scanning. Every control is a rule, fired or not, so that a consumer can close what is mended.
//! Source: OASIS, Static Analysis Results Interchange Format 2.1.0, §3.

mod model;
mod place;

use super::{Report, sentence, text};
use crate::audit::{Finding, Judged, Status};
use crate::control::{Control, Severity};
use model::*;
use serde_json::json;
use sha2::{Digest, Sha256};

/// The report as a SARIF log with one run.
pub fn render(report: Report) -> serde_json::Result<String> {
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: vec![run(report)],
    };
    serde_json::to_string_pretty(&log).map(|text| text + "\n")
}

fn run(report: Report) -> Run {
    let controls = rules_of(report);
    let results = report.judged.iter().flat_map(|judged| {
        let rule = controls.iter().position(|c| c.id == judged.control.id);
        results(report, judged, rule)
    });
    Run {
        automation_details: Automation {
            id: match report.is_of_attempts() {
                true => format!("redis-harden-prove/{}/", report.facts.hostname),
                false => format!("redis-harden/{}/", report.facts.hostname),
            },
        },
        tool: Tool {
            driver: Driver {
                name: "redis-harden",
                semantic_version: env!("CARGO_PKG_VERSION"),
                rules: controls.iter().map(|control| rule(control)).collect(),
            },
        },
        invocations: vec![Invocation {
            execution_successful: true,
            end_time_utc: report.time(),
            machine: report.facts.hostname.clone(),
            tool_execution_notifications: not_judged(report),
        }],
        results: results.collect(),
        properties: json!({
            "policy": report.policies.name,
            "policySha256": report.policies.sha256,
            "score": report.summary().score,
        }),
    }
}

/// Those that were to be judged: an attempt that was not made is not mended.
fn rules_of(report: Report) -> Vec<&'static Control> {
    let attempts = crate::prove::controls();
    let judged = |id: &str| report.judged.iter().any(|judged| judged.control.id == id);
    match (
        report.is_of_attempts(),
        attempts.iter().any(|c| judged(c.id)),
    ) {
        (true, _) => attempts,
        (false, true) => crate::controls::with_attempts(),
        (false, false) => crate::controls::all(),
    }
}

fn rule(control: &Control) -> Rule {
    let references: Vec<String> = control
        .references
        .iter()
        .map(|r| format!("- {r}\n"))
        .collect();
    let help = format!("{}\n\nBy hand: {}", control.why, control.by_hand);
    Rule {
        id: control.id,
        short_description: Message::new(control.title),
        full_description: Message::new(control.why),
        help: Help {
            markdown: format!("{help}\n\nReferences:\n\n{}", references.concat()),
            text: help,
        },
        default_configuration: Configuration {
            level: level(control.severity),
        },
        properties: json!({
            "security-severity": security_severity(control.severity),
            "tags": ["security", control.topic()],
        }),
    }
}

/// GitHub's scale: above 9 critical, 7 to 8.9 high, 4 to 6.9 medium, below low.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// A result a finding; a control that finds nothing to judge is one as well.
fn results(report: Report, judged: &Judged, rule: Option<usize>) -> Vec<ResultOf> {
    let base = |kind, level, text: String| ResultOf {
        rule_id: judged.control.id,
        rule_index: rule,
        kind,
        level,
        message: Message::new(text),
        locations: Vec::new(),
        partial_fingerprints: None,
        suppressions: Vec::new(),
        properties: json!({}),
    };
    if judged.findings.is_empty() {
        return vec![base(
            "notApplicable",
            "none",
            "nothing here that it is about".into(),
        )];
    }
    let of = |finding: &Finding| {
        let (kind, level) = verdict(finding.status, judged.control.severity);
        ResultOf {
            locations: vec![place::of(report, finding)],
            partial_fingerprints: Some(Fingerprints {
                setting: fingerprint(judged.control.id, finding),
            }),
            suppressions: suppressions(report, finding),
            properties: json!({
                "status": finding.status,
                "instance": finding.instance,
                "observed": finding.observed.as_ref().map(ToString::to_string),
                "expected": finding.rule.to_string(),
                "fix": finding.fix,
                "where": finding.place,
            }),
            ..base(kind, level, message(finding))
        }
    };
    judged.findings.iter().map(of).collect()
}

/// SARIF §3.27.10: the level is "none" unless the kind is "fail".
fn verdict(status: Status, severity: Severity) -> (&'static str, &'static str) {
    match status {
        Status::Pass => ("pass", "none"),
        Status::NotApplicable => ("notApplicable", "none"),
        Status::Unknown => ("review", "none"),
        Status::Fail | Status::Waived | Status::Known => ("fail", level(severity)),
    }
}

fn message(finding: &Finding) -> String {
    let mut said = sentence(finding);
    if let Some(because) = &finding.because {
        said.push_str(&format!("; {because}"));
    }
    if finding.status == Status::Fail {
        said.push_str(&format!("; {}", text::remedy(finding)));
    }
    said
}

/// The same for the same finding on every host, so that a fleet's results can be compared.
fn fingerprint(id: &str, finding: &Finding) -> String {
    let instance = finding.instance.as_deref().unwrap_or_default();
    let digest = Sha256::digest(format!("{id}\n{instance}\n{}", finding.setting));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Accepted by a waiver, or known since the baseline. SARIF has no field for the day on which that ends.
fn suppressions(report: Report, finding: &Finding) -> Vec<Suppression> {
    let justification = match (finding.status, report.baseline) {
        (Status::Waived, _) => finding.because.clone().unwrap_or_default(),
        (Status::Known, Some(baseline)) => {
            format!("known since the report of {}", baseline.origin.time)
        }
        _ => return Vec::new(),
    };
    vec![Suppression {
        kind: "external",
        status: "accepted",
        justification,
        properties: json!({"expires": finding.waived_until}),
    }]
}

/// What could not be judged is no result that a consumer shows: it is said as the tool's own error as well.
fn not_judged(report: Report) -> Vec<Notification> {
    let unknown = |judged: &Judged| -> Vec<Notification> {
        let findings = judged
            .findings
            .iter()
            .filter(|f| f.status == Status::Unknown);
        let of = |finding: &Finding| Notification {
            level: "error",
            message: Message::new(format!("{}: {}", judged.control.id, message(finding))),
        };
        findings.map(of).collect()
    };
    report.judged.iter().flat_map(unknown).collect()
}
