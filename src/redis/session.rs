//! A conversation of any words with a server, over a stream that somebody else has opened: what the attempts of `prove` speak by.

use super::line::{Line, Stream};
use super::timed::Timed;
use super::{Login, Silence, log_in, silence};
pub use redis::Value as Reply;
use std::time::Duration;

pub struct Session(Line);

impl Session {
    /// Over a stream in clear text; logged in where there is a login.
    pub fn begin(
        stream: Timed,
        login: Option<&Login>,
        patience: Duration,
    ) -> Result<Session, Silence> {
        let mut line = Line::new(Stream::Plain(stream), patience);
        log_in(&mut line, login)?;
        Ok(Session(line))
    }

    /// How long each answer may take from now on.
    pub fn set_patience(&mut self, patience: Duration) {
        self.0.set_patience(patience);
    }

    /// A command and its answer; an error that is one of several answers (of a transaction, of a script) is no silence.
    pub fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Reply, Silence> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word.as_ref());
        }
        let reply = command.query(&mut self.0).map_err(silence)?;
        match reply {
            Reply::ServerError(error) => Err(silence(error.into())),
            reply => Ok(reply),
        }
    }

    /// The same, as text; of a list its first words.
    pub fn text<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<String, Silence> {
        self.ask(words).map(|reply| text(&reply))
    }
}

/// A reply as a person would read it.
pub fn text(reply: &Reply) -> String {
    match reply {
        Reply::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::SimpleString(text) => text.clone(),
        Reply::Int(number) => number.to_string(),
        Reply::Okay => "OK".to_owned(),
        Reply::Nil => String::new(),
        Reply::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(" "),
        other => format!("{other:?}"),
    }
}
