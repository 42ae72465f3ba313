//! The child: starts redis-server from the main thread, reaps whatever ended, and keeps its last words.
//! The one file that may start it; its `unsafe` is the hooks between fork and exec.
#![expect(
    clippy::disallowed_methods,
    reason = "starts the child and reads the end of its log"
)]

mod asked;

pub use asked::reads_snapshot;

use super::machine::Exit;
use super::settings::Settings;
use crate::contain::layers::Layer;
use crate::contain::plan::Plan;
use crate::contain::{Answer, Sandbox};
use crate::host::{Host, HostError, HostResult};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, getppid, setsid};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The server's, and a detached supervisor's.
pub const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Of what it printed, only the end is of interest.
const TAIL: u64 = 2048;

/// A running server.
#[derive(Debug)]
pub struct Server {
    pid: Pid,
    /// Its standard error. A file in memory, not a pipe: a full pipe would block Redis.
    words: File,
    /// What its sandbox found out about itself.
    answer: Answer,
}

/// What the hook between fork and exec needs; made before the fork, since nothing may be allocated there.
struct InChild {
    supervisor: Pid,
    /// The data directory's, which a server holds on to.
    lock: Option<File>,
    sandbox: Sandbox,
}

impl Server {
    /// Starts it. It shares the lock, so that the data directory is taken for as long as either lives.
    pub fn spawn(settings: &Settings, lock: &File) -> HostResult<Server> {
        let doing = || format!("starting {}", settings.server.display());
        let fail = |e: io::Error| HostError::new(doing(), e);
        let words = memfd_create(c"redis-stderr", MFdFlags::MFD_CLOEXEC)
            .map_err(|e| HostError::errno(doing(), e))?;
        let words = File::from(words);
        let (sandbox, answer) = Sandbox::prepare(&Plan::of(settings), getpid())?;
        let in_child = InChild {
            supervisor: getpid(),
            lock: Some(lock.try_clone().map_err(fail)?),
            sandbox,
        };
        let mut command = command(settings);
        command.stderr(words.try_clone().map_err(fail)?);
        in_child.attach(&mut command);
        let child = command.spawn().map_err(fail)?;
        let pid = Pid::from_raw(child.id().cast_signed());
        Ok(Server { pid, words, answer })
    }

    /// Its process id: valid until `reap` has returned it.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Which layers of its sandbox hold, now that it runs.
    pub fn layers(&self, host: &Host) -> HostResult<Vec<Layer>> {
        self.answer.layers(host, self.pid)
    }

    /// Sends it a signal. It may have ended meanwhile: then the exit is about to be told.
    pub fn signal(&self, signal: Signal) -> HostResult<()> {
        match kill(self.pid, signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(e) => Err(HostError::errno(
                format!("sending {signal} to process {}", self.pid),
                e,
            )),
        }
    }

    /// The end of what it printed on standard error.
    pub fn words(&self) -> String {
        tail(&self.words, 0)
    }
}

/// The program, its arguments and its environment: nothing of ours but the time zone.
fn command(settings: &Settings) -> Command {
    let mut command = bare(&settings.server, settings);
    command
        .arg(&settings.config)
        .args(["--supervised", "no", "--daemonize", "no"])
        .stdin(Stdio::null());
    command
}

/// A program in the server's directory and environment.
fn bare(program: &Path, settings: &Settings) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .envs(std::env::var_os("TZ").map(|zone| ("TZ", zone)))
        .current_dir(&settings.data_dir);
    command
}

/// Another program in the server's place and sandbox, with our input and output; and what the sandbox found out about itself.
pub fn spawn_contained(
    settings: &Settings,
    program: &Path,
    args: &[OsString],
) -> HostResult<(Child, Answer)> {
    let plan = Plan::of_program(settings, program);
    let (sandbox, answer) = Sandbox::prepare(&plan, getpid())?;
    let in_child = InChild {
        supervisor: getpid(),
        lock: None,
        sandbox,
    };
    let mut command = bare(program, settings);
    command.args(args);
    in_child.attach(&mut command);
    let fail = |e| HostError::new(format!("starting {}", program.display()), e);
    Ok((command.spawn().map_err(fail)?, answer))
}

/// The same without a sandbox, as a server runs that is not ours.
pub fn spawn_uncontained(
    settings: &Settings,
    program: &Path,
    args: &[OsString],
) -> HostResult<Child> {
    let fail = |e| HostError::new(format!("starting {}", program.display()), e);
    let mut command = bare(program, settings);
    command.args(args).stdin(Stdio::null());
    command.spawn().map_err(fail)
}

impl InChild {
    #[expect(unsafe_code, reason = "pre_exec is the only way to set PDEATHSIG")]
    fn attach(mut self, command: &mut Command) {
        // SAFETY: `prepare` makes system calls only; it neither allocates nor takes a lock.
        unsafe { command.pre_exec(move || self.prepare()) };
    }

    /// The uid has been changed long before: a later change would silently clear PDEATHSIG.
    fn prepare(&mut self) -> io::Result<()> {
        set_pdeathsig(Signal::SIGTERM)?;
        if getppid() != self.supervisor {
            // It died before it could be watched.
            return Err(io::Error::from_raw_os_error(Errno::ESRCH as i32));
        }
        if let Some(lock) = &self.lock {
            fcntl(lock.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        SigSet::empty().thread_set_mask()?;
        self.sandbox.enter();
        Ok(())
    }
}

/// A process that has ended, and how; as PID 1 also a stranger's. `None` when no more have.
pub fn reap() -> Option<(Pid, Exit)> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => return Some((pid, Exit::Code(code))),
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                return Some((pid, Exit::Signal(signal as i32)));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return None,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => {
                tracing::warn!(error = %e, "waiting for the server");
                return None;
            }
        }
    }
}

/// Raises this process's open files towards `wanted`, for the server to inherit; never lowers them. Returns what holds.
pub fn raise_nofile(wanted: u64) -> HostResult<u64> {
    let fail = |e| HostError::errno("raising the limit of open files", e);
    let (soft, mut hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(fail)?;
    if hard < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted).is_ok() {
        hard = wanted;
    }
    // A hard limit that could not be raised (no CAP_SYS_RESOURCE) is told by what is returned.
    let reachable = soft.max(wanted.min(hard));
    setrlimit(Resource::RLIMIT_NOFILE, reachable, hard).map_err(fail)?;
    Ok(reachable)
}

/// For this process and what it starts: `priority` of the ordinary class, 0 is served first, 7 last. Source: ioprio_set(2).
#[expect(unsafe_code, reason = "no crate here wraps ioprio_set")]
pub fn set_io_priority(priority: u8) -> nix::Result<()> {
    const WHO_PROCESS: i32 = 1;
    const CLASS_BEST_EFFORT: i32 = 2 << 13;
    let value = CLASS_BEST_EFFORT | i32::from(priority);
    // SAFETY: three numbers; 0 is this process.
    let result = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, value) };
    Errno::result(result).map(drop)
}

/// Starts a program in a session of its own, that outlives us; its output goes to `log`.
pub fn spawn_detached(exe: &Path, args: &[&str], log: &File) -> io::Result<Child> {
    let mut command = Command::new(exe);
    command
        .args(args)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?);
    in_new_session(&mut command);
    command.spawn()
}

#[expect(unsafe_code, reason = "the standard library has no stable setsid")]
fn in_new_session(command: &mut Command) {
    let hook = || setsid().map(drop).map_err(io::Error::from);
    // SAFETY: the hook makes one system call; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(hook) };
}

/// The end of a log in a directory that others may write; empty when it cannot be read.
pub fn log_tail(path: &Path) -> String {
    log_tail_since(path, 0)
}

/// The same, without what was there when the log had this size.
pub fn log_tail_since(path: &Path, size: u64) -> String {
    // It only decorates another error, which is the one to report.
    open_log(path)
        .map(|file| tail(&file, size))
        .unwrap_or_default()
}

/// The size of a log; 0 when it cannot be looked at, so that its whole end counts.
pub fn log_size(path: &Path) -> u64 {
    let size = open_log(path).and_then(|file| Ok(file.metadata()?.len()));
    size.unwrap_or(0)
}

/// Whether the server's last words blame its configuration. A disk that is full or gone may come back, and is no such fault
/// even where Redis calls it one (`dir` and `logfile` are tried while the configuration is read).
/// Source: `loadServerConfigFromString` in config.c and `ACLLoadUsersAtStartup` in acl.c of Redis 6.0 to 8.
pub fn blames_configuration(words: &str) -> bool {
    const FAULTS: [&str; 5] = [
        "FATAL CONFIG FILE ERROR",
        "can't open config file",
        "because of ACL errors",
        "error while loading ACLs",
        "at the same setting an ACL file path",
    ];
    const PASSING: [&str; 3] = [
        "No space left on device",
        "Read-only file system",
        "Input/output error",
    ];
    let any = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    any(&FAULTS) && !any(&PASSING)
}

/// The end of a log since it had this size, no longer than that.
pub fn log_end(path: &Path, since: u64, longest: u64) -> String {
    open_log(path)
        .map(|file| end(&file, since, longest))
        .unwrap_or_default()
}

fn open_log(path: &Path) -> io::Result<File> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    File::options().read(true).custom_flags(flags).open(path)
}

fn end(file: &File, since: u64, longest: u64) -> String {
    let size = file.metadata().map(|m| m.len()).unwrap_or(0);
    // A log that has become shorter is another one.
    let since = if since > size { 0 } else { since };
    let start = size.saturating_sub(longest).max(since);
    let mut buffer = vec![0; usize::try_from(size - start).unwrap_or(0)];
    let read = file.read_at(&mut buffer, start).unwrap_or(0);
    buffer.truncate(read);
    String::from_utf8_lossy(&buffer).into_owned()
}

fn tail(file: &File, since: u64) -> String {
    let text = end(file, since, TAIL);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let last = lines.len().saturating_sub(8);
    lines.get(last..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_about_the_configuration_blame_it() {
        for (words, blamed) in [
            (
                "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line 3\n>>> 'bogus 1'\nBad directive",
                true,
            ),
            (
                "1:M # Aborting Redis startup because of ACL errors: /x.acl:1: Unknown command",
                true,
            ),
            (
                "1:M # Warning: Could not create server TCP listening socket 10.0.0.9:6379: bind: Cannot assign requested address\n1:M # Failed listening on port 6379 (tcp), aborting.",
                false,
            ),
            (
                "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\n>>> 'logfile /x'\nCan't open the log file: No space left on device",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(blames_configuration(words), blamed, "{words}");
        }
    }
}
