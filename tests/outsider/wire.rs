//! A client that sends whatever bytes it is given, and waits for no answer longer than agreed.

use redis::{Parser, RedisResult, Value};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

pub struct Wire {
    stream: TcpStream,
    parser: Parser,
}

impl Wire {
    pub fn to(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let parser = Parser::new();
        Wire { stream, parser }
    }

    pub fn send(&mut self, words: &[impl AsRef<[u8]>]) {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words.iter().map(AsRef::as_ref) {
            bytes.extend(format!("${}\r\n", word.len()).into_bytes());
            bytes.extend([word, b"\r\n"].concat());
        }
        // One that hangs up in the middle is seen by what it answers.
        let _ = self.stream.write_all(&bytes);
    }

    /// The next answer.
    pub fn hear(&mut self) -> String {
        shown(self.parser.parse_value(&mut self.stream))
    }

    pub fn ask(&mut self, words: &[impl AsRef<[u8]>]) -> String {
        self.send(words);
        self.hear()
    }
}

/// An error with its code first and a `-` before it, as Redis writes it; one of several answers counts for all.
fn shown(reply: RedisResult<Value>) -> String {
    match reply {
        Ok(Value::ServerError(e)) => format!("-{} {}", e.code(), e.details().unwrap_or("")),
        Ok(Value::Array(all)) => {
            let all: Vec<String> = all.into_iter().map(|one| shown(Ok(one))).collect();
            let error = all.iter().find(|one| one.starts_with('-'));
            error.cloned().unwrap_or_else(|| all.join(" "))
        }
        Ok(Value::BulkString(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(Value::SimpleString(text)) => text,
        Ok(Value::Okay) => "OK".to_owned(),
        Ok(Value::Int(number)) => number.to_string(),
        Ok(other) => format!("{other:?}"),
        Err(e) => match e.code() {
            Some(code) => format!("-{code} {}", e.detail().unwrap_or("")),
            None => format!("no answer: {e}"),
        },
    }
}
