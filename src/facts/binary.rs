//! Our own binary: the one that runs, and the one that units are to run.

use super::Facts;
use crate::host::{Host, HostResult};
use std::path::{Path, PathBuf};

/// Where our binary is put when it runs from somewhere that is no system directory.
const INSTALLED: &str = "/usr/local/sbin/redis-harden";

/// Where it stays where it is.
const SYSTEM_DIRS: [&str; 3] = ["/usr/bin", "/usr/sbin", "/usr/local/sbin"];

impl Facts {
    /// Whether the binary that units run is a copy of ours; a package's own is left to it.
    pub fn copies_exe(&self) -> bool {
        let ours = Path::new(INSTALLED);
        self.exe == ours && (self.running_exe != ours || self.offline)
    }
}

/// The binary that units run, and the one that runs now.
pub(super) fn binaries(host: &Host) -> HostResult<(PathBuf, PathBuf)> {
    let running = running_exe(host);
    let dir = running.parent().unwrap_or(Path::new("/"));
    if host.is_live_root() && SYSTEM_DIRS.iter().any(|d| dir == Path::new(d)) {
        return Ok((running.clone(), running));
    }
    // A tree may have its own, from its package; any other is not there yet, wherever ours is on this machine.
    for packaged in ["/usr/bin/redis-harden", "/usr/sbin/redis-harden"] {
        if !host.is_live_root() && host.stat(Path::new(packaged))?.is_some() {
            return Ok((packaged.into(), running));
        }
    }
    Ok((PathBuf::from(INSTALLED), running))
}

/// Our own file; without /proc (a bare chroot) the one of the name that we were called by, in a system directory: units run it, and
/// it is copied, so that no caller's PATH counts.
fn running_exe(host: &Host) -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| {
        let called = std::env::args().next().unwrap_or_default();
        let found = match Path::new(&called).is_absolute() {
            true => Some(PathBuf::from(called)),
            false => host.find_program(&called),
        };
        found.unwrap_or_else(|| PathBuf::from(INSTALLED))
    })
}
