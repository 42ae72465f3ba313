//! The sandbox that a server lives in. Prepared before the fork, entered between fork and exec, tried out by the process itself.
//! A layer that this host does not have is left out, and told: it never keeps the server from running.

pub mod apparmor;
mod calls;
pub mod capabilities;
pub mod ground;
mod landlock;
pub mod layers;
mod mdwe;
pub mod mounts;
pub mod plan;
mod probe;
pub mod processes;
pub mod seccomp;
pub mod verdict;

use crate::host::{Host, HostError, HostResult};
use layers::{Found, Layer};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::uio::pread;
use nix::unistd::{Pid, write};
use plan::Plan;
use probe::{Answers, TRIALS};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// Ready for the fork: what is entered there was allocated here.
pub struct Sandbox {
    rules: landlock::Rules,
    filters: seccomp::Filters,
    /// A port that the plan does not allow: the trial's.
    port: u16,
    outside: Pid,
    answers: Arc<OwnedFd>,
}

/// The supervisor's end: what the process found out.
#[derive(Debug)]
pub struct Answer {
    level: u8,
    seccomp: seccomp::Seccomp,
    /// Where what the server writes is.
    data: Vec<PathBuf>,
    /// Whether it is to have a process namespace of its own.
    pid_namespace: bool,
    answers: Arc<OwnedFd>,
}

impl Sandbox {
    /// Prepares it. `outside` is the process that forks.
    pub fn prepare(plan: &Plan, outside: Pid) -> HostResult<(Sandbox, Answer)> {
        let doing = "preparing the sandbox";
        let refuse = |e: &dyn std::error::Error| HostError::refused(doing, e.to_string());
        let rules = landlock::Rules::build(plan).map_err(|e| refuse(&e))?;
        let filters =
            seccomp::Filters::compile(plan.seccomp, plan.cpu_lists).map_err(|e| refuse(&e))?;
        let answers = memfd_create(c"sandbox-trial", MFdFlags::MFD_CLOEXEC)
            .map_err(|e| HostError::errno(doing, e))?;
        let answers = Arc::new(answers);
        let answer = Answer {
            level: rules.level(),
            seccomp: plan.seccomp,
            data: plan.data.clone(),
            pid_namespace: plan.pid_namespace,
            answers: Arc::clone(&answers),
        };
        let closed = |port: &u16| !plan.connect.contains(port);
        let port = (1..=u16::MAX).find(closed).unwrap_or(1);
        let sandbox = Sandbox {
            rules,
            filters,
            port,
            outside,
            answers,
        };
        Ok((sandbox, answer))
    }

    /// Shuts this process in, for good, and writes down what holds. System calls only: it runs between fork and exec.
    pub fn enter(&mut self) {
        // A layer that fails is found out by its trial; the others hold without it.
        let _ = mdwe::deny();
        let _ = self.rules.enforce();
        let _ = self.filters.install();
        let answers = probe::attempt(self.port, self.outside);
        // Lost, all count as failed.
        let _ = write(&*self.answers, &answers);
    }
}

impl Answer {
    /// What holds for the process that entered.
    pub fn layers(&self, host: &Host, pid: Pid) -> HostResult<Vec<Layer>> {
        let mut answers: Answers = [0; TRIALS];
        pread(&*self.answers, &mut answers, 0)
            .map_err(|e| HostError::errno("reading what the sandbox's trial found", e))?;
        let found = Found {
            level: self.level,
            seccomp: self.seccomp,
            answers,
        };
        let mut all = layers::of(host, pid.as_raw(), &found)?;
        let mounts = |dir: &PathBuf| mounts::layer(host, pid.as_raw(), dir);
        all.extend(self.data.iter().map(mounts));
        if self.pid_namespace {
            all.push(processes::layer(host, pid.as_raw()));
        }
        Ok(all)
    }
}
