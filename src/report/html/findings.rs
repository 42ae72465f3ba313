//! What fails, with why, what was found, what is wanted and how to mend it: a block a control, the worst first.

use super::super::{Report, observed, text};
use super::{Escaped, attributes, heading, section};
use crate::audit::{Finding, Judged, Status, Where};
use std::fmt::Write;

/// What fails or could not be judged.
pub fn open(page: &mut String, judged: &[&Judged]) {
    section(page, "findings", "Findings", Some(judged.len()));
    if judged.is_empty() {
        page.push_str("<p class=\"none\">Nothing fails, and nothing could not be judged.</p>\n");
    }
    blocks(page, judged);
}

/// What fails as it did in the baseline.
pub fn known(page: &mut String, report: Report, judged: &[&Judged]) {
    let Some(baseline) = report.baseline else {
        return;
    };
    section(
        page,
        "known",
        "Known since the baseline",
        Some(judged.len()),
    );
    let origin = &baseline.origin;
    let _ = writeln!(
        page,
        "<p>Compared with the report of {} on {} ({}). What failed there just as it does here is known; it fails all the same.</p>",
        Escaped(&origin.time),
        Escaped(&origin.host.hostname),
        Escaped(&origin.host.root)
    );
    blocks(page, judged);
}

/// What fails and is accepted.
pub fn waived(page: &mut String, judged: &[&Judged]) {
    if judged.is_empty() {
        return;
    }
    section(page, "waived", "Waived", Some(judged.len()));
    blocks(page, judged);
}

/// The blocks of a section, and its end.
fn blocks(page: &mut String, judged: &[&Judged]) {
    for one in judged {
        block(page, one);
    }
    page.push_str("</section>\n");
}

fn block(page: &mut String, judged: &Judged) {
    let (control, status) = (judged.control, judged.status.word());
    let severity = control.severity.word();
    let _ = writeln!(
        page,
        "<article id=\"{id}\" class=\"{severity} {status}\" {}>\n<h3>{}</h3>\n\
         <p class=\"tags\"><span class=\"badge {severity}\">{severity}</span> <span class=\"badge {status}\">{status}</span> <code>{id}</code></p>\n\
         <p>{}</p>",
        attributes(judged),
        Escaped(heading(control.title)),
        Escaped(control.why),
        id = control.id,
    );
    let bad = |f: &&Finding| !matches!(f.status, Status::Pass | Status::NotApplicable);
    for finding in judged.findings.iter().filter(bad) {
        details(page, finding);
    }
    let references: Vec<String> = control.references.iter().map(|r| reference(r)).collect();
    let _ = writeln!(
        page,
        "<p class=\"references\">References: {}</p>\n</article>",
        references.join("; ")
    );
}

fn details(page: &mut String, finding: &Finding) {
    page.push_str("<dl>\n");
    let mut row = |name: &str, value: String| {
        let _ = writeln!(
            page,
            "<div><dt>{name}</dt><dd>{}</dd></div>",
            Escaped(value)
        );
    };
    if let Some(instance) = &finding.instance {
        row("Instance", instance.clone());
    }
    row("Setting", finding.setting.to_string());
    row("Observed", observed(finding));
    row("Expected", finding.rule.to_string());
    if let Some(because) = &finding.because {
        row("Because", because.clone());
    }
    if finding.status != Status::Unknown {
        row("Fix", fix(finding));
    }
    page.push_str("</dl>\n");
}

fn fix(finding: &Finding) -> String {
    match finding.place {
        Where::Here if finding.change.is_some() => {
            format!("redis-harden apply, or by hand: {}", finding.fix)
        }
        Where::Restart => format!("a restart of Redis; by hand: {}", finding.fix),
        _ => text::remedy(finding),
    }
}

/// A link where it is one: a click leaves the page, the page itself loads nothing.
fn reference(text: &str) -> String {
    let shown = Escaped(text);
    match text.starts_with("https://") && !text.contains(char::is_whitespace) {
        true => format!("<a href=\"{shown}\" rel=\"noreferrer\">{shown}</a>"),
        false => shown.to_string(),
    }
}
