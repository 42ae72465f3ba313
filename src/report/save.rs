//! A report in a file: whole or not at all, beside the old one until it takes its place, and never through a link.

use super::Format;
use crate::host::{Host, HostResult, Kind};
use std::path::Path;

/// A report that may be read by root only: it says what is weak here, and quotes what only root may read.
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// Writes a report on this machine. One that is there already, and is ours, keeps its mode.
pub fn save(host: &Host, path: &Path, format: Format, content: &str) -> HostResult<()> {
    let (uid, gid) = (host.euid(), nix::unistd::getegid().as_raw());
    let old = host.stat(path)?;
    let kept = old.filter(|s| s.kind == Kind::File && s.uid == uid);
    let mode = kept.map_or_else(|| mode_of(format, uid), |s| s.mode);
    host.write_file(path, content.as_bytes(), mode, uid, gid)
}

/// Metrics are ids and numbers, and the collector that reads them is no root. What an ordinary user could read is no secret.
fn mode_of(format: Format, uid: u32) -> u32 {
    match (format, uid) {
        (Format::Prometheus, _) => PUBLIC,
        (_, 0) => PRIVATE,
        _ => PUBLIC,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_root_saw_is_roots_and_metrics_are_the_collectors() {
        assert_eq!(mode_of(Format::Html, 0), 0o600);
        assert_eq!(mode_of(Format::Prometheus, 0), 0o644);
        assert_eq!(mode_of(Format::Html, 1000), 0o644);
    }
}
