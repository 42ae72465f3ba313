//! A program that runs beside us: its process, what it prints, and the time that it has.

use super::Output;
use crate::host::{HostError, HostResult};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdout};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Milliseconds without output after which we look whether the program has ended.
const QUIET: u8 = 100;

/// A program that was started.
#[derive(Debug)]
pub struct Begun {
    pub(super) child: Child,
    pub(super) watch: Watch,
    pub(super) line: String,
    pub(super) limit: Duration,
    /// The other end of its standard input.
    pub(super) held: Option<OwnedFd>,
}

impl Begun {
    /// Its process id, valid until its end has been waited for.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        // One that cannot be asked is waited for.
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Ends it, and what it started.
    pub fn kill(&self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX));
        // It may have ended by itself.
        let _ = nix::sys::signal::killpg(pid, nix::sys::signal::Signal::SIGKILL);
    }

    /// Waits for its end; `Output::stdout` holds what it printed.
    pub fn output(self) -> HostResult<Output> {
        let mut stdout = Vec::new();
        let mut output = self.end(&mut |chunk| stdout.extend_from_slice(chunk))?;
        output.stdout = String::from_utf8_lossy(&stdout).into_owned();
        Ok(output)
    }

    pub(super) fn end(mut self, take: &mut dyn FnMut(&[u8])) -> HostResult<Output> {
        let doing = || format!("running `{}`", self.line);
        let mut stderr = Vec::new();
        drop(self.held.take());
        let read = drain(&mut self.child, take, &mut stderr);
        let status = self.child.wait();
        if self.watch.was_late() {
            return Err(HostError::refused(
                doing(),
                format!(
                    "it did not end within {} s and was killed",
                    self.limit.as_secs()
                ),
            ));
        }
        read.map_err(|e| HostError::new(doing(), e))?;
        let status = status.map_err(|e| HostError::new(doing(), e))?;
        Ok(Output {
            code: status.code(),
            signal: status.signal(),
            stdout: String::new(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }
}

/// Kills a program, and what it started, that outlives its limit.
#[derive(Debug)]
pub(super) struct Watch {
    done: mpsc::Sender<()>,
    late: JoinHandle<bool>,
}

impl Watch {
    pub(super) fn over(child: &Child, limit: Duration) -> Watch {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        let (done, ended) = mpsc::channel::<()>();
        let late = std::thread::spawn(move || {
            let is_over = ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
            // One that was begun early may have ended long before somebody comes for what it printed.
            let late = is_over && !has_exited(pid);
            if late {
                // Its own process group, so that what it started ends with it.
                let _ = nix::sys::signal::killpg(pid, nix::sys::signal::Signal::SIGKILL);
            }
            late
        });
        Watch { done, late }
    }

    fn was_late(self) -> bool {
        drop(self.done);
        self.late.join().unwrap_or(false)
    }
}

/// Whether our child has ended, waited for or not. It stays to be waited for.
fn has_exited(pid: nix::unistd::Pid) -> bool {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    // An error means that it has been waited for already.
    !matches!(waitid(Id::Pid(pid), flags), Ok(WaitStatus::StillAlive))
}

/// Reads both outputs until they are closed, or until the program has ended and nothing more comes:
/// a daemon that it left behind may hold them open for ever.
fn drain(
    child: &mut Child,
    take: &mut dyn FnMut(&[u8]),
    stderr: &mut Vec<u8>,
) -> std::io::Result<()> {
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let mut ended = false;
    while out.is_some() || err.is_some() {
        let mut buffer = [0; 8192];
        let (ready_out, ready_err) = ready(&out, &err)?;
        if !ready_out && !ready_err {
            if ended {
                break;
            }
            ended = child.try_wait()?.is_some();
        }
        if ready_out {
            let piece = read_piece(&mut out, &mut buffer)?;
            take(piece);
        }
        if ready_err {
            let piece = read_piece(&mut err, &mut buffer)?;
            stderr.extend_from_slice(piece);
        }
    }
    Ok(())
}

/// Which of the two has something to read or was closed, waiting a moment for it.
fn ready(out: &Option<ChildStdout>, err: &Option<ChildStderr>) -> std::io::Result<(bool, bool)> {
    let out = out
        .as_ref()
        .map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
    let err = err
        .as_ref()
        .map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
    let (has_out, mut fds) = (out.is_some(), Vec::from_iter(out.into_iter().chain(err)));
    match poll(&mut fds, QUIET) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok((false, false)),
        Err(e) => return Err(e.into()),
    }
    let mut any = fds.iter().map(|fd| fd.any().unwrap_or(true));
    let out = has_out && any.next().unwrap_or(false);
    Ok((out, any.next().unwrap_or(false)))
}

/// What there is to read; the pipe is dropped at its end.
fn read_piece<'a>(pipe: &mut Option<impl Read>, buffer: &'a mut [u8]) -> std::io::Result<&'a [u8]> {
    let Some(open) = pipe else { return Ok(&[]) };
    let len = open.read(buffer)?;
    if len == 0 {
        *pipe = None;
    }
    Ok(buffer.get(..len).unwrap_or_default())
}
