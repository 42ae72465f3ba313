//! When the server is asked, what, and what is made of its answers.

use super::{EXTENSION, Watch};
use crate::supervise::machine::{Event, Phase};
use crate::supervise::outcome;
use crate::supervise::probe::{Also, Answer};
use std::time::{Duration, Instant};

/// How often a server that serves is asked whether its data is on the disk.
const ACCOUNT: Duration = Duration::from_secs(10);

impl Watch<'_> {
    /// Asks when it is time to, and takes an answer that has come.
    pub(super) fn hear(&mut self) {
        let now = Instant::now();
        let answer = match self.probe.deadline() {
            Some(_) => self.probe.hear().or_else(|| self.probe.late(now)),
            None if self.probes() && self.now() >= self.probe_at => {
                let also = self.question();
                self.probe.ask(also, now)
            }
            None => None,
        };
        if let Some(answer) = answer {
            self.tell(Event::Answer(answer.clone()));
            self.account();
            self.renewed();
            self.feel(&answer);
            self.probe_at = self.now() + self.pause(&answer);
            self.extend();
        }
    }

    /// What is asked with this PING.
    fn question(&mut self) -> Also {
        // What is asked while an answer is still to come would not be sent, and that answer be taken for its own.
        if !self.probe.waits()
            && let Some(also) = self.question_of_ours()
        {
            return also;
        }
        let serves = matches!(self.machine.phase(), Phase::Ready | Phase::Busy);
        let stops = self.machine.phase() == Phase::Stopping;
        let due = serves && self.now() >= self.account_at;
        if !(stops || due) {
            return Also::Nothing;
        }
        self.account_at = self.now() + ACCOUNT;
        self.reread();
        self.keep_published();
        Also::Account
    }

    /// What the machine wants asked, or a certificate's files. A server that runs a script would refuse these.
    fn question_of_ours(&mut self) -> Option<Also> {
        self.renewal.forget_question();
        let renews = |watch: &mut Self| match watch.machine.phase() {
            Phase::Ready => watch.renewal().map(Also::Renew),
            _ => None,
        };
        self.also.take().or_else(|| renews(self))
    }

    /// Takes what was said of the data and of the clients.
    fn account(&mut self) {
        if let Some(told) = self.probe.take_told() {
            self.replicas = outcome::replicas(&told);
            self.tell(Event::Holds(outcome::held(&told)));
            self.make_room(outcome::is_crowded(&told));
        }
    }

    /// While nearly all connections are taken, those that have not logged in are cut each second time that it is asked: whoever has
    /// a password gets in between, and so does root.
    fn make_room(&mut self, is_crowded: bool) {
        if is_crowded && !self.crowded {
            tracing::warn!("nearly all connections are taken: those without a login are cut");
        }
        self.crowded = is_crowded;
        if is_crowded {
            self.also.get_or_insert(Also::MakeRoom);
            self.account_at = self.now();
        }
    }

    /// Looks at one that does not answer.
    fn feel(&mut self, answer: &Answer) {
        match (&self.server, answer) {
            (Some(server), Answer::Timeout) => {
                let pulse = self.vitals.look(self.inputs.host, server.pid());
                self.tell(Event::Pulse(pulse));
            }
            _ => self.vitals.forget(),
        }
    }

    pub(super) fn probes(&self) -> bool {
        let phase = self.machine.phase();
        !matches!(phase, Phase::BackingOff | Phase::Stopped | Phase::Refused)
    }

    /// Quick while somebody waits for the start, once a second afterwards.
    fn pause(&self, answer: &Answer) -> Duration {
        let age = self.now().saturating_sub(self.machine.since());
        match self.machine.phase() {
            Phase::Starting if age < Duration::from_millis(500) => Duration::from_millis(5),
            Phase::Starting | Phase::Loading => Duration::from_millis(100),
            // A late answer was a second's wait already.
            _ if *answer == Answer::Timeout => Duration::ZERO,
            _ => Duration::from_secs(1),
        }
    }

    fn extend(&self) {
        if matches!(self.machine.phase(), Phase::Loading | Phase::Stopping) {
            self.notifier.extend(EXTENSION);
        }
    }
}
