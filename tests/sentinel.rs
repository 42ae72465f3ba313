//! Three real Sentinels: what we read of their files is what they say of themselves.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

mod support {
    pub mod server;
}

use redis_harden::redis::sentinel::Sentinel;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::server::{Server, free_port};

/// Ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sentinel(dir: &Path, port: u16, master: u16) -> Running {
    let file = dir.join(format!("{port}.conf"));
    let text = format!(
        "bind 127.0.0.1\nport {port}\ndir {}\nlogfile {port}.log\nsentinel monitor m 127.0.0.1 {master} 2\n",
        dir.display()
    );
    fs::write(&file, text).expect("our own directory");
    let mut command = Command::new("redis-server");
    command.arg(&file).arg("--sentinel").stdout(Stdio::null());
    Running(command.spawn().expect("Debian's redis-server"))
}

fn ask(port: u16, words: &[&str]) -> String {
    let mut cli = Command::new("redis-cli");
    cli.args(["-p", &port.to_string()]).args(words);
    let output = cli.output().expect("Debian's redis-tools");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn our_reading_agrees_with_ckquorum() {
    let master = Server::start(&[], "");
    let dir = tempfile::tempdir().expect("a scratch directory");
    let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let read = |port: &u16| {
        let text = fs::read_to_string(dir.path().join(format!("{port}.conf")));
        Sentinel::parse(&text.expect("its file"))
    };
    let one = sentinel(dir.path(), ports[0], master.port);
    wait_for(|| ask(ports[0], &["SENTINEL", "CKQUORUM", "m"]).starts_with("NOQUORUM"));
    let alone = read(&ports[0]);
    assert_eq!(
        alone.masters[0].agreement().as_deref(),
        Some("m:only-1-sentinels")
    );

    let others: Vec<Running> = ports[1..]
        .iter()
        .map(|p| sentinel(dir.path(), *p, master.port))
        .collect();
    for port in &ports {
        wait_for(|| {
            ask(*port, &["SENTINEL", "CKQUORUM", "m"]).starts_with("OK 3 usable Sentinels")
        });
        // It writes its file when it has met somebody.
        wait_for(|| read(port).masters[0].agreement().is_none());
        assert_eq!(read(port).masters[0].others, 2);
    }
    ask(ports[0], &["SENTINEL", "SET", "m", "quorum", "1"]);
    wait_for(|| read(&ports[0]).masters[0].agreement().as_deref() == Some("m:quorum-1-of-3"));
    ask(ports[0], &["SENTINEL", "SET", "m", "auth-pass", "s3"]);
    wait_for(|| read(&ports[0]).masters[0].authenticates);
    assert!(!read(&ports[0]).asks_password);
    ask(ports[0], &["CONFIG", "SET", "requirepass", "s3"]);
    ask(
        ports[0],
        &["ACL", "SETUSER", "default", "on", "resetpass", ">s3"],
    );
    ask(ports[0], &["-a", "s3", "SENTINEL", "FLUSHCONFIG"]);
    wait_for(|| read(&ports[0]).asks_password);
    drop((one, others));
}

fn wait_for(mut there: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !there() {
        assert!(Instant::now() < until, "nothing in 30 s");
        std::thread::sleep(Duration::from_millis(100));
    }
}
