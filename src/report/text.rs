//! The report for a person: topics with the worst first, a line a control, what is wrong under it, a summary and the next command to type.

mod silences;

use super::{Report, by_topic, printable, sentence, worst_first};
use crate::audit::{Finding, Judged, Status, Summary, WaiverReport, WaiverState, Where};
use std::fmt::Write;

/// How the text is written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub colour: bool,
    /// All controls, also those that pass, do not apply or are known: a line each.
    pub verbose: bool,
}

/// Where the ids start: after the longest status.
const INDENT: usize = 16;

/// The report as text.
pub fn render(report: Report, style: Style) -> String {
    let mut text = String::new();
    if let Some(why) = report.files_only {
        let _ = writeln!(text, "files only: {why}");
    }
    let shown = |j: &&Judged| style.verbose || is_open(j);
    let sorted: Vec<&Judged> = worst_first(report.judged)
        .into_iter()
        .filter(shown)
        .collect();
    let shared = match style.verbose {
        true => Vec::new(),
        false => silences::shared(&sorted),
    };
    for (why, controls) in &shared {
        together(&mut text, why, controls, style);
    }
    let told = |one: &&Judged| {
        let mut together = shared.iter().flat_map(|(_, controls)| controls);
        !together.any(|c| std::ptr::eq(*c, *one))
    };
    let topics = by_topic(sorted.into_iter().filter(told));
    let widest = topics.iter().flat_map(|(_, judged)| judged);
    let width = widest.map(|j| j.control.id.len()).max().unwrap_or(0);
    for (at, (_, judged)) in topics.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        for one in judged {
            control(&mut text, one, width, style);
        }
    }
    for waiver in report.waivers {
        notice(&mut text, waiver);
    }
    if !topics.is_empty() {
        text.push('\n');
    }
    summary(&mut text, report, style);
    text
}

/// Controls that are unknown for one reason.
fn together(text: &mut String, why: &str, controls: &[&Judged], style: Style) {
    let word = Status::Unknown.word();
    let _ = writeln!(
        text,
        "{}{:pad$}{} controls (-v tells each)",
        paint(word, colour_of(Status::Unknown), style),
        "",
        controls.len(),
        pad = INDENT.saturating_sub(word.len()),
    );
    indented(text, INDENT, why);
    let mut ids: Vec<&str> = controls.iter().map(|j| j.control.id).collect();
    ids.sort_unstable();
    for some in ids.chunks(4) {
        indented(text, INDENT + 2, &some.join(", "));
    }
    text.push('\n');
}

/// Whether it is somebody's business.
fn is_open(judged: &Judged) -> bool {
    let open = |f: &Finding| matches!(f.status, Status::Fail | Status::Unknown | Status::Waived);
    judged.findings.iter().any(open)
}

fn control(text: &mut String, judged: &Judged, width: usize, style: Style) {
    let (control, word) = (judged.control, judged.status.word());
    let _ = writeln!(
        text,
        "{}{:pad$}{:width$}  {:<8}  {}",
        paint(word, colour_of(judged.status), style),
        "",
        control.id,
        control.severity.word(),
        control.title,
        pad = INDENT.saturating_sub(word.len()),
    );
    let told = |f: &&Finding| match f.status {
        Status::Fail | Status::Unknown | Status::Waived => true,
        Status::Known => style.verbose,
        Status::NotApplicable => style.verbose && judged.status != Status::Pass,
        Status::Pass => false,
    };
    for finding in judged.findings.iter().filter(told) {
        line(text, finding);
    }
}

fn line(text: &mut String, finding: &Finding) {
    indented(text, INDENT, &sentence(finding));
    if let Some(because) = &finding.because {
        indented(text, INDENT + 2, because);
    }
    match finding.status {
        Status::Fail => indented(text, INDENT + 2, &remedy(finding)),
        Status::Known => indented(text, INDENT + 2, "known since the baseline"),
        _ => {}
    }
}

fn indented(text: &mut String, by: usize, lines: &str) {
    for line in lines.lines() {
        let _ = writeln!(text, "{:by$}{}", "", printable(line));
    }
}

/// Who can do what about it.
pub fn remedy(finding: &Finding) -> String {
    match finding.place {
        Where::Here if finding.change.is_some() => "apply fixes it".to_owned(),
        Where::Here | Where::Hand => format!("by hand: {}", finding.fix),
        Where::Restart => "a restart of Redis fixes it".to_owned(),
        Where::Host => format!("on the machine that runs this host: {}", finding.fix),
    }
}

/// A waiver that does not do what its author thinks.
fn notice(text: &mut String, waiver: &WaiverReport) {
    let glob = &waiver.control;
    let _ = match (waiver.state, &waiver.expires) {
        (WaiverState::Expired, Some(day)) => writeln!(
            text,
            "waiver of {glob} expired on {day}: renew it, or remove it from the policy"
        ),
        (WaiverState::Unused, _) => writeln!(
            text,
            "waiver of {glob} is unused, nothing that it covers fails: remove it from the policy"
        ),
        _ => Ok(()),
    };
}

fn summary(text: &mut String, report: Report, style: Style) {
    let s = report.summary();
    let colour = if s.fail + s.unknown == 0 { 32 } else { 33 };
    let _ = writeln!(
        text,
        "{}; {} (policy {})",
        counts(&s),
        paint(&format!("score {}", s.score), colour, style),
        report.policies.name
    );
    if let Some(command) = next(report) {
        let _ = writeln!(text, "next: {command}");
    }
}

/// `82 pass, 3 fail`.
fn counts(s: &Summary) -> String {
    let mut parts = vec![format!("{} pass", s.pass)];
    let others = [
        (s.fail, "fail"),
        (s.unknown, "unknown"),
        (s.known, "known"),
        (s.waived, "waived"),
        (s.not_applicable, "not applicable"),
    ];
    let some = others.iter().filter(|(n, _)| *n > 0);
    parts.extend(some.map(|(n, word)| format!("{n} {word}")));
    parts.join(", ")
}

/// What to type now; nothing where nothing is to be done.
fn next(report: Report) -> Option<String> {
    let mut findings = report.judged.iter().flat_map(|j| &j.findings);
    if findings.any(|f| f.status == Status::Fail && f.change.is_some()) {
        return Some("redis-harden plan".to_owned());
    }
    let worst = *worst_first(report.judged).first()?;
    let open = matches!(worst.status, Status::Fail | Status::Unknown);
    open.then(|| format!("redis-harden explain {}", worst.control.id))
}

fn colour_of(status: Status) -> u8 {
    match status {
        Status::Fail => 31,
        Status::Unknown => 35,
        Status::Waived | Status::Known => 33,
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
