//! Looking at something as a process in another network namespace would: /proc/sys/net shows the reader's own.

use super::{Host, HostError, HostResult};
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use nix::unistd::gettid;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

/// A network namespace that nobody else is in: a thread holds it, and it is gone with this value.
#[derive(Debug)]
pub struct Network {
    holder: i32,
    until: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Network {
    /// Makes an empty one.
    pub fn new() -> HostResult<Network> {
        let (until, end) = channel::<()>();
        let (tell, told) = channel();
        let thread = std::thread::spawn(move || {
            let made = unshare(CloneFlags::CLONE_NEWNET).map(|()| gettid().as_raw());
            // Who made it waits for the answer, then keeps the other end.
            let _ = tell.send(made);
            let _ = end.recv();
        });
        let made = told.recv().expect("the thread sends before it ends");
        let doing = "making a network namespace";
        Ok(Network {
            holder: made.map_err(|e| HostError::errno(doing, e))?,
            until: Some(until),
            thread: Some(thread),
        })
    }

    /// The process to name for it.
    pub fn id(&self) -> i32 {
        self.holder
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.until.take());
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic.
            let _ = thread.join();
        }
    }
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
