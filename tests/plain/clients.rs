//! Clients that nobody here wrote read and write through the rotation of their password: redis-py, ioredis, redis-cli, the crate `redis`.
//! They are this machine's, in the network of the one that is tested; each logs in anew with what the password file says, and one
//! connection of each stays.

use super::machine::{BINARY, applied, secret};
use crate::support::plain::Plain;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PORT: &str = "6379";

/// Replaces a password twice, and has each former one end, while they are at work.
#[test]
fn clients_of_others_are_not_refused_while_their_password_is_replaced() {
    let installed = Command::new(here("install")).output().expect("it runs");
    assert!(installed.status.success(), "{installed:?}");
    let installed = String::from_utf8(installed.stdout).expect("a path");
    let installed = Path::new(installed.trim());
    let plain = applied();
    let stop = plain.root().join("tmp/stop");
    let python = installed.join("bin/python");
    let all = [
        ("redis-py", vec![python, here("load.py")]),
        ("ioredis", vec!["node".into(), here("load.js")]),
        ("redis-cli", vec!["sh".into(), here("load.sh")]),
    ];
    let all = all.map(|(name, words)| (name, begin(&plain, &words, installed, &stop)));
    let ends = AtomicBool::new(false);
    let done = std::thread::scope(|scope| {
        let by_crate = scope.spawn(|| by_crate(&plain, &ends));
        for _ in 0..2 {
            std::thread::sleep(Duration::from_secs(1));
            plain.exec(&[BINARY, "secret", "rotate", "app"]).ok();
            std::thread::sleep(Duration::from_secs(1));
            plain
                .exec(&[BINARY, "secret", "rotate", "app", "--finish"])
                .ok();
        }
        std::thread::sleep(Duration::from_secs(1));
        ends.store(true, Ordering::Relaxed);
        by_crate.join().expect("no request fails")
    });
    std::fs::write(&stop, "").expect("its own /tmp");
    println!("the crate redis: {done} requests");
    assert!(done > 50);
    for (name, child) in all {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{name}: {output:?}");
        let done: u32 = String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .expect("a number");
        println!("{name}: {done} requests");
        assert!(done > 10, "{name}: {done}");
    }
}

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

/// A program of this machine, in the other's network.
fn begin(plain: &Plain, words: &[PathBuf], installed: &Path, stop: &Path) -> Child {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", plain.network().display()));
    command.args(words);
    command
        .env("PORT", PORT)
        .env("USER", "app")
        .env("SECRET", file(plain))
        .env("STOP", stop)
        .env("MODULES", installed)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("nsenter is util-linux's")
}

fn file(plain: &Plain) -> PathBuf {
    plain.root().join(secret("app").trim_start_matches('/'))
}

/// By the unix socket, which is reached through the other's root.
fn by_crate(plain: &Plain, ends: &AtomicBool) -> u32 {
    let connect = || {
        let password = std::fs::read_to_string(file(plain)).expect("the password file");
        let socket = plain.root().join("run/redis/redis-server.sock");
        let url = format!(
            "redis+unix://{}?user=app&pass={}",
            socket.display(),
            password.trim()
        );
        let client = redis::Client::open(url).expect("a URL");
        client.get_connection().expect("it is let in")
    };
    let (mut stays, mut done) = (connect(), 0);
    while !ends.load(Ordering::Relaxed) {
        let mut comes = connect();
        for connection in [&mut stays, &mut comes] {
            done += 1;
            let _: () = redis::cmd("SET")
                .arg("load:rs")
                .arg(done)
                .query(connection)
                .expect("it writes");
            let read: u32 = redis::cmd("GET")
                .arg("load:rs")
                .query(connection)
                .expect("it reads");
            assert_eq!(read, done);
        }
    }
    done
}
