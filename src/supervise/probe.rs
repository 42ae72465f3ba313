//! Asks the server how it is: an authenticated PING on a kept connection, never waiting in a system call.
//! Any reply means alive; only +PONG means ready. It judges nothing beyond that.

use super::settings::Settings;
use crate::setting::tls::pair::Files;
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, SockaddrIn6, UnixAddr, connect,
    getsockopt, recv, send, socket, sockopt::SocketError,
};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// An answer that is longer is not one of Redis's to these questions.
const LONGEST: usize = 16 << 10;

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

/// What is sent after a PING, in the same breath. Only the PING says how the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Also {
    Nothing,
    /// What `INFO` says of its data, its replicas and its clients.
    Account,
    /// The end of all clients that have not logged in: they are `default`, which is off. Where it is let in the server refuses.
    MakeRoom,
    /// What may end whatever keeps it busy, as long as that has written nothing.
    Unblock,
    /// An end without a last save.
    Leave,
    /// A certificate that was replaced in these files.
    Renew(Files),
}

impl Also {
    fn commands(&self) -> Vec<Vec<Cow<'_, str>>> {
        let fixed: &[&[&str]] = match self {
            Also::Nothing => &[],
            Also::Account => &[
                &["INFO", "persistence"],
                &["INFO", "replication"],
                &["INFO", "clients"],
            ],
            Also::MakeRoom => &[&["CLIENT", "KILL", "USER", "default"]],
            Also::Unblock => &[&["SCRIPT", "KILL"], &["FUNCTION", "KILL"]],
            Also::Leave => &[&["SHUTDOWN", "NOSAVE", "NOW", "FORCE"]],
            Also::Renew(files) => return vec![renewal(files)],
        };
        let words = |command: &&[&'static str]| command.iter().map(|word| (*word).into()).collect();
        fixed.iter().map(words).collect()
    }
}

/// All three at once: one alone may not fit what is there. With their old names Redis reads the files anew (src/config.c applyTlsCfg).
fn renewal(files: &Files) -> Vec<Cow<'_, str>> {
    vec![
        "CONFIG".into(),
        "SET".into(),
        "tls-cert-file".into(),
        files.cert.to_string_lossy(),
        "tls-key-file".into(),
        files.key.to_string_lossy(),
        "tls-ca-cert-file".into(),
        files.ca.to_string_lossy(),
    ]
}

/// Where the server listens.
#[derive(Clone, Debug)]
enum Target {
    Unix(PathBuf),
    Tcp(SocketAddr),
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

/// An open connection, and what is awaited on it.
#[derive(Debug)]
struct Link {
    socket: OwnedFd,
    /// What could not be sent yet: the connection is still being made.
    unsent: Option<Vec<u8>>,
    received: Vec<u8>,
    /// Replies that are still to come.
    awaited: usize,
    /// How many of them say how the server is: AUTH's and PING's.
    deciding: usize,
    /// The first error among these so far: AUTH's counts more than what follows from it.
    error: Option<String>,
    answer: Option<Answer>,
    /// A text among the others.
    text: Option<String>,
    /// The last line among them.
    line: Option<String>,
    /// Whether an earlier probe was answered on it.
    reused: bool,
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
        let mut link = Link {
            socket,
            unsent: None,
            received: Vec::new(),
            awaited: 0,
            deciding: 0,
            error: None,
            answer: None,
            text: None,
            line: None,
            reused: false,
        };
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

impl Target {
    /// A socket, and whether it is connected already.
    fn connect(&self) -> Result<(OwnedFd, bool), Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let open = |family| socket(family, SockType::Stream, flags, None);
        let (socket, made) = match self {
            Target::Unix(path) => {
                let socket = open(AddressFamily::Unix)?;
                let made = connect(socket.as_raw_fd(), &UnixAddr::new(path)?);
                (socket, made)
            }
            Target::Tcp(SocketAddr::V4(address)) => {
                let socket = open(AddressFamily::Inet)?;
                let made = connect(socket.as_raw_fd(), &SockaddrIn::from(*address));
                (socket, made)
            }
            Target::Tcp(SocketAddr::V6(address)) => {
                let socket = open(AddressFamily::Inet6)?;
                let made = connect(socket.as_raw_fd(), &SockaddrIn6::from(*address));
                (socket, made)
            }
        };
        match made {
            Ok(()) => Ok((socket, true)),
            Err(Errno::EINPROGRESS) => Ok((socket, false)),
            Err(e) => Err(e),
        }
    }
}

impl Link {
    /// `deciding` replies say how it is, and then come those to `also`.
    fn await_replies(&mut self, deciding: usize, also: &Also) {
        self.deciding = deciding;
        self.awaited = deciding + also.commands().len();
        (self.answer, self.text, self.line, self.error) = (None, None, None, None);
    }

    fn send(&mut self, bytes: &[u8], deciding: usize, also: &Also) -> Result<(), Errno> {
        self.await_replies(deciding, also);
        self.write(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        match send(self.socket.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
            Ok(_) => Ok(()),
            // Closed by the server on accept, with the reason waiting to be read.
            Err(Errno::EPIPE) if !self.reused => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn hear(&mut self) -> Result<Option<Answer>, Errno> {
        if let Some(bytes) = self.unsent.take() {
            match Errno::from_raw(getsockopt(&self.socket, SocketError)?) {
                Errno::UnknownErrno => self.write(&bytes)?,
                e => return Err(e),
            }
            return Ok(None);
        }
        let mut buffer = [0; 1024];
        match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(0) => return Err(Errno::ECONNRESET),
            Ok(size) => self.received.extend(buffer.iter().take(size)),
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(e) => return Err(e),
        }
        if self.received.len() > LONGEST {
            return Err(Errno::EMSGSIZE);
        }
        Ok(self.judge())
    }

    /// The answer, once all awaited replies are there.
    fn judge(&mut self) -> Option<Answer> {
        while let Some(reply) = (self.awaited > 0).then(|| self.reply()).flatten() {
            self.awaited -= 1;
            match (self.deciding.checked_sub(1), reply) {
                (None, Reply::Text(text)) => self.text.get_or_insert_default().push_str(&text),
                (None, Reply::Line(line)) => self.line = Some(line),
                (Some(left), reply) => {
                    self.deciding = left;
                    self.decide(reply);
                }
            }
        }
        if self.awaited > 0 {
            return None;
        }
        self.reused = true;
        let failed = self.error.take().map(|line| classify(&line));
        failed.or(self.answer.take())
    }

    fn decide(&mut self, reply: Reply) {
        let (Reply::Line(line) | Reply::Text(line)) = reply;
        if line.starts_with('-') && self.error.is_none() {
            self.error = Some(line);
        } else if self.deciding == 0 {
            self.answer = Some(classify(&line));
        }
    }

    /// The next whole reply.
    fn reply(&mut self) -> Option<Reply> {
        let end = self.received.iter().position(|b| *b == b'\n')?;
        let line = String::from_utf8_lossy(self.received.get(..end)?)
            .trim_end()
            .to_owned();
        let length = line.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
        let Some(length) = length else {
            self.received.drain(..=end);
            return Some(Reply::Line(line));
        };
        let (start, end) = (end + 1, (end + 1).checked_add(length)?);
        let text = String::from_utf8_lossy(self.received.get(start..end)?).into_owned();
        let whole = end + b"\r\n".len();
        (self.received.len() >= whole).then(|| {
            self.received.drain(..whole);
            Reply::Text(text)
        })
    }
}

/// A reply of the kinds that are asked for.
enum Reply {
    /// A status, an error or a number.
    Line(String),
    /// A bulk string.
    Text(String),
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

/// A PING, and what is asked with it.
fn question(also: &Also) -> Vec<u8> {
    let mut text = command(&["PING"]);
    for words in also.commands() {
        text.extend(command(&words));
    }
    text
}

/// A command in RESP.
fn command<T: AsRef<str>>(words: &[T]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", words.len());
    for word in words.iter().map(AsRef::as_ref) {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests;
