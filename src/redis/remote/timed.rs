//! A TCP stream on which nobody waits longer than agreed, however slowly the other side drips, and that takes no endless answer.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// More than any honest server has to say of itself.
const MOST: usize = 64 << 20;

pub struct Timed {
    stream: TcpStream,
    until: Instant,
    /// How many bytes more are taken.
    left: usize,
}

impl Timed {
    /// Connects to the first address of a name that lets us; what follows has to be done within the same time.
    pub fn connect(host: &str, port: u16, patience: Duration) -> Result<Timed> {
        let until = Instant::now() + patience;
        let addresses = addresses(host, port, until)?;
        let mut refusal = Error::new(ErrorKind::NotFound, format!("{host} has no address"));
        for (at, address) in addresses.iter().enumerate() {
            // One that swallows packets must leave time for the others.
            let others = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            match TcpStream::connect_timeout(address, remaining(until)? / others) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    let left = MOST;
                    return Ok(Timed {
                        stream,
                        until,
                        left,
                    });
                }
                Err(e) => refusal = in_words(e),
            }
        }
        Err(refusal)
    }

    /// From now on, so much time for all that is read and written.
    pub fn give(&mut self, patience: Duration) {
        self.until = Instant::now() + patience;
    }
}

impl Read for Timed {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let most = self.left.min(bytes.len());
        let room = bytes.get_mut(..most).unwrap_or_default();
        if room.is_empty() {
            return Err(Error::other("its answer does not end"));
        }
        self.stream.set_read_timeout(Some(remaining(self.until)?))?;
        let read = self.stream.read(room).map_err(in_words)?;
        self.left -= read;
        Ok(read)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.stream
            .set_write_timeout(Some(remaining(self.until)?))?;
        self.stream.write(bytes).map_err(in_words)
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.flush()
    }
}

fn addresses(host: &str, port: u16, until: Instant) -> Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![(ip, port).into()]);
    }
    let (send, answer) = channel();
    let name = host.to_owned();
    // getaddrinfo has a patience of its own; a thread that it keeps ends with the process.
    std::thread::spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        // Whoever asked may have given up.
        let _ = send.send(found.map(Vec::from_iter));
    });
    let found = answer.recv_timeout(remaining(until)?);
    let found = found.map_err(|_| late(&format!("looking up {host}")))?;
    found.map_err(|e| Error::new(e.kind(), format!("looking up {host}: {e}")))
}

/// The time that is left; none is an error.
fn remaining(until: Instant) -> Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(late("it")),
        false => Ok(left),
    }
}

fn late(what: &str) -> Error {
    Error::new(ErrorKind::TimedOut, format!("{what} took too long"))
}

/// Of a socket with a time-out the kernel says `EAGAIN`.
fn in_words(error: Error) -> Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => late("it"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the other side of a test")]
    fn a_peer_that_drips_is_not_waited_for_longer_than_one_that_is_silent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            while peer.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let start = Instant::now();
        let mut timed = Timed::connect("127.0.0.1", port, Duration::from_millis(200)).unwrap();
        let error = timed.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
