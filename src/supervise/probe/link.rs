//! One connection: what was sent on it, and the replies that are still to come.

use super::question::Also;
use super::{Answer, classify};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, getsockopt, recv, send, sockopt::SocketError};
use std::os::fd::{AsRawFd, OwnedFd};

/// An answer that is longer is not one of Redis's to these questions.
const LONGEST: usize = 16 << 10;

/// An open connection, and what is awaited on it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) socket: OwnedFd,
    /// What could not be sent yet: the connection is still being made.
    pub(super) unsent: Option<Vec<u8>>,
    received: Vec<u8>,
    /// Replies that are still to come.
    pub(super) awaited: usize,
    /// How many of them say how the server is: AUTH's and PING's.
    deciding: usize,
    /// The first error among these so far: AUTH's counts more than what follows from it.
    pub(super) error: Option<String>,
    answer: Option<Answer>,
    /// A text among the others.
    pub(super) text: Option<String>,
    /// The last line among them.
    pub(super) line: Option<String>,
    /// Whether an earlier probe was answered on it.
    pub(super) reused: bool,
}

impl Link {
    /// On which nothing was said yet.
    pub(super) fn new(socket: OwnedFd) -> Link {
        Link {
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
        }
    }

    /// `deciding` replies say how it is, and then come those to `also`.
    pub(super) fn await_replies(&mut self, deciding: usize, also: &Also) {
        self.deciding = deciding;
        self.awaited = deciding + also.commands().len();
        (self.answer, self.text, self.line, self.error) = (None, None, None, None);
    }

    pub(super) fn send(&mut self, bytes: &[u8], deciding: usize, also: &Also) -> Result<(), Errno> {
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

    pub(super) fn hear(&mut self) -> Result<Option<Answer>, Errno> {
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
