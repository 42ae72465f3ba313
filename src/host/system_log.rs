//! The machine's own log: journald by its native protocol, else a syslog daemon. It never waits: a log that is stuck holds nothing up.

use super::{Host, HostError, HostResult};
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

const JOURNALD: &str = "/run/systemd/journal/socket";
const SYSLOG: &str = "/dev/log";

/// authpriv: who did what as root.
const FACILITY: u8 = 10;

/// One record.
#[derive(Clone, Debug)]
pub struct LogEntry<'a> {
    /// Of syslog: 4 warning, 5 notice.
    pub priority: u8,
    pub text: &'a str,
    /// What journald keeps besides. Names are of capital letters, digits and `_`.
    pub fields: &'a [(&'a str, &'a str)],
}

impl Host {
    /// Tells it to whichever log there is; false where none is. A tree that does not run has none.
    pub fn log(&self, entry: &LogEntry) -> HostResult<bool> {
        if !self.is_live_root() {
            return Ok(false);
        }
        Ok(send(Path::new(JOURNALD), &native(entry))?
            || send(Path::new(SYSLOG), syslog(entry).as_bytes())?)
    }
}

fn send(to: &Path, bytes: &[u8]) -> HostResult<bool> {
    let sent = UnixDatagram::unbound().and_then(|socket| {
        socket.set_nonblocking(true)?;
        socket.send_to(bytes, to)
    });
    match sent {
        Ok(_) => Ok(true),
        // Nobody listens.
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            Ok(false)
        }
        Err(e) => Err(HostError::new(format!("logging to {}", to.display()), e)),
    }
}

/// Source: systemd's JOURNAL_NATIVE_PROTOCOL. A value with its length may hold anything, so none can pass for a field of its own.
fn native(entry: &LogEntry) -> Vec<u8> {
    let own = [
        ("MESSAGE", entry.text.to_owned()),
        ("PRIORITY", entry.priority.to_string()),
        ("SYSLOG_FACILITY", FACILITY.to_string()),
        ("SYSLOG_IDENTIFIER", "redis-harden".to_owned()),
    ];
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let mut bytes = Vec::new();
    for (name, value) in own.chain(entry.fields.iter().copied()) {
        bytes.extend(name.as_bytes());
        bytes.push(b'\n');
        bytes.extend((value.len() as u64).to_le_bytes());
        bytes.extend(value.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// One line, whatever the text holds.
fn syslog(entry: &LogEntry) -> String {
    let line = entry.text.replace(|c: char| c.is_control(), " ");
    let level = FACILITY << 3 | entry.priority;
    format!("<{level}>redis-harden[{}]: {line}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: LogEntry = LogEntry {
        priority: 5,
        text: "apply\n<0>forged",
        fields: &[("RUN", "3\nPRIORITY=0")],
    };

    #[test]
    fn a_value_cannot_pass_for_a_field() {
        let bytes = native(&ENTRY);
        let field = b"RUN\n\x0c\0\0\0\0\0\0\x003\nPRIORITY=0\n";
        assert!(bytes.ends_with(field), "{bytes:?}");
    }

    #[test]
    fn a_line_of_syslog_is_one_line() {
        let line = syslog(&ENTRY);
        let (head, text) = line.split_once(": ").expect("a tag");
        assert_eq!(text, "apply <0>forged");
        assert_eq!(
            head,
            format!("<85>redis-harden[{}]", std::process::id()),
            "authpriv.notice"
        );
    }

    #[test]
    fn a_log_that_is_not_there_is_no_error_and_one_that_is_full_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        assert_eq!(send(&path, b"x"), Ok(false));
        let log = UnixDatagram::bind(&path).expect("bound");
        assert_eq!(send(&path, b"x"), Ok(true));
        let mut sent = (0..100_000).map(|_| send(&path, &[b'x'; 1000]));
        let error = sent.find_map(Result::err).expect("nobody reads it");
        assert!(error.to_string().contains("logging to"), "{error}");
        drop(log);
        assert_eq!(send(&path, b"x"), Ok(false), "nobody listens any more");
    }
}
