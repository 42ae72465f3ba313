//! What a server leaves running when it ends: a child that was saving, or what somebody started who broke into it, and who would go on
//! with the data, and hold the port, beside the next server. It ends nobody whom the sandbox does not hold.

use crate::host::{Host, HostError, HostResult};
use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};
use std::path::Path;
use std::time::Duration;

/// So often, since one may have children of its own, and so long between: one that hangs in the kernel is not waited for.
const ROUNDS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// They come to us from now on, also where we are not the first process.
pub(super) fn take_in() {
    if let Err(e) = set_child_subreaper(true) {
        tracing::warn!(error = %e, "what the server leaves running is not known");
    }
}

/// Ends them; no server runs. Returns how many.
pub(super) fn end(host: &Host) -> HostResult<usize> {
    let own = filters(host, "self")?;
    let mut ended = 0;
    for _ in 0..ROUNDS {
        let strays: Vec<Pid> = (children(host)?.into_iter())
            // A container's first process has other children too. Whoever comes from the sandbox has more filters than we.
            .filter(|pid| filters(host, &pid.to_string()).is_ok_and(|count| count > own))
            .collect();
        if strays.is_empty() {
            break;
        }
        for pid in &strays {
            match kill(*pid, Signal::SIGKILL) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(e) => return Err(HostError::errno(format!("ending process {pid}"), e)),
            }
        }
        std::thread::sleep(PAUSE);
        let gone = |pid: &&Pid| {
            let state = waitpid(**pid, Some(WaitPidFlag::WNOHANG));
            state.is_ok_and(|state| state != WaitStatus::StillAlive)
        };
        ended += strays.iter().filter(gone).count();
    }
    Ok(ended)
}

/// Our own. Source: proc_pid_task(5), `children`.
fn children(host: &Host) -> HostResult<Vec<Pid>> {
    let own = getpid();
    let path = format!("/proc/{own}/task/{own}/children");
    let text = host.read_text(Path::new(&path))?.unwrap_or_default();
    let numbers = text.split_whitespace().filter_map(|pid| pid.parse().ok());
    Ok(numbers.map(Pid::from_raw).collect())
}

/// How many filters of system calls hold a process; the kernel counts them since Linux 5.9.
fn filters(host: &Host, pid: &str) -> HostResult<u32> {
    let status = host.read_text(Path::new(&format!("/proc/{pid}/status")))?;
    let status = status.unwrap_or_default();
    let mut lines = status.lines();
    let count = lines.find_map(|line| line.strip_prefix("Seccomp_filters:"));
    Ok(count
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0))
}
