//! What a run says: one writer a format. The format never changes a verdict.

pub mod applied;
mod attempts;
mod html;
pub mod json;
mod junit;
mod markup;
mod prometheus;
mod sarif;
mod save;
pub mod text;

pub use save::save;

use crate::audit::{Baseline, Finding, Judged, Status, Summary, WaiverReport};
use crate::control::Wants;
use crate::facts::Facts;
use crate::policy::Policies;
use crate::value::Value;
use std::path::Path;

/// All that a report is made of.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    pub facts: &'a Facts,
    pub policies: &'a Policies,
    pub judged: &'a [Judged],
    pub waivers: &'a [WaiverReport],
    /// What it was compared with.
    pub baseline: Option<&'a Baseline>,
    /// When it was judged.
    pub now: jiff::Timestamp,
    /// Where it was judged: `/`, or the offline tree.
    pub root: &'a Path,
    /// Why only files were judged, where that is so.
    pub files_only: Option<&'a str>,
}

/// What `check` can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a person at a terminal.
    Text,
    /// Everything, stable and versioned.
    Json,
    /// For CI servers.
    Junit,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Gauges for the textfile collector.
    Prometheus,
    /// One page for a browser, and for print.
    Html,
}

impl Format {
    /// The word on the command line.
    pub fn word(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self).expect("no format is hidden");
        value.get_name().to_owned()
    }
}

impl Report<'_> {
    /// Counts and score.
    pub fn summary(&self) -> Summary {
        Summary::of(self.judged)
    }

    /// Whether it is of `prove`, and of nothing else.
    fn is_of_attempts(&self) -> bool {
        let is_one = |judged: &Judged| matches!(judged.control.wants, Wants::Attempt(_));
        !self.judged.is_empty() && self.judged.iter().all(is_one)
    }

    /// The report in a format; only text has a style.
    pub fn render(self, format: Format, style: text::Style) -> serde_json::Result<String> {
        Ok(match format {
            Format::Text if self.is_of_attempts() => attempts::render(self, style),
            Format::Text => text::render(self, style),
            Format::Json => json::render(self)?,
            Format::Junit => junit::render(self),
            Format::Sarif => sarif::render(self)?,
            Format::Prometheus => prometheus::render(self),
            Format::Html => html::render(self),
        })
    }

    /// The time of the audit to the second, in UTC.
    fn time(&self) -> String {
        format!("{:.0}", self.now)
    }
}

/// Controls by topic, topics in the order in which they first come.
fn by_topic<'a>(judged: impl Iterator<Item = &'a Judged>) -> Vec<(&'static str, Vec<&'a Judged>)> {
    let mut topics: Vec<(&'static str, Vec<&Judged>)> = Vec::new();
    for one in judged {
        let topic = one.control.topic();
        match topics.iter_mut().find(|(name, _)| *name == topic) {
            Some((_, of_topic)) => of_topic.push(one),
            None => topics.push((topic, vec![one])),
        }
    }
    topics
}

/// The worst first; those alike in the catalogue's order.
fn worst_first(judged: &[Judged]) -> Vec<&Judged> {
    let mut sorted: Vec<&Judged> = judged.iter().collect();
    sorted.sort_by_key(|j| std::cmp::Reverse((j.status, j.control.severity)));
    sorted
}

/// What was found of a setting, or what was not. A file's short form is the same for another content of the same length.
pub fn observed(finding: &Finding) -> String {
    match (&finding.observed, finding.status) {
        (Some(value @ Value::File(_)), Status::Fail)
            if value.to_string() == finding.rule.to_string() =>
        {
            format!("{value}, with other content")
        }
        (Some(value), _) => value.to_string(),
        (None, Status::Unknown) => "could not be read".to_owned(),
        (None, Status::NotApplicable) => "not applicable".to_owned(),
        (None, _) => "absent".to_owned(),
    }
}

/// `sysctl vm.swappiness is 60, wants at most 10`.
pub fn sentence(finding: &Finding) -> String {
    let setting = &finding.setting;
    match finding.status {
        Status::Unknown => format!("{setting} could not be read"),
        Status::NotApplicable => setting.to_string(),
        _ => format!("{setting} is {}, wants {}", observed(finding), finding.rule),
    }
}

/// A line for a terminal: what a host says may be what an attacker put there, and no escape sequence of it is obeyed.
pub fn printable(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            c if c.is_control() && c != '\t' => text.extend(c.escape_default()),
            // Marks that turn the order of what is shown. Source: Unicode, UAX #9.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_host_says_moves_the_terminal() {
        let hostile = "a\u{1b}[2J\u{9b}1A\rb\u{202e}\tü";
        assert_eq!(printable(hostile), "a\\u{1b}[2J\\u{9b}1A\\rb\\u{202e}\tü");
    }
}
