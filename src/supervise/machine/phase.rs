//! The phases of a server's life, and the table of what may follow what.

use Phase::{BackingOff, Busy, Loading, Ready, Refused, Replacing, Starting, Stopped, Stopping};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where the server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Spawned, no answer yet.
    Starting,
    /// Answers that it is loading its data.
    Loading,
    /// Answers +PONG.
    Ready,
    /// Alive, and not ready: busy, refusing writes, or silent for a while.
    Busy,
    /// Being ended so that it can be started again.
    Replacing,
    /// Being ended because somebody asked.
    Stopping,
    /// Down until the back-off has passed.
    BackingOff,
    /// Ended, as asked.
    Stopped,
    /// Its very first start failed, and the server blamed its configuration.
    Refused,
}

/// Every transition that may happen; anything else is a bug.
pub const TRANSITIONS: [(Phase, &[Phase]); 9] = [
    (
        Starting,
        &[
            Starting, Loading, Ready, Busy, Replacing, Stopping, BackingOff, Refused,
        ],
    ),
    (
        Loading,
        &[Starting, Ready, Busy, Replacing, Stopping, BackingOff],
    ),
    (
        Ready,
        &[Starting, Loading, Busy, Replacing, Stopping, BackingOff],
    ),
    (
        Busy,
        &[Starting, Loading, Ready, Replacing, Stopping, BackingOff],
    ),
    (Replacing, &[Starting, Stopping, BackingOff]),
    (Stopping, &[Stopped]),
    (BackingOff, &[Starting, Stopped]),
    (Stopped, &[]),
    (Refused, &[]),
];

/// Whether the table has this transition.
pub fn allowed(from: Phase, to: Phase) -> bool {
    TRANSITIONS
        .iter()
        .any(|(phase, next)| *phase == from && next.contains(&to))
}

impl Phase {
    /// As it is written in the state file.
    pub fn name(self) -> &'static str {
        match self {
            Starting => "starting",
            Loading => "loading",
            Ready => "ready",
            Busy => "busy",
            Replacing => "replacing",
            Stopping => "stopping",
            BackingOff => "backing-off",
            Stopped => "stopped",
            Refused => "refused",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
