//! What others are told: systemd, the log, and root by the state file.

use super::{EXTENSION, Watch};
use crate::contain::processes;
use crate::host::HostError;
use crate::supervise::machine::Phase;
use crate::supervise::state::{self, Report};

impl Watch<'_> {
    /// Tells systemd, the log and root what changed.
    pub(super) fn publish(&mut self) {
        let phase = self.machine.phase();
        tracing::info!(state = %phase, note = self.machine.note(), "state");
        match phase {
            Phase::Ready if !self.told_ready => {
                self.notifier.ready();
                self.told_ready = true;
            }
            Phase::Stopping => {
                self.notifier.stopping();
                self.notifier
                    .extend(self.inputs.settings.stop_timeout.std() + EXTENSION);
            }
            _ => {}
        }
        self.notifier
            .status(format!("{phase} {}", self.machine.note()).trim_end());
        let report = self.report();
        let written = state::write(self.inputs.host, &self.inputs.settings, &report);
        self.published = Some(report);
        if let Err(e) = written {
            // Redis serves all the same; only `status` is blind.
            tracing::warn!(error = %e, "the state was not written");
        }
    }

    /// The state is there for as long as we are, whoever clears /run.
    pub(super) fn keep_published(&self) {
        let Some(report) = &self.published else {
            return;
        };
        if let Err(e) = state::keep(self.inputs.host, &self.inputs.settings, report) {
            tracing::warn!(error = %e, "the state was not written");
        }
    }

    pub(super) fn report(&self) -> Report {
        let phase = self.machine.phase();
        let words = |exit: &str| format!("{exit}\n{}", self.last_words).trim_end().to_owned();
        Report {
            schema: 1,
            instance: self.inputs.settings.instance.to_string(),
            state: phase,
            since: self.inputs.host.now().to_string(),
            supervisor_pid: std::process::id().cast_signed(),
            pid_namespace: processes::own(self.inputs.host),
            server_pid_inside: None,
            server_pid: self.server.as_ref().map(|server| server.pid().as_raw()),
            generation: self.generation.clone(),
            restarts: self.machine.restarts(),
            last_exit: self
                .ended
                .as_deref()
                .or(self.machine.last_exit())
                .map(words),
            last_pid: self.last_pid,
            crash_loop: self.machine.is_looping(),
            layers: self.layers.clone(),
            rung: self.machine.rung().map(|rung| rung.to_string()),
            nofile: self.inputs.nofile,
            ready: phase == Phase::Ready,
            note: self.machine.note().to_owned(),
        }
    }

    pub(super) fn refusal(&self) -> HostError {
        let exit = self.machine.last_exit().unwrap_or("it has ended");
        let server = self.inputs.settings.server.display();
        let config = self.inputs.settings.config.display();
        // Of one that was never started it says why; the rest would say so again.
        let cause = match self.ended {
            Some(_) => format!("{exit}: {}", self.last_words),
            None => exit.to_owned(),
        };
        HostError::refused(format!("starting {server} {config}"), cause)
    }
}
