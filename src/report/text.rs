//! The report for a person: worst first, a line a control, what is wrong under it, a summary and the next command to type.

use super::Report;
use crate::audit::{Finding, Judged, Status, Where};
use std::fmt::Write;

/// How the text is written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub colour: bool,
    /// Passing and not-applicable controls as well.
    pub verbose: bool,
}

/// The report as text.
pub fn render(report: Report, style: Style) -> String {
    let mut text = String::new();
    if let Some(why) = report.files_only {
        let _ = writeln!(text, "files only: {why}");
    }
    let mut judged: Vec<&Judged> = report.judged.iter().collect();
    judged.sort_by_key(|j| std::cmp::Reverse((j.status, j.control.severity)));
    let shown = |j: &&&Judged| {
        style.verbose || matches!(j.status, Status::Fail | Status::Unknown | Status::Waived)
    };
    for judged in judged.iter().filter(shown) {
        control(&mut text, judged, style);
    }
    text.push_str(&summary(report, style));
    text
}

fn control(text: &mut String, judged: &Judged, style: Style) {
    let status = paint(judged.status.word(), colour_of(judged.status), style);
    let pad = " ".repeat(16usize.saturating_sub(judged.status.word().len()));
    let _ = writeln!(
        text,
        "{status}{pad}{}  ({})  {}",
        judged.control.id,
        judged.control.severity.word(),
        judged.control.title
    );
    for finding in judged
        .findings
        .iter()
        .filter(|f| style.verbose || f.status != Status::Pass)
    {
        line(text, finding);
    }
}

fn line(text: &mut String, finding: &Finding) {
    let what = match finding.status {
        Status::Unknown => format!("{} could not be read", finding.setting),
        Status::NotApplicable => finding.setting.to_string(),
        _ => format!(
            "{} is {}, wants {}",
            finding.setting,
            observed(finding),
            finding.rule
        ),
    };
    let _ = writeln!(
        text,
        "                {}",
        what.replace('\n', "\n                ")
    );
    if let Some(because) = &finding.because {
        let _ = writeln!(
            text,
            "                  {}",
            because.replace('\n', "\n                  ")
        );
    }
    if finding.status == Status::Fail {
        let _ = writeln!(text, "                  {}", remedy(finding));
    }
}

fn observed(finding: &Finding) -> String {
    finding
        .observed
        .as_ref()
        .map_or_else(|| "absent".to_owned(), ToString::to_string)
}

/// Who can do what about it.
fn remedy(finding: &Finding) -> String {
    match finding.place {
        Where::Here if finding.change.is_some() => "apply fixes it".to_owned(),
        Where::Here => format!("by hand: {}", finding.fix),
        Where::Restart => "a restart of Redis fixes it".to_owned(),
        Where::Host => format!("on the machine that runs this host: {}", finding.fix),
        Where::Hand => format!("by hand: {}", finding.fix),
    }
}

fn summary(report: Report, style: Style) -> String {
    let s = report.summary();
    let mut parts = vec![format!("{} pass", s.pass)];
    let counts = [
        (s.fail, "fail"),
        (s.unknown, "unknown"),
        (s.waived, "waived"),
        (s.not_applicable, "not applicable"),
    ];
    parts.extend(
        counts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| format!("{n} {word}")),
    );
    let score = paint(
        &format!("score {}", s.score),
        if s.fail == 0 { 32 } else { 33 },
        style,
    );
    let fixable = report
        .judged
        .iter()
        .flat_map(|j| &j.findings)
        .any(|f| f.change.is_some());
    let failing = report
        .judged
        .iter()
        .find(|j| matches!(j.status, Status::Fail | Status::Unknown));
    let next = match (fixable, failing) {
        (true, _) => "next: redis-harden plan\n".to_owned(),
        (false, Some(j)) => format!("next: redis-harden explain {}\n", j.control.id),
        (false, None) => String::new(),
    };
    format!(
        "{}; {score} (policy {})\n{next}",
        parts.join(", "),
        report.policies.name
    )
}

fn colour_of(status: Status) -> u8 {
    match status {
        Status::Fail => 31,
        Status::Unknown => 35,
        Status::Waived => 33,
        Status::Pass => 32,
        Status::NotApplicable => 90,
    }
}

/// The text in an ANSI colour, where colours are wanted.
pub fn paint(text: &str, colour: u8, style: Style) -> String {
    if style.colour {
        format!("\x1b[{colour}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
