//! Gauges in Prometheus's text format, for node_exporter's textfile collector: ids and numbers, no value of the host's.

use super::Report;
use crate::audit::{Status, WaiverReport};
use jiff::civil::Date;
use std::fmt::Write;

const INFO: &str = "redis_harden_info";
const STATUS: &str = "redis_harden_check_status";
const CONTROLS: &str = "redis_harden_check_controls";
const SCORE: &str = "redis_harden_check_score";
const LAST_RUN: &str = "redis_harden_check_last_run_timestamp_seconds";
const EXPIRES: &str = "redis_harden_waiver_expires_timestamp_seconds";

/// The report as metrics.
pub fn render(report: Report) -> String {
    let mut text = String::new();
    family(
        &mut text,
        INFO,
        "What judged, and by which policy; always 1.",
    );
    let _ = writeln!(
        text,
        "{INFO}{{version=\"{}\",policy=\"{}\",policy_sha256=\"{}\"}} 1",
        env!("CARGO_PKG_VERSION"),
        label(&report.policies.name),
        report.policies.sha256
    );
    statuses(&mut text, report);
    counts(&mut text, report);
    family(
        &mut text,
        SCORE,
        "The share of passing controls, weighted by severity, from 0 to 100.",
    );
    let _ = writeln!(text, "{SCORE} {}", report.summary().score);
    family(&mut text, LAST_RUN, "When the audit ran.");
    let _ = writeln!(text, "{LAST_RUN} {}", report.now.as_second());
    waivers(&mut text, report.waivers);
    text
}

fn family(text: &mut String, name: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
}

fn statuses(text: &mut String, report: Report) {
    family(
        text,
        STATUS,
        "The verdict on a control: 0 pass, 1 fail, 2 unknown, 3 waived, 4 not applicable, 5 known since the baseline.",
    );
    for judged in report.judged {
        let _ = writeln!(
            text,
            "{STATUS}{{id=\"{}\",domain=\"{}\",severity=\"{}\"}} {}",
            judged.control.id,
            judged.control.topic(),
            judged.control.severity.word(),
            number(judged.status)
        );
    }
}

fn number(status: Status) -> u8 {
    match status {
        Status::Pass => 0,
        Status::Fail => 1,
        Status::Unknown => 2,
        Status::Waived => 3,
        Status::NotApplicable => 4,
        Status::Known => 5,
    }
}

fn counts(text: &mut String, report: Report) {
    family(text, CONTROLS, "How many controls have a status.");
    let s = report.summary();
    for (status, count) in [
        (Status::Pass, s.pass),
        (Status::Fail, s.fail),
        (Status::Unknown, s.unknown),
        (Status::Waived, s.waived),
        (Status::NotApplicable, s.not_applicable),
        (Status::Known, s.known),
    ] {
        let _ = writeln!(text, "{CONTROLS}{{status=\"{}\"}} {count}", status.word());
    }
}

/// The earliest end of each glob's waivers: what an alert wants to know some days before.
fn waivers(text: &mut String, waivers: &[WaiverReport]) {
    let mut ends: Vec<(&str, i64)> = Vec::new();
    for waiver in waivers {
        let Some(end) = waiver.expires.as_deref().and_then(end_of) else {
            continue;
        };
        match ends.iter_mut().find(|(glob, _)| *glob == waiver.control) {
            Some((_, known)) => *known = end.min(*known),
            None => ends.push((&waiver.control, end)),
        }
    }
    if !ends.is_empty() {
        family(text, EXPIRES, "When a waiver of the policy ends.");
    }
    for (glob, end) in ends {
        let _ = writeln!(text, "{EXPIRES}{{control=\"{}\"}} {end}", label(glob));
    }
}

/// The second at which a waiver's last day is over, in UTC. A day that is none was refused with the policy.
fn end_of(day: &str) -> Option<i64> {
    let next = day.parse::<Date>().ok()?.tomorrow().ok()?;
    let midnight = next.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_second())
}

/// Source: Prometheus, exposition formats: a label's value escapes these three.
fn label(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiver_ends_with_its_last_day() {
        // date -u -d 2027-01-01 +%s
        assert_eq!(end_of("2026-12-31"), Some(1_798_761_600));
    }

    #[test]
    fn a_label_cannot_end_its_line_or_its_quotes() {
        assert_eq!(label("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
