//! Who holds a record lock on a file: to say whom we wait for. It takes no lock itself.

use super::{Host, HostError, HostResult};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fmt;
use std::path::Path;

/// The process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id here; `None` for one in another PID namespace, and for a lock that belongs to a descriptor.
    pub pid: Option<i32>,
    /// What it calls itself.
    pub name: Option<String>,
}

impl Host {
    /// Who holds a write lock on the file (`fcntl`, as dpkg and apt take it); `None` when nobody does, or there is no such file.
    pub fn lock_holder(&self, path: &Path) -> HostResult<Option<Holder>> {
        let doing = || format!("asking who holds the lock {}", path.display());
        let fd = match self.open_trusted(path) {
            Ok(fd) => fd,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            Err(e) => return Err(HostError::errno(doing(), e)),
        };
        let mut lock = libc::flock {
            l_type: F_WRLCK,
            l_whence: 0,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(&fd, FcntlArg::F_GETLK(&mut lock)).map_err(|e| HostError::errno(doing(), e))?;
        if lock.l_type == F_UNLCK {
            return Ok(None);
        }
        let pid = (lock.l_pid > 0).then_some(lock.l_pid);
        Ok(Some(Holder {
            pid,
            name: pid.and_then(|pid| self.process_name(pid)),
        }))
    }

    /// The name of a process, for a message: one that has ended since has none.
    fn process_name(&self, pid: i32) -> Option<String> {
        let path = format!("/proc/{pid}/comm");
        let name = self.read_text(Path::new(&path)).ok().flatten()?;
        Some(name.trim_end().to_owned())
    }
}

// The C library declares these as `int`, the field as `short`; both are 1 and 2.
const F_WRLCK: libc::c_short = libc::F_WRLCK as libc::c_short;
const F_UNLCK: libc::c_short = libc::F_UNLCK as libc::c_short;

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.pid) {
            (Some(name), Some(pid)) => write!(f, "{name} (pid {pid})"),
            (None, Some(pid)) => write!(f, "process {pid}"),
            (_, None) => f.write_str("a process outside this container"),
        }
    }
}
