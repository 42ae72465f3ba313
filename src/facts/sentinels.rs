//! The Sentinels of this host, by the files that Debian's packages give them.

use crate::host::Host;
use crate::redis::sentinel::Sentinel;
use std::path::{Path, PathBuf};

/// User and program of each package.
const PACKAGES: [(&str, &str); 2] = [("redis", "redis-sentinel"), ("valkey", "valkey-sentinel")];

/// A Sentinel's own file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentinelFile {
    pub path: PathBuf,
    /// Whom it runs as.
    pub user: &'static str,
    /// Whom it speaks to, by its own word: the file is its user's to write. Nothing where it cannot be read.
    pub others: Vec<String>,
}

/// Those that exist. One whose directory may not be looked into counts where its package is installed: it is unknown, not absent.
pub fn of(host: &Host) -> Vec<SentinelFile> {
    let exists = |user: &str, program: &str| match host.stat(&file(user)) {
        Ok(found) => found.is_some(),
        Err(_) => {
            let script = Path::new("/etc/init.d").join(program);
            matches!(host.stat(&script), Ok(Some(_)))
        }
    };
    let there = PACKAGES
        .iter()
        .filter(|(user, program)| exists(user, program));
    let sentinel = |(user, _): &(&'static str, &str)| SentinelFile {
        path: file(user),
        user,
        others: others(host, &file(user)),
    };
    there.map(sentinel).collect()
}

fn others(host: &Host, file: &Path) -> Vec<String> {
    // A control of its own (sentinel.*) says why it cannot be read.
    let text = host.read_untrusted_below(file, 1 << 20).ok().flatten();
    let text = text.unwrap_or_default();
    Sentinel::parse(&String::from_utf8_lossy(&text)).others
}

fn file(user: &str) -> PathBuf {
    Path::new("/etc").join(user).join("sentinel.conf")
}
