//! What is wrong with a policy, as a person wants to read it: where, the line itself, and the next step. It shows no password.

use super::source::{At, Source};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Why a policy was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyError {
    what: String,
    place: Option<Place>,
    help: Vec<String>,
}

/// A line of a file, and the part of it that is meant. Boxed, so that a `Result` stays small.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    file: String,
    line: usize,
    /// Counted in characters, from 1.
    column: usize,
    text: String,
    /// How many characters are underlined; at least one.
    width: usize,
}

impl PolicyError {
    /// An error that says `what` is wrong.
    pub(crate) fn new(what: impl Into<String>) -> PolicyError {
        // A key of the file may be in it, and a file is not to move a terminal's cursor.
        let what = what.into().replace(char::is_control, " ");
        PolicyError {
            what,
            place: None,
            help: Vec::new(),
        }
    }

    /// The same, at a byte range of a source.
    pub(crate) fn at(mut self, source: &Arc<Source>, range: Range<usize>) -> PolicyError {
        self.place = Some(place(source, range));
        self
    }

    /// The same, at a key.
    pub(crate) fn at_key(self, at: &At) -> PolicyError {
        self.at(&at.source, at.key.clone())
    }

    /// The same, at a value.
    pub(crate) fn at_value(self, at: &At) -> PolicyError {
        self.at(&at.source, at.value.clone())
    }

    /// One more line of help.
    pub(crate) fn help(mut self, step: impl Into<String>) -> PolicyError {
        self.help.push(step.into());
        self
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else {
            f.write_str(&self.what)?;
            return self
                .help
                .iter()
                .try_for_each(|step| write!(f, "\n  = {step}"));
        };
        let number = place.line.to_string();
        let gutter = " ".repeat(number.len());
        let indent = " ".repeat(place.column.saturating_sub(1));
        write!(
            f,
            "{}:{}:{}: {}\n {gutter} |\n {number} | {}\n {gutter} | {indent}{}",
            place.file,
            place.line,
            place.column,
            self.what,
            place.text,
            "^".repeat(place.width),
        )?;
        self.help
            .iter()
            .try_for_each(|step| write!(f, "\n {gutter} = {step}"))
    }
}

impl std::error::Error for PolicyError {}

fn place(source: &Arc<Source>, range: Range<usize>) -> Place {
    let text = source.text.as_str();
    let start = floor(text, range.start);
    let end = floor(text, range.end).max(start);
    let (before, after) = text.split_at(start);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_end = after.find('\n').map_or(text.len(), |at| start + at);
    let column = count(text, line_start..start) + 1;
    let whole = text.get(line_start..line_end).unwrap_or_default();
    let shown = shown(whole);
    // A value of several lines is underlined on its first.
    let width = count(text, start..end.min(line_end)).max(1);
    let room = (shown.chars().count() + 1).saturating_sub(column).max(1);
    Place {
        file: source.name.clone(),
        line: before.matches('\n').count() + 1,
        column,
        text: shown,
        width: width.min(room),
    }
}

/// The nearest character boundary at or before a byte offset.
fn floor(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn count(text: &str, range: Range<usize>) -> usize {
    text.get(range).map_or(0, |part| part.chars().count())
}

/// Words in a key that say that its value is for nobody's terminal.
const SECRET: [&str; 4] = ["pass", "auth", "secret", "token"];

/// Whether a line is none that somebody meant for a policy: another file was named, and it may be a password's.
fn is_no_policy(line: &str) -> bool {
    const LONGEST_KEY: usize = 24;
    let is_key = |word: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.\"'[]{},#".contains(c);
        word.len() <= LONGEST_KEY && word.chars().all(plain)
    };
    !line.contains('#') && !line.split_whitespace().all(is_key)
}

/// The line without control characters (a policy is not to move a cursor) and without what looks like a password.
fn shown(line: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let name = line.to_ascii_lowercase().replace("password-file", "");
    let rules = name.contains("rules") && line.contains(['>', '<', '#', '!']);
    let secret = rules || SECRET.iter().any(|word| name.contains(word));
    let line = match line.split_once('=') {
        Some((key, _)) if secret => format!("{key}= (hidden)"),
        None if secret || is_no_policy(line) => "(hidden)".to_owned(),
        _ => line.to_owned(),
    };
    line.trim_end().chars().map(visible).collect()
}
