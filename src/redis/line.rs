//! A connection to a server, by TLS or in clear text: commands out, replies in, each within its time.

use super::remote::{Handshake, of_io};
use super::timed::Timed;
use redis::{ConnectionLike, Parser, RedisResult, Value};
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read, Result, Write};
use std::time::Duration;

/// What the bytes go through.
pub enum Stream {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>, Box<Handshake>),
}

pub struct Line {
    stream: Stream,
    parser: Parser,
    /// How long each answer may take.
    patience: Duration,
}

impl Line {
    pub fn new(stream: Stream, patience: Duration) -> Line {
        let parser = Parser::new();
        Line {
            stream,
            parser,
            patience,
        }
    }

    /// How TLS began, where it is spoken.
    pub fn handshake(&self) -> Option<&Handshake> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(_, handshake) => Some(handshake),
        }
    }

    /// How long each answer may take from now on.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The process that listens on a unix socket, as the kernel knows it.
    pub fn listener(&self) -> Option<i32> {
        match &self.stream {
            Stream::Plain(stream) => stream.listener(),
            Stream::Tls(..) => None,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> RedisResult<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.give(self.patience),
            Stream::Tls(stream, _) => stream.sock.give(self.patience),
        }
        self.stream.write_all(bytes)?;
        Ok(self.stream.flush()?)
    }

    fn receive(&mut self) -> RedisResult<Value> {
        self.parser.parse_value(&mut self.stream)
    }
}

/// By a proper end of TLS: a server logs another one.
impl Drop for Line {
    fn drop(&mut self) {
        if let Stream::Tls(stream, _) = &mut self.stream {
            stream.conn.send_close_notify();
            // How it takes the goodbye is of no interest.
            let _ = stream.conn.write_tls(&mut stream.sock);
        }
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(bytes),
            Stream::Tls(stream, _) => stream.read(bytes).map_err(of_io),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Stream::Plain(stream) => stream.write(bytes),
            Stream::Tls(stream, _) => stream.write(bytes).map_err(of_io),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Stream::Plain(stream) => stream.flush(),
            Stream::Tls(stream, _) => stream.flush().map_err(of_io),
        }
    }
}

impl ConnectionLike for Line {
    fn req_packed_command(&mut self, command: &[u8]) -> RedisResult<Value> {
        self.send(command)?;
        self.receive()
    }

    fn req_packed_commands(
        &mut self,
        commands: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        self.send(commands)?;
        let replies: RedisResult<Vec<Value>> =
            (0..offset + count).map(|_| self.receive()).collect();
        Ok(replies?.split_off(offset))
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        redis::cmd("PING").query::<Value>(self).is_ok()
    }

    /// It is made for one conversation, and dropped when that ends.
    fn is_open(&self) -> bool {
        true
    }
}
