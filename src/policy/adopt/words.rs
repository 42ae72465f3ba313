//! Words as redis.conf, as TOML and as a note have them.

use crate::policy::PolicyError;
use std::fmt::Write;

pub(super) fn note(notes: &mut String, name: &str, why: &str) {
    let _ = writeln!(notes, "#   {}: {}", printable(name), printable(why));
}

/// What is wrong, without the place, which is none of a file's.
pub(super) fn reason(error: &PolicyError) -> String {
    let text = error.to_string();
    let mut lines = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("= "));
    let help = lines.next_back().unwrap_or("a policy does not take it");
    help.strip_prefix("help: ").unwrap_or(help).to_owned()
}

pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A word as redis.conf has it.
pub(super) fn plain(word: &str) -> String {
    match word.is_empty() || word.contains(' ') {
        true => format!("\"{word}\""),
        false => word.to_owned(),
    }
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

pub(super) fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    toml::Value::Array(items.map(|i| toml::Value::String(i.to_owned())).collect()).to_string()
}
