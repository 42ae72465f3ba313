//! Asks the server how it is: an authenticated PING on a kept connection, never waiting in a system call.
//! Any reply means alive; only +PONG means ready. It judges nothing beyond that.

mod link;
mod question;
mod target;

use super::settings::Settings;
use link::Link;
use nix::errno::Errno;
use nix::poll::PollFlags;
pub use question::Also;
use question::{command, question};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};
use target::Target;

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// What came of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `+PONG`: it serves.
    Pong,
    /// `-LOADING`.
    Loading(String),
    /// `-BUSY`: a script or function runs.
    Busy(String),
    /// `-MISCONF`: it cannot save; restarting it would lose the only good copy.
    Misconf(String),
    /// Any other error reply; it is alive.
    Error(String),
    /// No reply in time.
    Timeout,
    /// Nobody listens, or the connection was closed without a word.
    Refused(String),
}

/// The client.
#[derive(Debug)]
pub struct Probe {
    target: Target,
    auth: Vec<u8>,
    link: Option<Link>,
    deadline: Option<Instant>,
    also: Also,
    /// What INFO said last.
    told: Option<String>,
    /// The last line of what was said to anything but the PING.
    said: Option<String>,
}

impl Probe {
    /// A client of this server, which authenticates as `agent`. It connects when it is first asked.
    pub fn new(settings: &Settings, secret: &str) -> Probe {
        let address = settings.address.unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let target = match &settings.unix_socket {
            Some(path) => Target::Unix(path.clone()),
            None => Target::Tcp(SocketAddr::new(address, settings.port)),
        };
        Probe {
            target,
            auth: command(&["AUTH", "agent", secret]),
            link: None,
            deadline: None,
            also: Also::Nothing,
            told: None,
            said: None,
        }
    }

    /// Whether the last PING is not answered yet: waiting on is then the question, and nothing else is asked.
    pub fn waits(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.awaited > 0)
    }

    /// Sends a PING. An answer at once is a refusal; else it comes by `hear`, or is `late`.
    pub fn ask(&mut self, also: Also, now: Instant) -> Option<Answer> {
        self.deadline = Some(now + PATIENCE);
        if self.waits() {
            return None;
        }
        self.also = also;
        let sent = match &mut self.link {
            Some(link) => link.send(&question(&self.also), 1, &self.also),
            None => self.connect(),
        };
        match sent {
            Ok(()) => None,
            Err(_) if self.was_reused() => self.again(),
            Err(e) => Some(self.refused(e)),
        }
    }

    /// The descriptor to poll while an answer is awaited, and what for.
    pub fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        self.deadline?;
        let link = self.link.as_ref()?;
        let flags = match link.unsent {
            Some(_) => PollFlags::POLLOUT,
            None => PollFlags::POLLIN,
        };
        Some((link.socket.as_fd(), flags))
    }

    /// When the answer is late.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Takes what the descriptor has. `None`: more is to come.
    pub fn hear(&mut self) -> Option<Answer> {
        let link = self.link.as_mut()?;
        let answer = match link.hear() {
            Ok(answer) => answer?,
            Err(_) if self.was_reused() => return self.again(),
            Err(e) => return Some(self.refused(e)),
        };
        self.told = self.link.as_mut().and_then(|link| link.text.take());
        self.said = self.link.as_mut().and_then(|link| link.line.take());
        self.deadline = None;
        if answer.is_a_stranger() {
            // The password may be right by the next time: it logs in again.
            self.link = None;
        }
        Some(answer)
    }

    /// The answer did not come. The connection stays: a late reply is one.
    pub fn late(&mut self, now: Instant) -> Option<Answer> {
        if self.deadline? > now {
            return None;
        }
        self.deadline = None;
        Some(Answer::Timeout)
    }

    /// The server is gone.
    pub fn forget(&mut self) {
        self.link = None;
        self.deadline = None;
        (self.told, self.said) = (None, None);
    }

    /// What INFO has said since this was asked last.
    pub fn take_told(&mut self) -> Option<String> {
        self.told.take()
    }

    /// The last line that came in answer to anything but the PING, since this was asked last.
    pub fn take_said(&mut self) -> Option<String> {
        self.said.take()
    }

    fn was_reused(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.reused)
    }

    /// A kept connection may have been cut (CLIENT KILL by a Sentinel): a new one decides.
    fn again(&mut self) -> Option<Answer> {
        self.link = None;
        match self.connect() {
            Ok(()) => None,
            Err(e) => Some(self.refused(e)),
        }
    }

    fn refused(&mut self, e: Errno) -> Answer {
        // At maxclients Redis says so and closes: what it said comes first.
        let said = self.link.as_mut().and_then(|link| link.error.take());
        self.link = None;
        self.deadline = None;
        match said {
            Some(line) => classify(&line),
            None => Answer::Refused(e.desc().to_lowercase()),
        }
    }

    fn connect(&mut self) -> Result<(), Errno> {
        let (socket, connected) = self.target.connect()?;
        let mut link = Link::new(socket);
        let hello = [self.auth.as_slice(), &question(&self.also)].concat();
        if connected {
            link.send(&hello, 2, &self.also)?;
        } else {
            link.await_replies(2, &self.also);
            link.unsent = Some(hello);
        }
        self.link = Some(link);
        Ok(())
    }
}

impl Answer {
    /// Whether the server does not know us.
    fn is_a_stranger(&self) -> bool {
        let refusals = ["WRONGPASS", "NOAUTH"];
        matches!(self, Answer::Error(text) if refusals.iter().any(|word| text.starts_with(word)))
    }

    /// Why it is not ready, in a few words; empty for +PONG.
    pub fn words(&self) -> &str {
        match self {
            Answer::Pong => "",
            Answer::Loading(text) | Answer::Busy(text) | Answer::Misconf(text) => text,
            Answer::Error(text) | Answer::Refused(text) => text,
            Answer::Timeout => "no answer",
        }
    }
}

/// What a reply line says.
fn classify(line: &str) -> Answer {
    let text = line.trim_start_matches('-').to_owned();
    match line.split(' ').next() {
        Some("+PONG") => Answer::Pong,
        Some("-LOADING") => Answer::Loading(text),
        Some("-BUSY") => Answer::Busy(text),
        Some("-MISCONF") => Answer::Misconf(text),
        _ => Answer::Error(text),
    }
}

#[cfg(test)]
mod tests;
