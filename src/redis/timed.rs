//! A stream on which nobody waits longer than agreed, however slowly the other side drips, and that takes no endless answer.

use nix::errno::Errno;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// More than any honest server has to say of itself; what is parsed takes some ten times as much.
const MOST: usize = 8 << 20;

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

#[derive(Debug)]
pub struct Timed {
    socket: Socket,
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
                    return Ok(Timed::over(Socket::Tcp(stream), until));
                }
                Err(e) => refusal = in_words(e),
            }
        }
        Err(refusal)
    }

    /// Connects to a unix socket. One whose queue is full is not waited for: it serves nobody.
    pub fn connect_to_socket(path: &Path, patience: Duration) -> Result<Timed> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let unix = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(unix.as_raw_fd(), &UnixAddr::new(path)?).map_err(|e| match e {
            Errno::EAGAIN => late("it"),
            e => e.into(),
        })?;
        let stream = UnixStream::from(unix);
        stream.set_nonblocking(false)?;
        Ok(Timed::over(Socket::Unix(stream), Instant::now() + patience))
    }

    fn over(socket: Socket, until: Instant) -> Timed {
        let left = MOST;
        Timed {
            socket,
            until,
            left,
        }
    }

    /// The process that listens on a unix socket, as the kernel knows it; none where its pid is of another namespace.
    /// Source: unix(7), SO_PEERCRED.
    pub fn listener(&self) -> Option<i32> {
        let Socket::Unix(stream) = &self.socket else {
            return None;
        };
        let peer = getsockopt(stream, PeerCredentials).ok()?;
        Some(peer.pid()).filter(|pid| *pid > 0)
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
        let left = Some(remaining(self.until)?);
        let read = match &mut self.socket {
            Socket::Tcp(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(room)
            }
            Socket::Unix(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(room)
            }
        };
        let read = read.map_err(in_words)?;
        self.left -= read;
        Ok(read)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let left = Some(remaining(self.until)?);
        let written = match &mut self.socket {
            Socket::Tcp(stream) => {
                stream.set_write_timeout(left)?;
                stream.write(bytes)
            }
            Socket::Unix(stream) => {
                stream.set_write_timeout(left)?;
                stream.write(bytes)
            }
        };
        written.map_err(in_words)
    }

    /// Nothing is kept back here.
    fn flush(&mut self) -> Result<()> {
        Ok(())
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
    Error::new(
        ErrorKind::TimedOut,
        format!("{what} took too long to answer"),
    )
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
