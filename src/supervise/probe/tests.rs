//! The probe against a scripted server.
#![expect(clippy::disallowed_methods, reason = "a test's own server")]

use super::*;
use crate::setting::tls::pair::Files;
use nix::poll::{PollFd, PollTimeout, poll};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

/// A server's socket in a directory of its own, and a probe of it.
fn scripted() -> (tempfile::TempDir, UnixListener, Probe) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    (dir, listener, probe_of(Target::Unix(path)))
}

fn probe_of(target: Target) -> Probe {
    Probe {
        target,
        auth: command(&["AUTH", "agent", "secret"]),
        link: None,
        deadline: None,
        also: Also::Nothing,
        told: None,
        said: None,
    }
}

fn read(stream: &mut UnixStream) -> String {
    let mut buffer = [0; 256];
    let size = stream.read(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..size]).into_owned()
}

/// Polls until there is an answer.
fn answer(probe: &mut Probe) -> Answer {
    for _ in 0..20 {
        let (fd, flags) = probe.interest().expect("an answer is awaited");
        poll(&mut [PollFd::new(fd, flags)], PollTimeout::from(500u16)).unwrap();
        if let Some(answer) = probe.hear() {
            return answer;
        }
    }
    panic!("no answer");
}

#[test]
fn each_reply_has_its_class() {
    let cases = [
        ("+OK\r\n+PONG\r\n", Answer::Pong),
        (
            "+OK\r\n-LOADING Redis is\r\n",
            Answer::Loading("LOADING Redis is".into()),
        ),
        (
            "+OK\r\n-BUSY a script\r\n",
            Answer::Busy("BUSY a script".into()),
        ),
        (
            "+OK\r\n-MISCONF no disk\r\n",
            Answer::Misconf("MISCONF no disk".into()),
        ),
        (
            "-WRONGPASS bad\r\n-NOAUTH first\r\n",
            Answer::Error("WRONGPASS bad".into()),
        ),
    ];
    for (reply, expected) in cases {
        let (_dir, listener, mut probe) = scripted();
        assert_eq!(probe.ask(Also::Nothing, Instant::now()), None);
        let (mut server, _) = listener.accept().unwrap();
        assert!(read(&mut server).contains("$4\r\nAUTH\r\n$5\r\nagent\r\n$6\r\nsecret\r\n"));
        server.write_all(reply.as_bytes()).unwrap();
        assert_eq!(answer(&mut probe), expected);
    }
}

#[test]
fn the_connection_is_kept_and_a_cut_one_is_made_anew() {
    let (_dir, listener, mut probe) = scripted();
    probe.ask(Also::Nothing, Instant::now());
    let (mut server, _) = listener.accept().unwrap();
    read(&mut server);
    server.write_all(b"+OK\r\n+PONG\r\n").unwrap();
    answer(&mut probe);
    assert_eq!(probe.ask(Also::Nothing, Instant::now()), None);
    assert_eq!(read(&mut server), "*1\r\n$4\r\nPING\r\n");
    drop(server);
    assert_eq!(probe.hear(), None);
    let (mut server, _) = listener.accept().unwrap();
    assert!(read(&mut server).contains("AUTH"));
    server.write_all(b"+OK\r\n+PONG\r\n").unwrap();
    assert_eq!(answer(&mut probe), Answer::Pong);
}

#[test]
fn what_a_full_server_says_before_it_closes_counts() {
    let (_dir, listener, mut probe) = scripted();
    let said = "ERR max number of clients reached";
    probe.ask(Also::Nothing, Instant::now());
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(format!("-{said}\r\n").as_bytes()).unwrap();
    drop(server);
    assert_eq!(answer(&mut probe), Answer::Error(said.into()));
}

#[test]
fn nothing_else_is_asked_while_an_answer_is_awaited() {
    let (_dir, listener, mut probe) = scripted();
    probe.ask(Also::Nothing, Instant::now());
    let (mut server, _) = listener.accept().unwrap();
    read(&mut server);
    server.write_all(b"+OK\r\n+PONG\r\n").unwrap();
    answer(&mut probe);
    assert!(!probe.waits());
    probe.ask(Also::MakeRoom, Instant::now());
    assert!(probe.waits());
    assert_eq!(probe.ask(Also::Leave, Instant::now()), None);
    let asked = read(&mut server);
    assert!(asked.contains("KILL") && !asked.contains("SHUTDOWN"));
    // Nor is it what the next connection is asked: whoever wanted it would take the other's answer for its own.
    drop(server);
    assert_eq!(probe.hear(), None);
    let (mut server, _) = listener.accept().unwrap();
    let asked = read(&mut server);
    assert!(asked.contains("KILL") && !asked.contains("SHUTDOWN"));
}

#[test]
fn silence_is_a_timeout_and_a_late_reply_still_counts() {
    let (_dir, listener, mut probe) = scripted();
    let start = Instant::now();
    probe.ask(Also::Nothing, start);
    let (mut server, _) = listener.accept().unwrap();
    assert_eq!(probe.late(start), None);
    assert_eq!(probe.late(start + PATIENCE), Some(Answer::Timeout));
    probe.ask(Also::Nothing, start + PATIENCE);
    server.write_all(b"+OK\r\n+PONG\r\n").unwrap();
    assert_eq!(answer(&mut probe), Answer::Pong);
}

#[test]
fn nobody_listening_is_a_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let mut probe = probe_of(Target::Unix(dir.path().join("none")));
    assert!(matches!(
        probe.ask(Also::Nothing, Instant::now()),
        Some(Answer::Refused(_))
    ));
    let free = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut probe = probe_of(Target::Tcp(free));
    let refused = probe
        .ask(Also::Nothing, Instant::now())
        .unwrap_or_else(|| answer(&mut probe));
    assert_eq!(refused, Answer::Refused("connection refused".into()));
}

#[test]
fn what_is_asked_beside_the_ping_does_not_decide_and_is_kept() {
    let (_dir, listener, mut probe) = scripted();
    assert_eq!(probe.ask(Also::Account, Instant::now()), None);
    let (mut server, _) = listener.accept().unwrap();
    assert!(read(&mut server).ends_with("$7\r\nclients\r\n"));
    // In pieces, and the PING's error is what counts.
    server
        .write_all(b"+OK\r\n-MISCONF no disk\r\n$9\r\nabc:")
        .unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(probe.hear(), None);
    server
        .write_all(b"1\r\nd:\r\n$2\r\ne:\r\n$2\r\nf:\r\n")
        .unwrap();
    assert_eq!(
        answer(&mut probe),
        Answer::Misconf("MISCONF no disk".into())
    );
    assert_eq!(probe.take_told().as_deref(), Some("abc:1\r\nd:e:f:"));
    assert_eq!(probe.take_told(), None);

    let files = Files {
        cert: "/tls/a.crt".into(),
        key: "/tls/a.key".into(),
        ca: "/tls/ca.crt".into(),
    };
    assert_eq!(probe.ask(Also::Renew(files), Instant::now()), None);
    let asked = "*8\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$13\r\ntls-cert-file\r\n$10\r\n/tls/a.crt\r\n";
    assert!(read(&mut server).contains(asked));
    server.write_all(b"+PONG\r\n-ERR no such key\r\n").unwrap();
    assert_eq!(answer(&mut probe), Answer::Pong);
    assert_eq!(probe.take_said().as_deref(), Some("-ERR no such key"));
    assert_eq!(probe.take_said(), None);

    assert_eq!(probe.ask(Also::Unblock, Instant::now()), None);
    assert!(read(&mut server).contains("SCRIPT"));
    server
        .write_all(b"+PONG\r\n-NOTBUSY\r\n-NOTBUSY\r\n")
        .unwrap();
    assert_eq!(answer(&mut probe), Answer::Pong);
}
