//! How a server is ended: asked again and again, freed of what keeps it busy, told to leave unsaved where nothing is lost by it,
//! and killed where that costs nothing either. What is nowhere else is not thrown away unless the policy allows it.

use super::{Action, Machine, Moment, Phase, hang};
use Phase::{Replacing, Stopping};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// SIGTERM is a request that Redis may refuse ("Writing initial AOF, can't exit"), so it is repeated.
pub(super) const REPEAT: Duration = Duration::from_secs(1);

/// A replica that lags is waited for by Redis itself, so long by default (shutdown-timeout), before it leaves.
const REPLICAS: Duration = Duration::from_secs(12);

/// What a stop takes besides the save itself: Redis's own shutdown-timeout, and some more. Source: OPS.md 1.4.
const BESIDES: Duration = Duration::from_secs(25);

/// What a server that hangs gets to wake up.
const GRACE: Duration = Duration::from_secs(2);

/// What a server's data are to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Whether an end without a save would lose something.
    pub unsaved: bool,
    /// How long its last snapshot took; zero when it has made none, or within a second.
    pub save_takes: Duration,
}

/// How far one had to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// SIGTERM, once or again and again.
    Asked,
    /// `SCRIPT KILL` and `FUNCTION KILL`.
    Unblocked,
    /// `SHUTDOWN NOSAVE`.
    LeftUnsaved,
    /// SIGKILL.
    Killed,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rung::Asked => "asked (SIGTERM)",
            Rung::Unblocked => "its script was killed first",
            Rung::LeftUnsaved => "left without a last save",
            Rung::Killed => "killed (SIGKILL)",
        })
    }
}

impl Machine {
    /// How far the last end had to go.
    pub fn rung(&self) -> Option<Rung> {
        self.rung
    }

    pub(super) fn end(&mut self, phase: Phase, now: Moment) -> Vec<Action> {
        self.go(phase, now);
        self.rung = Some(Rung::Asked);
        self.wake = Some(now + REPEAT.min(self.limits.stop_timeout));
        vec![Action::Terminate]
    }

    /// Each second, until it has ended.
    pub(super) fn insist(&mut self, now: Moment) -> Vec<Action> {
        let age = now.saturating_sub(self.since);
        let patience = match self.phase {
            Replacing if self.hung => GRACE,
            _ => self.patience(),
        };
        let rest = patience.saturating_sub(age);
        self.wake = Some(
            now + if rest.is_zero() {
                REPEAT
            } else {
                REPEAT.min(rest)
            },
        );
        if rest.is_zero() && self.may_be_killed(now) {
            return self.climb(Rung::Killed, Action::Kill, Vec::new());
        }
        if rest.is_zero() && self.phase == Stopping {
            self.note = "it cannot save, and is not killed: what it holds is nowhere else \
                         (its log says why; make room, or allow service.data-loss-on-stop)"
                .to_owned();
        }
        let asked = vec![Action::Terminate];
        if self.blocked {
            return self.climb(Rung::Unblocked, Action::Unblock, asked);
        }
        let waited = age >= REPLICAS.min(self.limits.stop_timeout / 2);
        match self.phase == Stopping && waited && self.answers && self.may_lose() {
            true => self.climb(Rung::LeftUnsaved, Action::Leave, asked),
            false => asked,
        }
    }

    /// The policy's, or what its last snapshot says that it needs, whichever is longer: data grows, policies do not.
    fn patience(&self) -> Duration {
        let save = self.held.map_or(Duration::ZERO, |held| held.save_takes);
        match save.is_zero() {
            true => self.limits.stop_timeout,
            false => (self.limits.stop_timeout).max(BESIDES + save.saturating_mul(2)),
        }
    }

    fn climb(&mut self, rung: Rung, action: Action, mut before: Vec<Action>) -> Vec<Action> {
        self.rung = self.rung.max(Some(rung));
        before.push(action);
        before
    }

    /// Whether an end without a save loses nothing, or may.
    fn may_lose(&self) -> bool {
        self.limits.data_loss || !self.held.map_or(self.served, |held| held.unsaved)
    }

    /// One that hangs would not save in any time; one that only works may still.
    fn may_be_killed(&self, now: Moment) -> bool {
        let stuck = self.stuck_for(now) >= hang::STUCK;
        match self.phase {
            Replacing if self.hung => {
                stuck || now.saturating_sub(self.since) >= self.limits.stop_timeout
            }
            _ => stuck || self.may_lose(),
        }
    }
}
