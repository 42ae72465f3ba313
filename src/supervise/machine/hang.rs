//! Whether a server that does not answer hangs. Silence alone is no proof: one long command, a fork or a slow disk is silent as well.

use super::{Action, Machine, Moment, Phase, SILENT};
use Phase::{Busy, Loading, Ready, Replacing, Starting};
use std::time::Duration;

/// So long without any work, after so many unanswered probes: it will not come back.
pub(super) const STUCK: Duration = Duration::from_secs(2);

/// What the kernel says of a process that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// Somebody has stopped it (state T).
    Stopped,
    /// It has used no processor and moved no byte since the last look.
    Still,
    /// It works, or waits for a disk or a debugger, or has not been looked at before.
    Works,
}

impl Machine {
    /// Takes a look at it while it is silent.
    pub(super) fn pulse(&mut self, pulse: Pulse, now: Moment) -> Vec<Action> {
        match pulse {
            Pulse::Works => self.stuck_since = None,
            Pulse::Stopped | Pulse::Still => {
                self.stuck_since.get_or_insert(now);
            }
        }
        let Some(patience) = self.limits.hang_timeout else {
            return Vec::new();
        };
        if !matches!(self.phase, Starting | Loading | Ready | Busy) {
            return Vec::new();
        }
        let silent_for = self
            .silent_since
            .map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let stuck = self.silent >= SILENT && self.stuck_for(now) >= STUCK;
        // One that starts has a timeout of its own.
        if !stuck && (self.phase == Starting || silent_for < patience) {
            return Vec::new();
        }
        self.note = match pulse {
            Pulse::Stopped => "it was stopped (SIGSTOP)".to_owned(),
            Pulse::Still => "it does not answer, and does nothing".to_owned(),
            Pulse::Works => format!("no answer for {} s", silent_for.as_secs()),
        };
        self.hung = true;
        let mut actions = vec![Action::Dump];
        actions.extend(self.end(Replacing, now));
        actions
    }

    pub(super) fn stuck_for(&self, now: Moment) -> Duration {
        self.stuck_since
            .map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }
}
