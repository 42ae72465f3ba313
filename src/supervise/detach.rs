//! The supervisor on a host without a service manager: started in a session of its own, waited for, stopped.
//! It signals nobody whom /proc does not show to be the supervisor.

use super::machine::Phase;
use super::state::{self, Report};
use super::{EX_CONFIG, Places, process};
use crate::host::{Host, HostError, HostResult};
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// A detached supervisor that this process has just started.
#[derive(Debug)]
pub struct Detached {
    child: Child,
}

/// Starts `EXE supervise NAME`, its output appended to the instance's log. It returns at once: see `wait_ready`.
pub fn start_detached(host: &Host, exe: &Path, name: &str) -> HostResult<Detached> {
    start_with(host, exe, &["supervise", name], &Places::of(name))
}

/// The same, with other arguments and the log elsewhere.
pub fn start_with(host: &Host, exe: &Path, args: &[&str], places: &Places) -> HostResult<Detached> {
    start_logged(host, exe, args, &places.log)
}

/// Starts a program of ours in a session of its own, its output appended to a log.
pub fn start_logged(host: &Host, exe: &Path, args: &[&str], log: &Path) -> HostResult<Detached> {
    let log = open_log(host, log)?;
    let started = process::spawn_detached(exe, args, &log);
    let doing = || format!("starting {} {}", exe.display(), args.join(" "));
    Ok(Detached {
        child: started.map_err(|e| HostError::new(doing(), e))?,
    })
}

/// Waits until the server answers, telling `progress` each new state. `started` is the supervisor, when it is ours:
/// its end is then an error at once, with its last words.
pub fn wait_ready(
    host: &Host,
    places: &Places,
    mut started: Option<&mut Detached>,
    timeout: Duration,
    progress: &mut dyn FnMut(&str),
) -> HostResult<Report> {
    let mut still_runs = || match &mut started {
        Some(detached) => detached.still_runs(host, places),
        None => Ok(()),
    };
    Wait {
        host,
        places,
        timeout,
        former: None,
    }
    .run(&mut still_runs, progress)
}

/// So many starts again without an answer between them, and nobody waits any longer: the supervisor goes on trying.
const TRIES: u32 = 3;

/// How long one is waited for that answers, and says why it does not serve: a save that failed, a script that runs.
const BUSY: Duration = Duration::from_secs(10);

/// A wait for a server that somebody else starts.
#[derive(Clone, Copy, Debug)]
pub struct Wait<'a> {
    pub host: &'a Host,
    pub places: &'a Places,
    /// How long without an answer. Loading its data is an answer, and begins it anew.
    pub timeout: Duration,
    /// A supervisor that is about to end: what it says no longer counts.
    pub former: Option<i32>,
}

impl Wait<'_> {
    /// Waits; an error of `still_runs`, which is asked all the time, ends it.
    pub fn run(
        &self,
        still_runs: &mut dyn FnMut() -> HostResult<()>,
        progress: &mut dyn FnMut(&str),
    ) -> HostResult<Report> {
        let mut deadline = Instant::now() + self.timeout;
        let mut last = None;
        let mut first: Option<Report> = None;
        let mut busy: Option<Instant> = None;
        loop {
            // What cannot be read may be the former one's: whoever comes writes it anew.
            let (report, trouble) = match self.look() {
                Ok(report) => (report, None),
                Err(error) => (None, Some(error.to_string())),
            };
            if let Some(report) = report.as_ref().filter(|report| report.ready) {
                return Ok(report.clone());
            }
            still_runs()?;
            if let Some(report) = &report {
                let before = first.get_or_insert_with(|| report.clone());
                must_get_further(before, report)?;
                if report.state == Phase::Loading {
                    deadline = Instant::now() + self.timeout;
                }
            }
            busy = match &report {
                Some(report) if report.state == Phase::Busy => busy.or(Some(Instant::now())),
                _ => None,
            };
            if let (Some(report), Some(since)) = (&report, busy)
                && since.elapsed() >= BUSY
            {
                let cause = format!("it runs, and is not ready: {}", report.note);
                return Err(HostError::refused(WAITING, cause));
            }
            let now = report.map(|report| format!("{} {}", report.state, report.note));
            let now = now.or(trouble);
            if let Some(text) = now.as_ref().filter(|_| now != last) {
                progress(text.trim_end());
            }
            last = now.or(last);
            if Instant::now() >= deadline {
                let state = last.unwrap_or_else(|| "no supervisor runs".to_owned());
                let cause = format!("not ready after {} s: {state}", self.timeout.as_secs());
                return Err(HostError::refused(WAITING, cause));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn look(&self) -> HostResult<Option<Report>> {
        let report = state::read_at(self.host, self.places)?;
        Ok(report.filter(|report| Some(report.supervisor_pid) != self.former))
    }
}

const WAITING: &str = "waiting for the server";

/// A server that ends again and again before it answers will not do otherwise while we wait.
fn must_get_further(before: &Report, now: &Report) -> HostResult<()> {
    let tries = match now.supervisor_pid == before.supervisor_pid {
        true => now.restarts.saturating_sub(before.restarts),
        false => now.restarts,
    };
    if tries < TRIES {
        return Ok(());
    }
    let exit = now.last_exit.as_deref().unwrap_or("no word of why");
    let cause = format!("it was started again {tries} times, and ended each time: {exit}");
    Err(HostError::refused(WAITING, cause))
}

/// Stops an instance: SIGTERM to its supervisor, then waits until it is gone. Nothing running is no error.
/// The supervisor itself insists on its server; `timeout` should be longer than the settings' stop timeout.
pub fn stop(host: &Host, places: &Places, timeout: Duration) -> HostResult<()> {
    let Some(report) = state::read_at(host, places)? else {
        return Ok(());
    };
    let pid = report.supervisor_pid;
    let doing = || format!("stopping the supervisor (process {pid})");
    let fail = |e: rustix::io::Errno| HostError::new(doing(), e.into());
    let number = Pid::from_raw(pid).ok_or_else(|| HostError::refused(doing(), "no such number"))?;
    let process = pidfd_open(number, PidfdFlags::empty()).map_err(fail)?;
    // Looked at again: the number may have been reused until the descriptor pinned it.
    if state::read_at(host, places)?.is_none_or(|again| again.supervisor_pid != pid) {
        return Ok(());
    }
    pidfd_send_signal(&process, Signal::TERM).map_err(fail)?;
    if wait_gone(&process, timeout)? {
        return Ok(());
    }
    let why = state::read_at(host, places)?.map(|report| report.note);
    let why = why.filter(|note| !note.is_empty());
    let why = why.map_or(String::new(), |note| format!(": {note}"));
    let cause = format!("it still runs after {} s{why}", timeout.as_secs());
    Err(HostError::refused(doing(), cause))
}

impl Detached {
    /// Whether a supervisor is this one: itself, or the one that it waits for outside of a process namespace.
    pub fn is(&self, host: &Host, supervisor: i32) -> HostResult<bool> {
        let pid = self.child.id().cast_signed();
        let parent = state::identify(host, supervisor)?.map(|process| process.parent);
        Ok(supervisor == pid || parent == Some(pid))
    }

    /// An error when it has ended already.
    fn still_runs(&mut self, host: &Host, places: &Places) -> HostResult<()> {
        let doing = "starting the supervisor";
        let ended = self
            .child
            .try_wait()
            .map_err(|e| HostError::new(doing, e))?;
        let Some(status) = ended else { return Ok(()) };
        let words = process::log_tail(&host.real(&places.log));
        let how = match status.code() {
            Some(EX_CONFIG) => "refused".to_owned(),
            _ => status.to_string(),
        };
        Err(HostError::refused(doing, format!("{how}: {words}")))
    }
}

/// A pidfd is readable once its process has ended.
fn wait_gone(process: &OwnedFd, timeout: Duration) -> HostResult<bool> {
    let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    let ended = poll(&mut fds, timeout);
    ended
        .map(|count| count > 0)
        .map_err(|e| HostError::errno("waiting for the supervisor to end", e))
}

/// The log is opened by root, in a directory of root's, and stays open after root is left behind.
fn open_log(host: &Host, path: &Path) -> HostResult<File> {
    let doing = || format!("opening the log {}", path.display());
    let parent = path.parent().unwrap_or(Path::new("/"));
    host.make_dir(parent, 0o750, host.euid(), nix::unistd::getegid().as_raw())?;
    let flags = OFlag::O_WRONLY
        | OFlag::O_APPEND
        | OFlag::O_CREAT
        | OFlag::O_NOFOLLOW
        | OFlag::O_NOCTTY
        | OFlag::O_CLOEXEC;
    let fd = open(&host.real(path), flags, Mode::from_bits_truncate(0o640));
    Ok(File::from(fd.map_err(|e| HostError::errno(doing(), e))?))
}
