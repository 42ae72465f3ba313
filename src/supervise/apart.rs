//! The supervisor as the first process of a namespace, with its server beside it. What stays outside passes signals on and ends with it.
//! It forks once, before any thread exists, and refuses nothing: where the host permits no namespace, one goes on without.

use super::privileges;
use super::settings::Settings;
use crate::contain::processes;
use crate::host::{HostError, HostResult};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, geteuid, getpid, read, setsid, write};
use std::os::fd::{AsFd, OwnedFd};

/// Where this process goes on.
pub(super) enum Side {
    /// As the supervisor, with a tie to whoever waits outside, if somebody does.
    Inside(Option<Tie>),
    /// Outside, after the supervisor's end: its exit code.
    Outside(i32),
}

/// To the process that waits outside: closed when that ends.
pub(super) struct Tie(OwnedFd);

impl Tie {
    /// From now on the end of whoever waits is this signal. To be called after the last change of the uid, which would clear it.
    pub(super) fn hold(&self, signal: Signal) -> HostResult<()> {
        let doing = "tying the supervisor to who started it";
        let fail = |e| HostError::errno(doing, e);
        set_pdeathsig(signal).map_err(fail)?;
        let mut end = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut end, PollTimeout::ZERO).map_err(fail)? {
            0 => Ok(()),
            _ => Err(HostError::refused(doing, "it has ended meanwhile")),
        }
    }
}

/// Goes into a namespace of its own where the settings want one. It takes root; the first process of one already has nothing left to do.
/// `signals` are taken before the fork, so that none is lost, and passed on; without them each side has its own.
pub(super) fn enter(
    settings: &Settings,
    signals: impl FnOnce() -> nix::Result<Option<SignalFd>>,
) -> HostResult<Side> {
    if !settings.pid_namespace || getpid().as_raw() == 1 || !geteuid().is_root() {
        return Ok(Side::Inside(None));
    }
    let fail = |e| HostError::errno("making a process namespace", e);
    let signals = signals().map_err(fail)?;
    match split(signals.as_ref()).map_err(fail)? {
        Split::Refused(why) => {
            tracing::warn!(error = %why, "this host permits no process namespace of the server's own");
            Ok(Side::Inside(None))
        }
        Split::Inside(tie) => Ok(Side::Inside(Some(tie))),
        Split::Outside(supervisor) => {
            privileges::become_user_of(settings)?;
            wait(supervisor, signals.as_ref()).map(Side::Outside)
        }
    }
}

enum Split {
    Refused(Errno),
    Inside(Tie),
    Outside(Pid),
}

/// Forks into the namespace; back in the former one where it cannot be begun there.
fn split(signals: Option<&SignalFd>) -> nix::Result<Split> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let back = open("/proc/self/ns/pid", flags, Mode::empty())?;
    let (family, kind) = (AddressFamily::Unix, SockType::Stream);
    let (ours, theirs) = socketpair(family, kind, None, SockFlag::SOCK_CLOEXEC)?;
    if let Err(why) = unshare(CloneFlags::CLONE_NEWPID) {
        return Ok(Split::Refused(why));
    }
    match fork_alone()? {
        ForkResult::Child => {
            drop(ours);
            Ok(Split::Inside(begin(theirs, signals)))
        }
        ForkResult::Parent { child } => {
            drop(theirs);
            match begun(&ours) {
                Ok(()) => {
                    // Closed when this process ends, and not before.
                    std::mem::forget(ours);
                    Ok(Split::Outside(child))
                }
                Err(why) => {
                    waitpid(child, None)?;
                    setns(back, CloneFlags::CLONE_NEWPID)?;
                    Ok(Split::Refused(why))
                }
            }
        }
    }
}

#[expect(unsafe_code, reason = "fork(2) is the way into a process namespace")]
fn fork_alone() -> nix::Result<ForkResult> {
    // SAFETY: this is the only thread (`check_process`), so that no lock is held by another.
    unsafe { fork() }
}

/// The first process of the namespace: sees its own processes only and says so, or says why not and ends without having changed anything.
fn begin(tie: OwnedFd, signals: Option<&SignalFd>) -> Tie {
    // A terminal's signals come once, from outside.
    let apart = signals.map_or(Ok(()), |_| setsid().map(drop));
    let ready = apart.and_then(|()| processes::see_only_own());
    let word = ready.map_or_else(|why| why as i32, |()| 0).to_ne_bytes();
    let told = write(&tie, &word);
    match ready.and(told) {
        Ok(_) => Tie(tie),
        Err(_) => std::process::exit(1),
    }
}

/// What the first process says of its beginning.
fn begun(tie: &OwnedFd) -> nix::Result<()> {
    let mut word = [0; size_of::<i32>()];
    loop {
        match read(tie, &mut word) {
            Err(Errno::EINTR) => {}
            Ok(count) if count == word.len() => break,
            _ => return Err(Errno::ECHILD),
        }
    }
    match i32::from_ne_bytes(word) {
        0 => Ok(()),
        errno => Err(Errno::from_raw(errno)),
    }
}

/// Passes signals on until the supervisor ends; returns its exit code, 128 and the number for a signal.
fn wait(supervisor: Pid, signals: Option<&SignalFd>) -> HostResult<i32> {
    let fail = |e| HostError::errno("waiting for the supervisor", e);
    let how = signals.map(|_| WaitPidFlag::WNOHANG);
    loop {
        if let Some(signals) = signals {
            pass_on(supervisor, signals).map_err(fail)?;
        }
        match waitpid(supervisor, how) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as libc::c_int),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(fail(e)),
        }
    }
}

/// Waits for signals, and passes on all but its own child's.
fn pass_on(supervisor: Pid, signals: &SignalFd) -> nix::Result<()> {
    let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(e) => return Err(e),
    }
    while let Some(info) = signals.read_signal()? {
        match Signal::try_from(info.ssi_signo.cast_signed()) {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            // One that has ended needs none.
            Ok(signal) => drop(kill(supervisor, signal)),
        }
    }
    Ok(())
}
