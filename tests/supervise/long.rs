//! What `tests/full supervisor` does at length, and every run in short.

use super::instance::Instance;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// `REDIS_HARDEN_SUPERVISOR=full`.
pub fn is_full() -> bool {
    std::env::var_os("REDIS_HARDEN_SUPERVISOR").is_some_and(|word| word == "full")
}

/// A machine that cannot make such a fault says so; at length it is one that can.
pub fn not_here(what: &str, why: impl std::fmt::Display) {
    println!("  not here: {what}: {why}");
    assert!(!is_full(), "{what}: {why}");
}

/// So many times now.
pub fn times(sample: u32, full: u32) -> u32 {
    if is_full() { full } else { sample }
}

/// So long a state is held.
pub fn hold() -> Duration {
    Duration::from_secs(times(2, 60).into())
}

/// The admin's connection, kept open; what it asks may take as long as it likes.
pub struct Client(BufReader<UnixStream>);

impl Client {
    pub fn of(instance: &Instance) -> Client {
        let stream = UnixStream::connect(instance.path("run/redis/redis.sock")).unwrap();
        let mut client = Client(BufReader::new(stream));
        assert_eq!(client.ask("AUTH admin admin"), Some("+OK".into()));
        client
    }

    /// The first line of the reply; `None` once the server has ended.
    pub fn ask(&mut self, command: &str) -> Option<String> {
        self.send(command)?;
        self.hear()
    }

    pub fn send(&mut self, command: &str) -> Option<()> {
        self.0
            .get_mut()
            .write_all(format!("{command}\r\n").as_bytes())
            .ok()
    }

    pub fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        let size = self.0.read_line(&mut line).ok()?;
        line.ends_with("\r\n").then_some(())?;
        (size > 0).then(|| line.trim_end().to_owned())
    }
}
