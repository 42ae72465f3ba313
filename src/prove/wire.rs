//! The attackers' sockets: raw bytes to a twin, and the ears of a rogue server. Each is opened in a twin's network, or in one beside it.
#![expect(
    clippy::disallowed_methods,
    reason = "an attacker's own listener; its network is a throw-away one"
)]

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// For a connection: the network is this machine's memory.
pub const NEAR: Duration = Duration::from_millis(300);

/// A connection without any protocol.
pub fn raw(address: IpAddr, port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&(address, port).into(), NEAR)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(NEAR))?;
    stream.set_write_timeout(Some(NEAR))?;
    Ok(stream)
}

/// Up to so many of them. A queue that is full for a moment is no end.
pub fn many(address: IpAddr, port: u16, most: usize) -> Vec<TcpStream> {
    let mut all = Vec::new();
    let mut failures = 0;
    while all.len() < most && failures < 5 {
        match raw(address, port) {
            Ok(stream) => all.push(stream),
            Err(_) => failures += 1,
        }
    }
    all
}

/// Where a rogue server waits.
pub fn listen(address: IpAddr, port: u16) -> Result<TcpListener> {
    let listener = TcpListener::bind(SocketAddr::from((address, port)))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Who comes in that time.
pub fn accept(listener: &TcpListener, patience: Duration) -> Option<TcpStream> {
    let until = Instant::now() + patience;
    while Instant::now() < until {
        if let Ok((stream, _)) = listener.accept() {
            let calm = stream
                .set_nonblocking(false)
                .and_then(|()| stream.set_read_timeout(Some(NEAR)))
                .and_then(|()| stream.set_write_timeout(Some(NEAR)));
            return calm.ok().map(|()| stream);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// What is answered before it is silent for a moment, or ends; no more than `most` bytes.
pub fn answer(stream: &mut TcpStream, most: usize) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while all.len() < most {
        match stream.read(&mut piece) {
            Ok(0) => return (all, true),
            Ok(n) => all.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(_) => return (all, true),
        }
    }
    (all, false)
}

/// Bytes and what they are answered.
pub fn say(stream: &mut TcpStream, bytes: &[u8]) -> (String, bool) {
    // One that hangs up meanwhile may have said why.
    let _ = stream.write_all(bytes);
    let (answer, ended) = answer(stream, 16 << 10);
    (String::from_utf8_lossy(&answer).into_owned(), ended)
}

/// The next piece that comes, and whether there is no more.
pub fn answer_once(stream: &mut TcpStream) -> (String, bool) {
    let mut piece = [0; 4096];
    match stream.read(&mut piece) {
        Ok(0) => (String::new(), true),
        Ok(n) => {
            let piece = piece.get(..n).unwrap_or_default();
            (String::from_utf8_lossy(piece).into_owned(), false)
        }
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            (String::new(), false)
        }
        Err(_) => (String::new(), true),
    }
}
