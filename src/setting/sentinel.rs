//! What a Sentinel's own file says of it.

use super::{Reading, Sight};
use crate::redis::sentinel::{Master, Sentinel};
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// Something of a Sentinel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SentinelFact {
    /// The masters that it watches at a loopback address. Words, or nothing.
    LoopbackMasters,
    /// The masters for which too few, or no majority, have to agree. Words, or nothing.
    Agreement,
    /// The masters for which it has no password. Words, or nothing.
    WithoutPassword,
    /// Whether other hosts may command it without a password. Flag.
    Open,
    /// The addresses that it listens on. Text.
    Bind,
    /// Whether clients may name scripts that it runs. Flag.
    Scripts,
    /// Whether it speaks TLS with those that it watches. Flag.
    Encrypts,
    /// Whether its user may rewrite the file, and beside it: that is how it keeps its state. Flag.
    Writable,
}

impl fmt::Display for SentinelFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SentinelFact::LoopbackMasters => "masters at loopback",
            SentinelFact::Agreement => "masters without a majority",
            SentinelFact::WithoutPassword => "masters without auth-pass",
            SentinelFact::Open => "open to other hosts",
            SentinelFact::Bind => "bind",
            SentinelFact::Scripts => "scripts set by clients",
            SentinelFact::Encrypts => "speaks TLS with its masters",
            SentinelFact::Writable => "rewritten by its user",
        })
    }
}

/// The file may be its user's own to write, so no link is followed.
pub fn read(sight: Sight, path: &Path, what: SentinelFact) -> Reading {
    let bytes = match sight.host.read_untrusted(path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Reading::NotApplicable(format!("there is no {}", path.display())),
        Err(e) => return Reading::Unknown(e.to_string()),
    };
    let found = Sentinel::parse(&String::from_utf8_lossy(&bytes));
    let masters = |wrong: &dyn Fn(&Master) -> Option<String>| {
        let names: Vec<String> = found.masters.iter().filter_map(wrong).collect();
        match names.is_empty() {
            true => Reading::Absent,
            false => Reading::Value(Value::Words(names), None),
        }
    };
    match what {
        SentinelFact::LoopbackMasters => masters(&|m| m.is_on_loopback().then(|| m.name.clone())),
        SentinelFact::Agreement => masters(&Master::agreement),
        SentinelFact::WithoutPassword => masters(&|m| (!m.authenticates).then(|| m.name.clone())),
        SentinelFact::Open => {
            let open = found.listens_beyond_loopback() && !found.asks_password;
            Reading::Value(Value::Flag(open), None)
        }
        SentinelFact::Bind => Reading::Value(Value::Text(found.bind.join(" ")), None),
        SentinelFact::Scripts => Reading::Value(Value::Flag(found.scripts_by_clients), None),
        SentinelFact::Encrypts => Reading::Value(Value::Flag(found.encrypts), None),
        SentinelFact::Writable => writable(sight, path),
    }
}

/// It writes a new file beside the old one and renames it: both the file and the directory must be its to write.
/// Source: Redis config.c rewriteConfigOverwriteFile.
fn writable(sight: Sight, path: &Path) -> Reading {
    let known = sight.facts.sentinels.iter().find(|s| s.path == path);
    let Some(user) = known.and_then(|s| sight.facts.accounts.uid(s.user)) else {
        return Reading::NotApplicable("its user does not exist".into());
    };
    let host = sight.host;
    let dir = path.parent().unwrap_or(Path::new("/"));
    let look = || -> crate::host::HostResult<Option<bool>> {
        let (Some(file), Some(dir)) = (host.stat(path)?, host.stat(dir)?) else {
            return Ok(None);
        };
        let may = |uid: u32, mode: u32| uid == user && mode & 0o200 != 0 || mode & 0o020 != 0;
        Ok(Some(may(file.uid, file.mode) && may(dir.uid, dir.mode)))
    };
    match look() {
        Ok(Some(may)) => Reading::Value(Value::Flag(may), None),
        Ok(None) => Reading::NotApplicable(format!("there is no {}", path.display())),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}
