//! Servers that mean no good: each wait has an end, and so has what is taken from them; what they say moves no terminal.

use crate::issued::certificates;
use crate::server::free_port;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Connection, handshake, and answers: five seconds each, and a look at what else may be there.
const AT_MOST: Duration = Duration::from_secs(9);

/// What `check` says of it, in time.
fn said_of(url: &str, options: &[&str]) -> String {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_redis-harden"))
        .args(["check", "--url", url])
        .args(options)
        .env("REDISCLI_AUTH", "pw")
        .output()
        .expect("it runs");
    assert!(start.elapsed() < AT_MOST, "{url}: {:?}", start.elapsed());
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A port where this happens to every connection.
pub fn port_where(happens: fn(TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || happens(stream));
        }
    });
    port
}

fn silent(stream: TcpStream) {
    std::thread::sleep(Duration::from_secs(60));
    drop(stream);
}

/// A handshake record of 16 kB, a byte each fifth of a second.
fn drips(mut stream: TcpStream) {
    let _ = stream.write_all(&[0x16, 0x03, 0x03, 0x40, 0x00, 0x02]);
    while stream.write_all(&[0]).is_ok() {
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn one_that_accepts_and_says_nothing_is_given_up() {
    let port = port_where(silent);
    for scheme in ["redis", "rediss"] {
        let said = said_of(&format!("{scheme}://127.0.0.1:{port}"), &[]);
        assert!(said.contains("it took too long"), "{said}");
    }
}

#[test]
fn one_that_stalls_in_the_handshake_is_given_up() {
    let port = port_where(drips);
    let said = said_of(&format!("rediss://127.0.0.1:{port}"), &[]);
    assert!(
        said.contains("the TLS handshake: it took too long"),
        "{said}"
    );
}

#[test]
fn one_that_drips_an_answer_is_given_up() {
    let port = port_where(|mut stream| {
        while stream.write_all(b"-").is_ok() {
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let said = said_of(&format!("redis://127.0.0.1:{port}"), &[]);
    assert!(said.contains("it took too long"), "{said}");
}

#[test]
fn one_that_says_nothing_after_the_handshake_is_given_up() {
    let (dir, port) = (certificates(), free_port());
    let file = |name: &str| dir.path().join(name).display().to_string();
    let mut server = Command::new("openssl")
        .args(["s_server", "-quiet", "-accept", &port.to_string()])
        .args(["-cert", &file("direct.crt"), "-key", &file("direct.key")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed (tests/install-deps)");
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let url = format!("rediss://127.0.0.1:{port}");
    let said = said_of(&url, &["--cacert", &file("root.crt")]);
    server.kill().expect("it ends");
    server.wait().expect("it ends");
    assert!(said.contains("it took too long"), "{said}");
}

#[test]
fn an_answer_without_end_is_not_taken() {
    let port = port_where(|mut stream| {
        let _ = stream.write_all(b"$1000000000000\r\n");
        while stream.write_all(&[b'x'; 1 << 16]).is_ok() {}
    });
    let said = said_of(&format!("redis://127.0.0.1:{port}"), &[]);
    let ends = ["its answer does not end", "it took too long"];
    assert!(ends.iter().any(|end| said.contains(end)), "{said}");
}

#[test]
fn what_it_says_is_shown_and_not_obeyed() {
    let port = port_where(|mut stream| {
        let _ = stream.write_all(b"-ERR \x1b[2Jgone\r\n");
        silent(stream);
    });
    let said = said_of(&format!("redis://127.0.0.1:{port}"), &[]);
    assert!(
        said.contains("authentication failed: ERR \\u{1b}[2Jgone"),
        "{said}"
    );
}

/// Each answer comes within its own time, and they never end.
#[test]
fn one_that_is_slow_with_everything_is_given_up_as_a_whole() {
    let port = port_where(|mut stream| {
        let mut asked = [0; 4096];
        while stream.read(&mut asked).is_ok_and(|n| n > 0) {
            std::thread::sleep(Duration::from_secs(4));
            let _ = stream.write_all(b"+OK\r\n-ERR no\r\n+OK\r\n-ERR no\r\n-ERR no\r\n-ERR no\r\n");
        }
    });
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_redis-harden"))
        .args(["check", "--url", &format!("redis://127.0.0.1:{port}")])
        .env("REDISCLI_AUTH", "pw")
        .output()
        .expect("it runs");
    // 15 s for all of it, and a last look.
    assert!(
        start.elapsed() < Duration::from_secs(19),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(output.status.code(), Some(2));
}
