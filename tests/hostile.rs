//! A server of this host that means harm: the socket's directory is the redis user's, so whatever listens there may be an attacker.
//! Root's commands end in bounded time and memory, and call what they were not told unknown.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A second for each of some conversations, and what a debug build takes to judge.
const BOUND: Duration = Duration::from_secs(12);

/// Mebibytes: an answer is cut at 8 MiB, and what is parsed of it takes a multiple.
const MOST_MEMORY: u64 = 300;

/// Answers every client by `serve`, each in a thread of its own.
fn listen(dir: &Path, serve: fn(&mut UnixStream)) {
    let listener = UnixListener::bind(dir.join("s")).expect("our own directory");
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.expect("a client");
            std::thread::spawn(move || serve(&mut client));
        }
    });
}

struct Ended {
    code: Option<i32>,
    took: Duration,
    /// Peak resident memory, in MiB.
    memory: u64,
    out: String,
}

fn run(dir: &Path, args: &[&str]) -> Ended {
    let policy = dir.join("policy.toml");
    let text = format!(
        "[redis]\nport = 0\nunix-socket = \"{}\"\n",
        dir.join("s").display()
    );
    fs::write(&policy, text).expect("our own directory");
    let out = fs::File::create(dir.join("out")).expect("our own directory");
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_redis-harden"))
        .arg("--policy")
        .arg(&policy)
        .args(args)
        .stdout(out)
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut memory = 0;
    let code = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id()));
        let peak = status.unwrap_or_default();
        let peak = peak.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        memory = memory.max(kib.unwrap_or(0) / 1024);
        if let Some(status) = child.try_wait().expect("our own child") {
            break status.code();
        }
        if start.elapsed() > BOUND + Duration::from_secs(20) {
            child.kill().expect("our own child");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let out = fs::read_to_string(dir.join("out")).expect("its output");
    let took = start.elapsed();
    Ended {
        code,
        took,
        memory,
        out,
    }
}

fn is_withstood(name: &str, serve: fn(&mut UnixStream)) {
    let dir = tempfile::tempdir().expect("a directory");
    listen(dir.path(), serve);
    let ended = run(dir.path(), &["check", "--format", "json"]);
    println!("{name}: {:?}, {} MiB", ended.took, ended.memory);
    assert!(ended.took < BOUND, "{name}: {:?}", ended.took);
    assert!(ended.memory < MOST_MEMORY, "{name}: {} MiB", ended.memory);
    assert_eq!(ended.code, Some(2), "{name}: {}", ended.out);
    let report: Value = serde_json::from_str(&ended.out).expect("JSON");
    let controls = report.get("controls").and_then(Value::as_array);
    let status = |id: &str| {
        let mut named = controls
            .expect("controls")
            .iter()
            .filter(|c| c.get("id").and_then(Value::as_str) == Some(id));
        let status = named.next().and_then(|c| c.get("status")?.as_str());
        status.expect("a status").to_owned()
    };
    for id in [
        "acl.no-password",
        "acl.unknown-users",
        "memory.maxmemory-set",
    ] {
        assert_eq!(status(id), "unknown", "{name}: {id}");
    }
    assert!(["pass", "fail"].contains(&status("kernel.swappiness").as_str()));
    for command in [&["status"][..], &["plan"], &["explain", "acl.anonymous"]] {
        let ended = run(dir.path(), command);
        assert!(ended.took < BOUND, "{name}: {command:?} {:?}", ended.took);
        assert!(ended.memory < MOST_MEMORY, "{name}: {command:?}");
    }
}

fn heard(client: &mut UnixStream) {
    let _ = client.read(&mut [0; 4096]);
}

/// Until the other side has had enough.
fn endless(client: &mut UnixStream, piece: &[u8], pause: Duration) {
    while client.write_all(piece).is_ok() {
        std::thread::sleep(pause);
    }
}

#[test]
fn one_that_drips_is_given_up() {
    is_withstood("drip", |client| {
        heard(client);
        let _ = client.write_all(b"$100000\r\n");
        endless(client, b"x", Duration::from_millis(300));
    });
}

#[test]
fn one_that_says_nothing_is_given_up() {
    is_withstood("silence", |client| {
        heard(client);
        std::thread::sleep(Duration::from_secs(60));
    });
}

#[test]
fn one_that_announces_gigabytes_gets_no_memory_for_them() {
    is_withstood("huge", |client| {
        heard(client);
        let _ = client.write_all(b"$5000000000\r\n");
        endless(client, &[b'x'; 65536], Duration::ZERO);
    });
}

#[test]
fn an_array_without_end_is_cut() {
    is_withstood("array", |client| {
        heard(client);
        let _ = client.write_all(b"*1000000000\r\n");
        endless(client, &b":1\r\n".repeat(10000), Duration::ZERO);
    });
}

#[test]
fn arrays_in_arrays_do_not_overflow_the_stack() {
    is_withstood("nested", |client| {
        heard(client);
        endless(client, &b"*1\r\n".repeat(10000), Duration::ZERO);
    });
}

#[test]
fn garbage_is_no_answer() {
    is_withstood("garbage", |client| {
        heard(client);
        let _ = client.write_all(b"\x1b[2J\xff\xfe\0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    });
}

/// It claims to be another process than the one that listens: what is known of that one would say nothing of this one.
#[test]
fn the_process_that_a_server_names_is_believed_only_where_the_kernel_agrees() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("real");
    let mut server = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(dir.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("Debian's redis-server");
    let until = Instant::now() + Duration::from_secs(10);
    while UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < until, "it listens");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The real server's answers, unchanged, by somebody else: it names its own process, and this test listens.
    let listener = UnixListener::bind(dir.path().join("s")).expect("our own directory");
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.expect("a client");
            let real = UnixStream::connect(&socket).expect("the real server");
            for (mut from, mut to) in [
                (
                    client.try_clone().expect("dup"),
                    real.try_clone().expect("dup"),
                ),
                (real, client),
            ] {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    let ended = run(
        dir.path(),
        &[
            "check",
            "--only",
            "account.process-user,account.process-capabilities,compromise.program",
        ],
    );
    server.kill().expect("our own child");
    server.wait().expect("our own child");
    assert_eq!(ended.code, Some(2), "{}", ended.out);
    assert_eq!(
        ended.out.matches("and the kernel that it is").count(),
        3,
        "{}",
        ended.out
    );
}
