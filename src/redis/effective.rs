//! What a server's files and command line amount to: each directive as `CONFIG GET` would show it after a start.
//! Read as Redis reads them, faults included; what cannot be read is an error, never a default.

mod command_line;
pub mod glob;
pub mod kind;
mod load;
mod special;
pub mod table;
mod text;
pub mod words;

pub use command_line::CommandLine;
pub use load::{load, load_said, load_text};

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Directives whose value is never shown. Source: `SENSITIVE_CONFIG` in config.c, but for the names of users.
const SECRET: [&str; 5] = [
    "masterauth",
    "primaryauth",
    "requirepass",
    "tls-client-key-file-pass",
    "tls-key-file-pass",
];

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Start {
    pub line: CommandLine,
    /// The directory that it is started in; `None` where that is not known.
    pub cwd: Option<PathBuf>,
}

/// A directive's value, and the line that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub value: String,
    /// `FILE:LINE`, or `the command line`.
    pub at: String,
}

/// A line that Redis would not start on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub at: String,
    /// The directive, in lower case.
    pub name: String,
    pub wrong: Wrong,
    /// Never with the value in it.
    pub why: String,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The version does not know the directive.
    Unknown,
    /// A `#` after the value is no comment but one more value.
    InlineComment,
    /// Anything else.
    Other,
}

/// What all lines together give.
#[derive(Clone, Debug, Default)]
pub struct Effective {
    /// By the names of today; what is not here has its default.
    pub values: BTreeMap<&'static str, Given>,
    pub faults: Vec<Fault>,
    /// Directives that a later line gives another value: name, the earlier line, the later.
    pub overridden: Vec<(&'static str, String, String)>,
    /// Lines with a password that can be read: what, and where.
    pub passwords: Vec<(String, String)>,
}

/// Whether a directive's value must not be shown.
pub fn is_secret(name: &str) -> bool {
    SECRET.contains(&name)
}
