//! `/run/redis-harden/result.json`: how the last apply of this boot ended, for whoever started it without a terminal (cloud-init, a
//! configuration manager). Whole or absent: it goes when an apply begins, so that one that was killed leaves none.

use crate::commands::{Outcome, Trouble};
use crate::host::{Host, HostResult, Kind};
use crate::journal::seconds;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;

const DIR: &str = "/run/redis-harden";
const FILE: &str = "/run/redis-harden/result.json";

/// Raised when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// What an apply leaves behind for programs. Root's to read.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LastApply {
    /// The version of this format.
    pub schema: u32,
    /// Of the program.
    pub version: &'static str,
    /// Its number in the journal, as `history` and `rollback` know it; null when nothing was begun.
    pub run: Option<u32>,
    /// When it ended, in UTC.
    pub time: String,
    /// 0 fine, 1 something is left that an apply could change, 2 trouble.
    pub exit_code: u8,
    /// Whether it was the boot's own, which repairs kernel values, and makes files where they were missing at the first boot.
    pub boot: bool,
    /// Changes made that stand.
    pub changed: usize,
    /// Findings that are left, whoever can fix them; those that could not be judged among them.
    pub left: usize,
    /// Groups of changes that failed, and were put back.
    pub failed: usize,
    /// As `--message` gave it.
    pub message: Option<String>,
    /// What standard error was told, where the exit code is 2 for trouble.
    pub trouble: Option<String>,
}

/// The JSON Schema of the file.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(LastApply)
}

/// Takes the last one away: nobody shall take it for ours.
pub fn begin(host: &Host) -> HostResult<()> {
    if !tells(host) || host.stat(Path::new(FILE))?.is_none() {
        return Ok(());
    }
    host.remove(Path::new(FILE))
}

/// Leaves the result. The outcome becomes trouble where it could not be left, since somebody waits for it.
pub fn end(host: &Host, mut result: LastApply, outcome: Outcome) -> Outcome {
    result.schema = SCHEMA;
    result.version = env!("CARGO_PKG_VERSION");
    result.time = seconds(host.now());
    (result.exit_code, result.trouble) = match &outcome {
        Ok(code) => (*code, None),
        Err(Trouble(text)) => (2, Some(text.clone())),
    };
    if !tells(host) {
        return outcome;
    }
    let left = write(host, &result);
    match (outcome, left) {
        (outcome, Ok(())) => outcome,
        (Ok(_), Err(e)) => Err(e),
        (Err(Trouble(first)), Err(Trouble(second))) => {
            Err(Trouble(format!("{first}\nredis-harden: {second}")))
        }
    }
}

/// A tree that does not run has no /run of this boot.
fn tells(host: &Host) -> bool {
    host.is_running()
}

fn write(host: &Host, result: &LastApply) -> Result<(), Trouble> {
    let text = serde_json::to_string_pretty(result)? + "\n";
    let (uid, gid) = host
        .stat(Path::new("/"))?
        .map_or((0, 0), |s| (s.uid, s.gid));
    for dir in ["/run", DIR] {
        let there = host.stat(Path::new(dir))?;
        if there.is_none_or(|s| s.kind != Kind::Dir) {
            host.make_dir(Path::new(dir), 0o755, uid, gid)?;
        }
    }
    Ok(host.write_file(Path::new(FILE), text.as_bytes(), 0o600, uid, gid)?)
}
