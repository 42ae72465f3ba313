//! The server's share of processors and disks, and its memory without huge pages: set on the supervisor, inherited by the server.

use crate::host::{HostError, HostResult};
use crate::policy::Scheduling;
use nix::errno::Errno;
use nix::sys::prctl::set_thp_disable;
use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, sched_setaffinity};

/// Sets it, as root: later nobody may raise a priority.
pub(super) fn set(wanted: &Scheduling) -> HostResult<()> {
    if let Some(nice) = wanted.nice {
        let doing = format!("setting service.nice = {nice}");
        setpriority_process(None, nice).map_err(|e| HostError::new(doing, e.into()))?;
    }
    if let Some(priority) = wanted.io_priority {
        let doing = format!("setting service.io-priority = {priority}");
        super::process::set_io_priority(priority).map_err(|e| HostError::errno(doing, e))?;
    }
    let Some(list) = &wanted.cpus else {
        return Ok(());
    };
    let mut cpus = CpuSet::new();
    list.cpus().for_each(|cpu| cpus.set(cpu));
    sched_setaffinity(None, &cpus).map_err(|e| match e {
        rustix::io::Errno::INVAL => HostError::refused(
            format!("setting service.cpus = \"{list}\""),
            "this host lets us run on none of them",
        ),
        e => HostError::new(format!("setting service.cpus = \"{list}\""), e.into()),
    })
}

/// Whatever the host's setting is: a write after a fork would copy 2 MiB where 4 KiB are meant. Redis does the same by default, and
/// its configuration may say that it does not.
pub(super) fn without_huge_pages() {
    if let Err(e) = set_thp_disable(true)
        && e != Errno::EINVAL
    {
        tracing::warn!(error = %e, "transparent huge pages cannot be turned off for the server");
    }
}
