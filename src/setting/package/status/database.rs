//! The text of dpkg's database: a record a package, and what its status says.

use super::{Installed, State};
use crate::host::{HostError, HostResult};
use memchr::memmem;
use std::borrow::Cow;

const PACKAGE: &[u8] = b"Package: ";

/// One of dpkg's files.
#[derive(Debug)]
pub(super) struct Database {
    pub path: String,
    pub content: Vec<u8>,
    /// Where each package's record begins.
    records: Vec<usize>,
}

impl Database {
    /// One pass over what may be megabytes; each question after it looks at the records' names only.
    pub fn new(path: &str, content: Vec<u8>) -> HostResult<Database> {
        let starts = memmem::find_iter(&content, PACKAGE);
        let begins_a_line = |at: &usize| content.split_at(*at).0.last().is_none_or(|b| *b == b'\n');
        let records: Vec<usize> = starts.filter(begins_a_line).collect();
        let states = memmem::find_iter(&content, b"\nStatus: ").count();
        // Each record tells its status, and an empty database is one of no packages.
        if states != records.len() || records.is_empty() && !content.trim_ascii().is_empty() {
            let cause = format!(
                "it is damaged: {} packages and {states} states (dpkg --audit)",
                records.len()
            );
            return Err(HostError::refused(format!("reading {path}"), cause));
        }
        Ok(Database {
            path: path.to_owned(),
            content,
            records,
        })
    }

    /// The package's record: `None` when there is none, `Some(None)` when it says that the package is not installed.
    pub fn find(&self, package: &str) -> Result<Option<Option<Installed>>, String> {
        let mut found = None;
        for at in &self.records {
            let record = self.content.split_at(*at).1;
            if !names(record, package) {
                continue;
            }
            let end = memmem::find(record, b"\n\n").unwrap_or(record.len());
            let (record, _) = record.split_at(end);
            let installed = parse(&String::from_utf8_lossy(record))?;
            // The same name may stand once for each architecture.
            if installed.is_some() || found.is_none() {
                found = Some(installed);
            }
        }
        Ok(found)
    }
}

/// Whether a record's first line is that of the package.
fn names(record: &[u8], package: &str) -> bool {
    let rest = record.strip_prefix(PACKAGE);
    let rest = rest.and_then(|rest| rest.strip_prefix(package.as_bytes()));
    rest.is_some_and(|rest| rest.starts_with(b"\n"))
}

fn parse(record: &str) -> Result<Option<Installed>, String> {
    let field = |name: &str| {
        let mut lines = record.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    };
    let package = field("Package").unwrap_or_default();
    let status = field("Status").ok_or_else(|| format!("{package} has no status"))?;
    let state = match status.split_whitespace().nth(2) {
        Some("not-installed" | "config-files") => return Ok(None),
        Some("installed") => State::Installed,
        Some("half-installed") => State::HalfInstalled,
        Some("unpacked") => State::Unpacked,
        Some("half-configured") => State::HalfConfigured,
        Some("triggers-awaited") => State::TriggersAwaited,
        Some("triggers-pending") => State::TriggersPending,
        _ => return Err(format!("{package} has the unknown status {status:?}")),
    };
    // A package that never came further than half-installed has no version.
    let version = field("Version").unwrap_or_default().to_owned();
    let (source, source_version) = match field("Source") {
        Some(source) => match source.split_once(" (") {
            Some((name, version)) => (name, version.trim_end_matches(')')),
            None => (source, version.as_str()),
        },
        None => (package, version.as_str()),
    };
    Ok(Some(Installed {
        source: source.to_owned(),
        source_version: source_version.to_owned(),
        version,
        state,
        held: status.split_whitespace().next() == Some("hold"),
    }))
}

/// `want flag state`: the flag is `ok` or `reinstreq`.
pub(super) fn is_unfinished(status: &str) -> bool {
    let settled = ["ok installed", "ok config-files", "ok not-installed"];
    !settled.iter().any(|end| status.ends_with(end))
}

pub(super) fn named_in(database: &[u8], is: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    for at in memmem::find_iter(database, b"\nStatus: ") {
        let (before, after) = database.split_at(at);
        let status = first_line(after.strip_prefix(b"\nStatus: ").unwrap_or(after));
        if is(&status) {
            let start = memmem::rfind(before, b"Package: ").unwrap_or(0);
            let name = first_line(before.split_at(start).1);
            names.push(name.strip_prefix("Package: ").unwrap_or(&name).to_owned());
        }
    }
    names
}

fn first_line(text: &[u8]) -> Cow<'_, str> {
    let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
    String::from_utf8_lossy(text.split_at(end).0)
}
