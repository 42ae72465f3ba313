//! Around the machine: one thread that polls signals and the probe, tells the machine, and has done what it says.

mod certificate;
mod hands;
mod questions;
mod reread;
mod word;

use super::gate::Stood;
use super::machine::{Action, Event, Exit, Limits, Machine, Moment, Phase, Rung};
use super::notify::Notifier;
use super::outcome;
use super::probe::{Also, Probe};
use super::process::{self, Server};
use super::settings::Settings;
use super::state::Report;
use super::vitals::Vitals;
use crate::contain::layers::Layer;
use crate::host::{Host, HostError, HostResult};
use crate::policy::DataLoss;
use certificate::Renewal;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// systemd's timeout is moved this far while a load or a stop goes on, which is told at each probe.
const EXTENSION: Duration = Duration::from_secs(30);

/// Signals that mean nothing to us: whoever sends one means the server.
const FORWARDED: [Signal; 4] = [
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGQUIT,
    Signal::SIGWINCH,
];

/// What the loop works with; all of it was made before root was left.
pub(super) struct Inputs<'a> {
    pub host: &'a Host,
    pub settings_file: &'a Path,
    pub settings: Settings,
    pub secret: &'a str,
    pub notify: Option<&'a OsStr>,
    pub watchdog: Option<Duration>,
    pub lock: &'a File,
    pub nofile: u64,
}

/// The loop.
pub(super) struct Watch<'a> {
    inputs: Inputs<'a>,
    origin: Instant,
    machine: Machine,
    server: Option<Server>,
    generation: String,
    last_words: String,
    layers: Vec<Layer>,
    /// How long the server's log was when it was started: what follows is its own.
    log_size: u64,
    probe: Probe,
    probe_at: Moment,
    /// What is asked with the next PING, where the machine has said so.
    also: Option<Also>,
    account_at: Moment,
    /// Whether nearly all connections were taken when it was asked last.
    crowded: bool,
    renewal: Renewal,
    /// What the server found that runs.
    stood: Option<Stood>,
    /// Of the server that ran last.
    replicas: u32,
    vitals: Vitals,
    /// How the last server ended, in words for a person.
    ended: Option<String>,
    last_pid: Option<i32>,
    signals: SignalFd,
    notifier: Notifier,
    /// When systemd is told next that this loop goes round.
    alive_at: Option<Moment>,
    told_ready: bool,
    /// What the state file should say.
    published: Option<Report>,
    end: Option<HostResult<i32>>,
}

impl<'a> Watch<'a> {
    /// Takes over the signals and starts the server.
    pub(super) fn begin(inputs: Inputs<'a>) -> HostResult<Watch<'a>> {
        let signals = take_signals().map_err(|e| HostError::errno("taking over signals", e))?;
        let (machine, actions) = Machine::begin(limits(&inputs.settings), Duration::ZERO);
        let mut watch = Watch {
            probe: Probe::new(&inputs.settings, inputs.secret),
            notifier: Notifier::new(inputs.notify),
            alive_at: inputs.watchdog.map(|_| Duration::ZERO),
            inputs,
            origin: Instant::now(),
            machine,
            server: None,
            generation: String::new(),
            last_words: String::new(),
            layers: Vec::new(),
            log_size: 0,
            probe_at: Duration::ZERO,
            also: None,
            account_at: Duration::ZERO,
            crowded: false,
            renewal: Renewal::default(),
            stood: None,
            replicas: 0,
            vitals: Vitals::default(),
            ended: None,
            last_pid: None,
            signals,
            told_ready: false,
            published: None,
            end: None,
        };
        watch.perform(actions);
        watch.publish();
        Ok(watch)
    }

    /// Until the machine says that it is over.
    pub(super) fn run(mut self) -> HostResult<i32> {
        loop {
            if let Some(end) = self.end.take() {
                return end;
            }
            self.wait()?;
            self.read_signals()?;
            self.reap();
            self.hear();
            self.attest();
            self.tell(Event::Tick);
        }
    }

    /// Says that this loop goes round, and nothing of the server.
    fn attest(&mut self) {
        if let (Some(every), Some(at)) = (self.inputs.watchdog, self.alive_at)
            && self.now() >= at
        {
            self.notifier.alive();
            self.alive_at = Some(self.now() + every);
        }
    }

    fn now(&self) -> Moment {
        self.origin.elapsed()
    }

    /// Sleeps until a signal, an answer or the next deadline.
    fn wait(&self) -> HostResult<()> {
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            self.probe
                .interest()
                .map(|(fd, flags)| PollFd::new(fd, flags)),
        );
        match poll(&mut fds, self.timeout()) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(e) => Err(HostError::errno("waiting for events", e)),
        }
    }

    fn timeout(&self) -> PollTimeout {
        let answer = self.probe.deadline().map(|at| at - self.origin);
        let ask = (answer.is_none() && self.probes()).then_some(self.probe_at);
        let Some(next) = [self.machine.wake(), answer, ask, self.alive_at]
            .into_iter()
            .flatten()
            .min()
        else {
            return PollTimeout::NONE;
        };
        // Rounded up: waking a fraction too early would spin.
        let pause = next.saturating_sub(self.now()) + Duration::from_micros(999);
        PollTimeout::try_from(pause).unwrap_or(PollTimeout::MAX)
    }

    fn read_signals(&mut self) -> HostResult<()> {
        let fail = |e| HostError::errno("reading signals", e);
        while let Some(info) = self.signals.read_signal().map_err(fail)? {
            match Signal::try_from(info.ssi_signo.cast_signed()) {
                Ok(signal @ (Signal::SIGTERM | Signal::SIGINT)) => {
                    tracing::info!(%signal, "stopping");
                    self.tell(Event::Stop);
                }
                Ok(Signal::SIGHUP) => {
                    self.reread();
                    self.keep_published();
                }
                Ok(signal) if FORWARDED.contains(&signal) => self.signal(signal),
                // SIGCHLD: what `reap` looks at.
                _ => {}
            }
        }
        Ok(())
    }

    fn reap(&mut self) {
        while let Some((pid, exit)) = process::reap() {
            if let Some(server) = self.server.take_if(|server| server.pid() == pid) {
                self.ended(&server, exit);
            }
        }
    }

    fn ended(&mut self, server: &Server, exit: Exit) {
        self.probe.forget();
        self.end_strays();
        match exit {
            Exit::Code(0) => self.note_what_it_left(),
            _ if self.machine.phase() == Phase::Starting => self.note_what_stands(),
            _ => {}
        }
        self.last_words = server.words();
        if self.last_words.is_empty() {
            let log = self.inputs.settings.log_file.as_deref();
            self.last_words = log
                .map(|log| process::log_tail_since(log, self.log_size))
                .unwrap_or_default();
        }
        let asked = matches!(self.machine.phase(), Phase::Stopping | Phase::Replacing);
        let words = match asked {
            true => exit.to_string(),
            false => outcome::of(exit, &self.last_words),
        };
        match asked {
            true => tracing::info!(
                pid = server.pid().as_raw(),
                exit = words,
                "the server has ended"
            ),
            false => {
                tracing::warn!(
                    pid = server.pid().as_raw(),
                    exit = words,
                    words = self.last_words,
                    "the server has ended"
                );
                self.keep_crash(&words);
            }
        }
        self.ended = Some(words);
        self.last_pid = Some(server.pid().as_raw());
        // One that ran has read its configuration; what its log says of it is older.
        let began = self.machine.phase() == Phase::Starting;
        self.tell(
            match began && process::blames_configuration(&self.last_words) {
                true => Event::Rejected(exit),
                false => Event::Exited(exit),
            },
        );
    }

    fn tell(&mut self, event: Event) {
        let before = self.outside();
        let (next, actions) = self.machine.clone().step(event, self.now(), jitter());
        self.machine = next;
        self.perform(actions);
        if before != self.outside() {
            self.publish();
        }
    }

    /// What others are told of.
    fn outside(&self) -> (Phase, u32, Option<Rung>, bool) {
        let machine = &self.machine;
        let blocked = machine.phase() == Phase::Stopping && !machine.note().is_empty();
        (machine.phase(), machine.restarts(), machine.rung(), blocked)
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Spawn => self.spawn(),
                Action::Terminate => {
                    // One that somebody has stopped takes no SIGTERM.
                    self.signal(Signal::SIGCONT);
                    self.signal(Signal::SIGTERM);
                }
                Action::Unblock => self.also = Some(Also::Unblock),
                Action::Leave => self.also = Some(Also::Leave),
                Action::Dump => self.keep_hang(),
                Action::Kill => self.signal(Signal::SIGKILL),
                Action::Finish(code) => self.end = Some(Ok(code)),
                Action::Refuse => self.end = Some(Err(self.refusal())),
            }
        }
    }
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        start_timeout: settings.start_timeout.std(),
        stop_timeout: settings.stop_timeout.std(),
        backoff: settings.backoff.std(),
        backoff_max: settings.backoff_max.std(),
        backoff_reset: settings.backoff_reset.std(),
        hang_timeout: settings.hang_timeout.std(),
        data_loss: settings.data_loss_on_stop == DataLoss::Allow,
    }
}

/// Blocks the signals that a supervisor is told by, and reads them.
pub(super) fn take_signals() -> Result<SignalFd, Errno> {
    let mut mask = SigSet::empty();
    let own = [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
    ];
    for signal in own.iter().chain(&FORWARDED) {
        mask.add(*signal);
    }
    mask.thread_block()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

/// 0 to 1. Without randomness hosts move in step, which is no reason not to move.
fn jitter() -> f64 {
    getrandom::u32().map_or(0.0, |n| f64::from(n) / f64::from(u32::MAX))
}
