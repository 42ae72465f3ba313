//! The report of `prove` for a person: attempt by attempt, what became of it and which layer refused it.

use super::text::{Style, paint};
use super::{Report, printable};
use crate::audit::{Finding, Status};
use crate::prove::{Layer, Outcome};
use std::fmt::Write;

/// Where the ids start.
const INDENT: usize = 11;

/// The report as text.
pub fn render(report: Report, style: Style) -> String {
    let mut text = String::new();
    let width = report.judged.iter().map(|j| j.control.id.len()).max();
    for judged in report.judged {
        for finding in &judged.findings {
            line(
                &mut text,
                report,
                judged.control.id,
                finding,
                (width.unwrap_or(0), style),
            );
        }
    }
    text.push('\n');
    summary(&mut text, report);
    text
}

fn line(text: &mut String, report: Report, id: &str, finding: &Finding, how: (usize, Style)) {
    let (width, style) = how;
    let (word, colour) = word(finding.status);
    let many = report.policies.instances.len() > 1;
    let instance = finding.instance.as_deref().filter(|_| many);
    let on = instance.map_or(String::new(), |name| format!("  on {name}"));
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{}{:pad$}{id:width$}{on}  {}",
        paint(word, colour, style),
        "",
        printable(&brief(report, id, finding)),
        pad = INDENT.saturating_sub(word.len()),
    );
    if finding.status == Status::Fail {
        let _ = writeln!(text, "{:INDENT$}  by hand: {}", "", finding.fix);
    }
    if style.verbose && finding.status == Status::Pass {
        for refusal in outcome(report, id, finding).into_iter().flat_map(refusals) {
            let _ = writeln!(text, "{:INDENT$}  {}", "", printable(&refusal));
        }
    }
}

fn word(status: Status) -> (&'static str, u8) {
    match status {
        Status::Pass => ("refused", 32),
        Status::Fail => ("SUCCEEDED", 31),
        Status::Unknown => ("not tried", 35),
        Status::Waived | Status::Known => ("waived", 33),
        Status::NotApplicable => ("nothing", 90),
    }
}

/// The layers of a refusal; of anything else the words.
fn brief(report: Report, id: &str, finding: &Finding) -> String {
    let outcome = outcome(report, id, finding);
    match (finding.status, outcome) {
        (Status::Pass, Some(refused)) => {
            let layers: Vec<String> = refused.layers().iter().map(Layer::to_string).collect();
            format!("by {}", layers.join(", "))
        }
        (Status::Fail, Some(Outcome::Succeeded(words))) => words.clone(),
        _ => finding.because.clone().unwrap_or_default(),
    }
}

fn outcome<'a>(report: Report<'a>, id: &str, finding: &Finding) -> Option<&'a Outcome> {
    let instance = finding.instance.clone()?;
    report.facts.attempts.get(&(instance, id.to_owned()))
}

fn refusals(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Refused(refusals) => refusals.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

fn summary(text: &mut String, report: Report) {
    let s = report.summary();
    let parts = [
        (s.pass, "refused"),
        (s.fail, "succeeded"),
        (s.unknown, "could not be tried"),
        (s.waived, "waived"),
        (s.not_applicable, "about nothing here"),
    ];
    let told = parts
        .iter()
        .filter(|(n, what)| *n > 0 || *what == "succeeded");
    let told: Vec<String> = told.map(|(n, what)| format!("{n} {what}")).collect();
    let _ = writeln!(
        text,
        "{} (policy {})",
        told.join(", "),
        report.policies.name
    );
}
