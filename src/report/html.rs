//! One page for a browser and for print: self-contained, readable on a phone and without script. It loads nothing, and its
//! Content-Security-Policy lets a browser run no script and take no style but the two in it.

mod chart;
mod digest;
mod findings;
mod tables;

use super::markup::Escaped;
use super::{Report, worst_first};
use crate::audit::{Judged, Status};
use crate::control::Severity;
use std::fmt::Write;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/filter.js");

/// The report as a page.
pub fn render(report: Report) -> String {
    let sorted = worst_first(report.judged);
    let of = |statuses: &[Status]| -> Vec<&Judged> {
        let wanted = sorted.iter().filter(|j| statuses.contains(&j.status));
        wanted.copied().collect()
    };
    let mut page = head(report);
    chart::overview(&mut page, report);
    chart::topics(&mut page, report.judged);
    filter(&mut page, report.judged);
    findings::open(&mut page, &of(&[Status::Fail, Status::Unknown]));
    findings::known(&mut page, report, &of(&[Status::Known]));
    findings::waived(&mut page, &of(&[Status::Waived]));
    tables::waivers(&mut page, report.waivers);
    tables::passing(&mut page, &of(&[Status::Pass]));
    tables::not_applicable(&mut page, &of(&[Status::NotApplicable]));
    tables::host(&mut page, report);
    tables::policy(&mut page, report);
    foot(&mut page);
    page
}

fn head(report: Report) -> String {
    let (style, script) = (digest::of(STYLE), digest::of(SCRIPT));
    let host = Escaped(&report.facts.hostname);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{style}'; script-src '{script}'; \
         img-src data:; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>Redis audit of {host}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#findings\">Skip to the findings</a>\n<main>\n"
    )
}

fn foot(page: &mut String) {
    let _ = write!(
        page,
        "</main>\n<footer><p>Made by redis-harden {}. <b>Fail</b>: the host is not as the policy wants it. <b>Unknown</b>: it could not be \
         judged, which is no pass. <b>Known</b>: it fails as it did in the baseline. <b>Waived</b>: it fails, and the policy accepts that. \
         The score is the share of passing controls among those that pass, fail or are unknown, weighted by severity; what is waived or \
         not applicable is not in it.</p></footer>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    );
}

/// Shown by the script that it needs.
fn filter(page: &mut String, judged: &[Judged]) {
    page.push_str(
        "<form id=\"filter\" hidden role=\"search\" aria-label=\"Filter the controls\">\n\
         <label class=\"text\">Find <input type=\"search\" name=\"text\" placeholder=\"id, title or value\"></label>\n\
         <label class=\"text\">Topic <select name=\"topic\"><option value=\"\">all</option>",
    );
    for (topic, _) in super::by_topic(judged.iter()) {
        let _ = write!(page, "<option>{topic}</option>");
    }
    page.push_str("</select></label>\n<fieldset><legend>Severity</legend>");
    for severity in SEVERITIES {
        check_box(page, "severity", severity.word());
    }
    page.push_str("</fieldset>\n<fieldset><legend>Status</legend>");
    let present = |status: &Status| judged.iter().any(|j| j.status == *status);
    for status in STATUSES.into_iter().filter(present) {
        check_box(page, "status", status.word());
    }
    page.push_str(
        "</fieldset>\n<button type=\"reset\">Show all</button>\n</form>\n\
         <p id=\"shown\" role=\"status\" hidden></p>\n",
    );
}

fn check_box(page: &mut String, name: &str, word: &str) {
    let shown = word.replace('-', " ");
    let _ = write!(
        page,
        "<label><input type=\"checkbox\" name=\"{name}\" value=\"{word}\" checked> {shown}</label>"
    );
}

/// The worst first.
const SEVERITIES: [Severity; 4] = [
    Severity::Critical,
    Severity::High,
    Severity::Medium,
    Severity::Low,
];

const STATUSES: [Status; 6] = [
    Status::Fail,
    Status::Unknown,
    Status::Known,
    Status::Waived,
    Status::Pass,
    Status::NotApplicable,
];

/// What the filter looks at.
fn attributes(judged: &Judged) -> String {
    format!(
        "data-topic=\"{}\" data-severity=\"{}\" data-status=\"{}\"",
        judged.control.topic(),
        judged.control.severity.word(),
        judged.status.word()
    )
}

/// A title as a heading; one that begins with a name, such as `vm.swappiness`, stays as it is.
fn heading(title: &str) -> String {
    let first = title.split(' ').next().unwrap_or_default();
    match title.get(..1) {
        Some(letter) if first.chars().all(char::is_alphabetic) => {
            letter.to_uppercase() + title.get(1..).unwrap_or_default()
        }
        _ => title.to_owned(),
    }
}

/// A section with a heading that says how many are in it.
fn section(page: &mut String, id: &str, title: &str, count: Option<usize>) {
    let count = count.map_or(String::new(), |n| {
        format!(" <span class=\"count\">{n}</span>")
    });
    let _ = writeln!(
        page,
        "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}{count}</h2>"
    );
}
