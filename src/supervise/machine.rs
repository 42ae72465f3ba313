//! What the supervisor decides: (machine, event, now) → (machine, actions). It touches nothing and never gives up on a data store.

mod hang;
mod ladder;
mod phase;

pub use hang::Pulse;
pub use ladder::{Held, Rung};
pub use phase::{Phase, TRANSITIONS, allowed};

use super::probe::Answer;
use phase::Phase::{
    BackingOff, Busy, Loading, Ready, Refused, Replacing, Starting, Stopped, Stopping,
};
use std::fmt;
use std::time::Duration;

/// Time since the supervisor began, by a clock that only goes forward.
pub type Moment = Duration;

/// So many ends without a longer time ready between them.
const LOOP: u32 = 3;

/// So many unanswered probes in a row mean that it is not ready; fewer are a slow command.
const SILENT: u32 = 3;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The probe has an answer, or none.
    Answer(Answer),
    /// What the server says of its data.
    Holds(Held),
    /// What a server that does not answer was seen to do.
    Pulse(Pulse),
    /// The server ended.
    Exited(Exit),
    /// The server ended, and said that its configuration is at fault.
    Rejected(Exit),
    /// The server could not be started just now.
    NotSpawned(String),
    /// The server cannot be started as it is configured: one of its files is missing, or it is no program.
    NotStartable(String),
    /// Somebody asked for a stop.
    Stop,
    /// The time that `wake` named has come.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the server.
    Spawn,
    /// Ask it to end, and wake it where somebody has stopped it.
    Terminate,
    /// End the script or function that keeps it busy.
    Unblock,
    /// Have it leave without a save.
    Leave,
    /// Keep what can be seen of it.
    Dump,
    /// End it.
    Kill,
    /// The supervisor ends with this exit code.
    Finish(i32),
    /// The supervisor ends: the configuration is at fault.
    Refuse,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal's number.
    Signal(i32),
}

/// The times that the policy sets; `Settings` says what each is.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "named and described in `Settings`")]
pub struct Limits {
    pub start_timeout: Duration,
    pub stop_timeout: Duration,
    pub backoff: Duration,
    pub backoff_max: Duration,
    pub backoff_reset: Duration,
    /// `None`: whatever it does, it is never replaced.
    pub hang_timeout: Option<Duration>,
    /// Whether a stop may lose what was not saved.
    pub data_loss: bool,
}

/// The whole of what is remembered.
#[derive(Clone, Debug)]
pub struct Machine {
    limits: Limits,
    phase: Phase,
    since: Moment,
    wake: Option<Moment>,
    crashes: u32,
    restarts: u32,
    silent: u32,
    ready_since: Option<Moment>,
    note: String,
    last_exit: Option<String>,
    silent_since: Option<Moment>,
    stuck_since: Option<Moment>,
    /// Why it is being replaced: it hangs.
    hung: bool,
    /// What it holds, as far as it has told.
    held: Option<Held>,
    /// Whether it has served: one that is only loading holds nothing of its own.
    served: bool,
    /// Whether a script keeps it from ending, and whether it answers at all, by its last word.
    blocked: bool,
    answers: bool,
    rung: Option<Rung>,
}

impl Machine {
    /// A server that is about to be started for the first time, and how.
    pub fn begin(limits: Limits, now: Moment) -> (Machine, Vec<Action>) {
        let machine = Machine {
            limits,
            phase: Starting,
            since: now,
            wake: Some(now + limits.start_timeout),
            crashes: 0,
            restarts: 0,
            silent: 0,
            ready_since: None,
            note: String::new(),
            last_exit: None,
            silent_since: None,
            stuck_since: None,
            hung: false,
            held: None,
            served: false,
            blocked: false,
            answers: false,
            rung: None,
        };
        (machine, vec![Action::Spawn])
    }

    /// Takes other times and limits, for what begins from now on.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes one event. `jitter` (0 to 1) shortens a back-off by up to a quarter, so that hosts do not move in step.
    pub fn step(mut self, event: Event, now: Moment, jitter: f64) -> (Machine, Vec<Action>) {
        self.forgive(now);
        let actions = match event {
            Event::Answer(answer) => self.answered(&answer, now),
            Event::Holds(held) => {
                self.held = Some(held);
                Vec::new()
            }
            Event::Pulse(pulse) => self.pulse(pulse, now),
            Event::Exited(exit) => self.exited(exit, now, jitter),
            Event::Rejected(exit) => self.rejected(exit, now, jitter),
            Event::NotSpawned(why) => self.not_spawned(why, now, jitter),
            Event::NotStartable(why) => self.not_startable(why, now, jitter),
            Event::Stop => self.stop(now),
            Event::Tick if self.wake.is_some_and(|wake| wake <= now) => self.woke(now),
            Event::Tick => Vec::new(),
        };
        (self, actions)
    }

    /// Where the server is in its life.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Since when it is there.
    pub fn since(&self) -> Moment {
        self.since
    }

    /// When a `Tick` is due.
    pub fn wake(&self) -> Option<Moment> {
        self.wake
    }

    /// How many times the server was started again.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Why it is in a phase that is not the ordinary one.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// How the last server ended.
    pub fn last_exit(&self) -> Option<&str> {
        self.last_exit.as_deref()
    }

    /// Whether it ends again and again.
    pub fn is_looping(&self) -> bool {
        self.crashes >= LOOP
    }

    fn answered(&mut self, answer: &Answer, now: Moment) -> Vec<Action> {
        let silent = matches!(answer, Answer::Timeout | Answer::Refused(_));
        if !silent {
            (self.silent_since, self.stuck_since) = (None, None);
        }
        self.blocked = matches!(answer, Answer::Busy(_));
        self.answers = !silent;
        if !matches!(self.phase, Starting | Loading | Ready | Busy) {
            return Vec::new();
        }
        let next = match answer {
            Answer::Pong => Ready,
            Answer::Loading(_) => Loading,
            Answer::Busy(_) | Answer::Misconf(_) | Answer::Error(_) => Busy,
            // Silence proves nothing yet: neither while it starts, nor behind one slow command.
            Answer::Timeout | Answer::Refused(_) => return self.unanswered(answer, now),
        };
        self.silent = 0;
        self.note = answer.words().to_owned();
        self.served |= next != Loading;
        if next != self.phase {
            self.go(next, now);
            self.wake = None;
            self.ready_since = (next == Ready).then_some(now);
        }
        Vec::new()
    }

    fn unanswered(&mut self, answer: &Answer, now: Moment) -> Vec<Action> {
        self.silent = self.silent.saturating_add(1);
        self.silent_since.get_or_insert(now);
        if self.phase == Ready && self.silent >= SILENT {
            self.note = answer.words().to_owned();
            self.ready_since = None;
            self.go(Busy, now);
        }
        Vec::new()
    }

    fn exited(&mut self, exit: Exit, now: Moment, jitter: f64) -> Vec<Action> {
        self.last_exit = Some(exit.to_string());
        match self.phase {
            Stopping => {
                self.go(Stopped, now);
                vec![Action::Finish(exit.after_a_stop())]
            }
            Starting | Loading | Ready | Busy | Replacing => self.restart(now, jitter),
            BackingOff | Stopped | Refused => Vec::new(),
        }
    }

    /// Only the very first start is refused: what has run once is a data store that is wanted back.
    fn rejected(&mut self, exit: Exit, now: Moment, jitter: f64) -> Vec<Action> {
        if self.phase != Starting || self.restarts > 0 {
            return self.exited(exit, now, jitter);
        }
        self.last_exit = Some(exit.to_string());
        self.refuse(now)
    }

    fn not_spawned(&mut self, why: String, now: Moment, jitter: f64) -> Vec<Action> {
        if self.phase != Starting {
            return Vec::new();
        }
        self.last_exit = Some(why);
        self.restart(now, jitter)
    }

    fn not_startable(&mut self, why: String, now: Moment, jitter: f64) -> Vec<Action> {
        if self.phase != Starting || self.restarts > 0 {
            return self.not_spawned(why, now, jitter);
        }
        self.last_exit = Some(why);
        self.refuse(now)
    }

    fn refuse(&mut self, now: Moment) -> Vec<Action> {
        self.go(Refused, now);
        self.wake = None;
        vec![Action::Refuse]
    }

    /// A long time ready forgives the crashes before it, whatever state the next one comes in.
    fn forgive(&mut self, now: Moment) {
        let reset = self.limits.backoff_reset;
        let ready = |since| now.saturating_sub(since) >= reset;
        if self.ready_since.is_some_and(ready) {
            self.crashes = 0;
        }
    }

    /// At once after a first crash, later with growing delays.
    fn restart(&mut self, now: Moment, jitter: f64) -> Vec<Action> {
        self.ready_since = None;
        self.crashes = self.crashes.saturating_add(1);
        let delay = self.delay(jitter);
        if delay.is_zero() {
            return self.spawn(now);
        }
        self.go(BackingOff, now);
        self.wake = Some(now + delay);
        Vec::new()
    }

    fn delay(&self, jitter: f64) -> Duration {
        let Some(doublings) = self.crashes.checked_sub(2) else {
            return Duration::ZERO;
        };
        let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let delay = self.limits.backoff.saturating_mul(factor);
        delay
            .min(self.limits.backoff_max)
            .mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0)
    }

    fn spawn(&mut self, now: Moment) -> Vec<Action> {
        self.go(Starting, now);
        self.restarts = self.restarts.saturating_add(1);
        self.silent = 0;
        (self.silent_since, self.stuck_since) = (None, None);
        (self.hung, self.served, self.blocked, self.answers) = (false, false, false, false);
        self.held = None;
        self.note.clear();
        self.wake = Some(now + self.limits.start_timeout);
        vec![Action::Spawn]
    }

    fn stop(&mut self, now: Moment) -> Vec<Action> {
        match self.phase {
            Starting | Loading | Ready | Busy | Replacing => self.end(Stopping, now),
            BackingOff => {
                self.go(Stopped, now);
                self.wake = None;
                vec![Action::Finish(0)]
            }
            Stopping | Stopped | Refused => Vec::new(),
        }
    }

    fn woke(&mut self, now: Moment) -> Vec<Action> {
        match self.phase {
            BackingOff => self.spawn(now),
            Starting => {
                self.note = "no answer within the start timeout".to_owned();
                self.end(Replacing, now)
            }
            Stopping | Replacing => self.insist(now),
            Loading | Ready | Busy | Stopped | Refused => {
                self.wake = None;
                Vec::new()
            }
        }
    }

    fn go(&mut self, to: Phase, now: Moment) {
        debug_assert!(allowed(self.phase, to), "{:?} to {to:?}", self.phase);
        self.phase = to;
        self.since = now;
    }
}

impl Exit {
    /// The supervisor's own code after a stop that was asked for: the server's, by the shell's convention for signals.
    /// A server that had no handler yet ends by our SIGTERM itself, which is no failure.
    fn after_a_stop(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(15) => 0,
            Exit::Signal(number) => 128 + number,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(number) => match nix::sys::signal::Signal::try_from(*number) {
                Ok(signal) => write!(f, "{signal}"),
                Err(_) => write!(f, "signal {number}"),
            },
        }
    }
}

#[cfg(test)]
mod tests;
