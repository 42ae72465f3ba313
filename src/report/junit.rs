//! JUnit's XML, for CI servers: a suite a topic, a case a control. Waived, known and not applicable is skipped; what could not be judged is an error.

use super::markup::Escaped;
use super::{Report, by_topic, observed, sentence};
use crate::audit::{Finding, Judged, Status};
use std::fmt::Write;

/// The report as XML.
pub fn render(report: Report) -> String {
    let counts = Counts::of(report.judged.iter());
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuites name=\"redis-harden\" tests=\"{}\" failures=\"{}\" errors=\"{}\">",
        counts.tests, counts.failures, counts.errors
    );
    for (topic, judged) in by_topic(report.judged.iter()) {
        suite(&mut xml, report, topic, &judged);
    }
    xml.push_str("</testsuites>\n");
    xml
}

#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of<'a>(judged: impl Iterator<Item = &'a Judged>) -> Counts {
        judged.fold(Counts::default(), |mut counts, one| {
            counts.tests += 1;
            match one.status {
                Status::Pass => {}
                Status::Fail => counts.failures += 1,
                Status::Unknown => counts.errors += 1,
                Status::Waived | Status::Known | Status::NotApplicable => counts.skipped += 1,
            }
            counts
        })
    }
}

fn suite(xml: &mut String, report: Report, topic: &str, judged: &[&Judged]) {
    let counts = Counts::of(judged.iter().copied());
    let _ = writeln!(
        xml,
        "  <testsuite name=\"redis-harden.{topic}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" timestamp=\"{}\" hostname=\"{}\">",
        counts.tests,
        counts.failures,
        counts.errors,
        counts.skipped,
        report.time(),
        Escaped(&report.facts.hostname)
    );
    for one in judged {
        case(xml, one);
    }
    xml.push_str("  </testsuite>\n");
}

fn case(xml: &mut String, judged: &Judged) {
    let control = judged.control;
    let _ = write!(
        xml,
        "    <testcase classname=\"redis-harden.{}\" name=\"{} {}\"",
        control.topic(),
        control.id,
        Escaped(control.title)
    );
    match judged.status {
        Status::Pass => return xml.push_str("/>\n"),
        Status::Fail => outcome(xml, "failure", control.severity.word(), judged),
        Status::Unknown => outcome(xml, "error", "unknown", judged),
        Status::Waived | Status::Known | Status::NotApplicable => skipped(xml, judged),
    }
    xml.push_str("    </testcase>\n");
}

fn outcome(xml: &mut String, element: &str, kind: &str, judged: &Judged) {
    let message = judged
        .findings
        .iter()
        .filter(|f| f.status == judged.status)
        .map(message)
        .collect::<Vec<_>>()
        .join("; ");
    let _ = writeln!(
        xml,
        ">\n      <{element} type=\"{kind}\" message=\"{}\">{}</{element}>",
        Escaped(message),
        Escaped(body(judged))
    );
}

fn message(finding: &Finding) -> String {
    match (&finding.because, finding.status) {
        (Some(because), Status::Unknown) => because.clone(),
        _ => format!("expected {}, found {}", finding.rule, observed(finding)),
    }
}

fn body(judged: &Judged) -> String {
    let mut text = format!("{}\n", judged.control.why);
    let bad = |f: &&Finding| matches!(f.status, Status::Fail | Status::Unknown);
    for finding in judged.findings.iter().filter(bad) {
        text.push_str(&sentence(finding));
        if let Some(because) = &finding.because {
            text.push_str(&format!(" ({because})"));
        }
        text.push_str(&format!("\nfix: {}\n", finding.fix));
    }
    text
}

fn skipped(xml: &mut String, judged: &Judged) {
    let because = judged
        .findings
        .iter()
        .filter(|f| f.status == judged.status)
        .find_map(|f| f.because.clone());
    let message = match (judged.status, because) {
        (Status::Known, _) => "known since the baseline".to_owned(),
        (_, Some(because)) => because,
        (_, None) => "nothing here that it is about".to_owned(),
    };
    let _ = writeln!(
        xml,
        ">\n      <skipped type=\"{}\" message=\"{}\"/>",
        judged.status.word(),
        Escaped(message)
    );
}
