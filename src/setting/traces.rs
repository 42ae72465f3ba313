//! What the known attacks on exposed servers leave behind. Only looked at: nothing of it is opened, moved or removed.

use super::processes::{Seen, seen};
use super::{Reading, Sight};
use crate::host::{Host, HostResult};
use crate::report::printable;
use crate::value::Value;
use std::path::Path;

/// Whoever may write to a directory must not be able to fill a report.
const MOST_TOLD: usize = 12;

/// The programs that run as the service user.
const OURS: [&str; 10] = [
    "redis-server",
    "redis-sentinel",
    "redis-check-aof",
    "redis-check-rdb",
    "redis-cli",
    "valkey-server",
    "valkey-sentinel",
    "valkey-check-aof",
    "valkey-check-rdb",
    "redis-harden",
];

/// Whether anything is there, links not followed.
pub fn read_presence(host: &Host, path: &Path) -> Reading {
    let found = host.stat(path).map(|stat| stat.map(|_| Value::Present));
    found.into()
}

/// The programs that run as a user and are not a Redis or ours, or that he could have put there himself: `FILE:PID`.
pub fn read_processes(sight: Sight, user: &str) -> Reading {
    let strange = |uid: u32| -> HostResult<Vec<String>> {
        let all = seen(sight)?;
        let his = all.iter().filter(|p| p.uid == uid);
        let others = his.filter(|p| {
            !OURS.iter().any(|ours| p.is_called(ours)) || !p.runs_what_root_installed(sight.host)
        });
        Ok(others.map(Seen::to_string).collect())
    };
    match sight.facts.accounts.user(user) {
        Ok(Some(found)) => match strange(found.uid) {
            Ok(strange) => words(strange),
            Err(e) => Reading::Unknown(e.to_string()),
        },
        Ok(None) => Reading::NotApplicable(format!("there is no user {user}")),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// What was found, or that nothing was; of very many the first. A name that holds an end of line begins no line of a report.
pub(super) fn words(found: Vec<String>) -> Reading {
    let mut found: Vec<String> = found.iter().map(|name| printable(name)).collect();
    let more = found.len().saturating_sub(MOST_TOLD);
    if more > 0 {
        found.truncate(MOST_TOLD);
        found.push(format!("and {more} more"));
    }
    match found.is_empty() {
        true => Reading::Absent,
        false => Reading::Value(Value::Words(found), None),
    }
}
