//! Looking at something as a process in another network namespace would: /proc/sys/net shows the reader's own.

use super::{Host, HostError, HostResult};
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;
use std::path::Path;

impl Host {
    /// Whether a process has another network namespace than we; `None` where that may not be looked at.
    pub fn has_other_network(&self, pid: i32) -> Option<bool> {
        let of = |pid: &str| {
            let link = Path::new("/proc").join(pid).join("ns/net");
            self.read_magic_link(&link).ok().flatten()
        };
        Some(of("self")? != of(&pid.to_string())?)
    }

    /// What `look` sees in a process's network namespace. It runs in a thread of its own, which ends with it.
    pub fn in_network_of<T: Send>(
        &self,
        pid: i32,
        look: impl FnOnce(&Host) -> T + Send,
    ) -> HostResult<T> {
        let doing = || format!("entering the network namespace of process {pid}");
        let path = self.real(&Path::new("/proc").join(pid.to_string()).join("ns/net"));
        let namespace = open(&path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|e| HostError::errno(doing(), e))?;
        let look = || setns(namespace, CloneFlags::CLONE_NEWNET).map(|()| look(self));
        let seen = std::thread::scope(|scope| scope.spawn(look).join());
        seen.expect("it panics as little as this thread")
            .map_err(|e| HostError::errno(doing(), e))
    }
}
