//! Looking at something as a process in another network namespace would: /proc/sys/net shows the reader's own.

use super::{Host, HostError, HostResult};
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, fstat};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// A network namespace that is held, whatever becomes of the processes in it: never the one that we are in.
#[derive(Debug)]
pub struct Network(OwnedFd);

impl Network {
    /// Makes an empty one, which is gone with this value.
    pub fn new() -> HostResult<Network> {
        let fail = |e| HostError::errno("making a network namespace", e);
        let made = || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            hold(Path::new("/proc/thread-self/ns/net"))
        };
        let made = std::thread::scope(|scope| scope.spawn(made).join());
        let made = made.expect("it panics as little as this thread");
        made.map(Network).map_err(fail)
    }

    /// The one that a process is in.
    pub fn of(host: &Host, pid: i32) -> HostResult<Network> {
        let doing = || format!("holding the network namespace of process {pid}");
        let fail = |e| HostError::errno(doing(), e);
        let path = |of: &str| host.real(&Path::new("/proc").join(of).join("ns/net"));
        let its = hold(&path(&pid.to_string())).map_err(fail)?;
        let ours = hold(&path("self")).map_err(fail)?;
        let number = |held: &OwnedFd| fstat(held).map(|stat| (stat.st_dev, stat.st_ino));
        match number(&its).map_err(fail)? == number(&ours).map_err(fail)? {
            true => Err(HostError::refused(doing(), "it is our own")),
            false => Ok(Network(its)),
        }
    }

    /// Does something in it, in a thread of its own, which ends with that.
    pub fn run<T: Send>(&self, job: impl FnOnce() -> T + Send) -> HostResult<T> {
        let job = || setns(&self.0, CloneFlags::CLONE_NEWNET).map(|()| job());
        let done = std::thread::scope(|scope| scope.spawn(job).join());
        done.expect("it panics as little as this thread")
            .map_err(|e| HostError::errno("entering a network namespace", e))
    }

    /// A name for programs that we start. Source: ip-link(8), `netns`.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

fn hold(path: &Path) -> nix::Result<OwnedFd> {
    open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_network_is_never_held() {
        let host = Host::live().expect("a host");
        let own = i32::try_from(std::process::id()).expect("a pid");
        let error = Network::of(&host, own).expect_err("it is ours");
        assert!(error.cause.contains("our own"), "{error}");
    }
}
