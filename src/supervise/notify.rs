//! Tells systemd how the service is, by sd_notify(3). Without a NOTIFY_SOCKET it says nothing, and a lost message is no failure.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place that sends notifications"
)]

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager's end, if there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
}

impl Notifier {
    /// From the value of NOTIFY_SOCKET: a path, or `@name` for the abstract name space.
    pub fn new(socket: Option<&OsStr>) -> Notifier {
        Notifier {
            to: socket.and_then(open),
        }
    }

    /// Serving: sent after an authenticated PING was answered.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// On the way out, as asked.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// The loop goes round.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// One line for `systemctl status`.
    pub fn status(&self, text: &str) {
        self.send(&format!("STATUS={}", text.replace('\n', " ")));
    }

    /// The start or the stop is making progress, and may take so much longer from now.
    pub fn extend(&self, by: Duration) {
        self.send(&format!("EXTEND_TIMEOUT_USEC={}", by.as_micros()));
    }

    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.to
            && let Err(e) = socket.send_to_addr(message.as_bytes(), address)
        {
            tracing::warn!(message, error = %e, "the service manager was not told");
        }
    }
}

/// How often to say so: twice in the time that the manager waits. `None` where it does not, or waits for another process.
/// Our drop-in sets no WatchdogSec: the daemon-reload before a restart would begin to wait for a server that says nothing, and kill it.
/// Source: sd_watchdog_enabled(3).
pub(super) fn watchdog(env: impl Fn(&str) -> Option<String>) -> Option<Duration> {
    let ours = env("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
    let micros: u64 = env("WATCHDOG_USEC")?.parse().ok()?;
    (ours && micros > 1).then(|| Duration::from_micros(micros / 2))
}

fn open(socket: &OsStr) -> Option<(UnixDatagram, SocketAddr)> {
    let opened = address(socket).and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok((socket, address))
    });
    match opened {
        Ok(opened) => Some(opened),
        Err(e) => {
            tracing::warn!(socket = ?socket, error = %e, "NOTIFY_SOCKET is of no use");
            None
        }
    }
}

fn address(socket: &OsStr) -> std::io::Result<SocketAddr> {
    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let size = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..size]).into_owned()
    }

    #[test]
    fn messages_reach_a_socket_in_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(Some(path.as_os_str()));
        notifier.ready();
        notifier.extend(Duration::from_secs(2));
        notifier.status("two\nlines");
        assert_eq!(received(&manager), "READY=1");
        assert_eq!(received(&manager), "EXTEND_TIMEOUT_USEC=2000000");
        assert_eq!(received(&manager), "STATUS=two lines");
    }

    #[test]
    fn the_watchdog_is_fed_twice_in_its_time_and_only_ours() {
        let own = std::process::id().to_string();
        let with = |pid: &str, micros: &str| {
            let (pid, micros) = (pid.to_owned(), micros.to_owned());
            watchdog(|name| match name {
                "WATCHDOG_PID" => Some(pid.clone()),
                _ => Some(micros.clone()),
            })
        };
        assert_eq!(with(&own, "60000000"), Some(Duration::from_secs(30)));
        assert_eq!(with("1", "60000000"), None);
        assert_eq!(with(&own, "0"), None);
        assert_eq!(with(&own, "soon"), None);
        assert_eq!(watchdog(|_| None), None);
    }

    #[test]
    fn messages_reach_an_abstract_socket() {
        let name = format!("redis-harden-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        Notifier::new(Some(OsStr::new(&format!("@{name}")))).stopping();
        assert_eq!(received(&manager), "STOPPING=1");
    }
}
