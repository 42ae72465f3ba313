//! What only a running server tells: the network namespace that it has, and whom it refused. Needs root and redis-server.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const NAMESPACE: &str = "network.server-namespace";
const REFUSED: &str = "monitoring.refused-clients";

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server on a socket, started by a shell's line.
fn server(dir: &Path, before: &str, own_network: bool) -> Server {
    let script = format!(
        "{before} exec redis-server --port 0 --save '' --unixsocket {}",
        dir.join("s").display()
    );
    let mut command = match own_network {
        true => Command::new("unshare"),
        false => Command::new("env"),
    };
    command.args(own_network.then_some("--net"));
    let child = command
        .args(["sh", "-c", &script])
        .current_dir(dir)
        .stdout(Stdio::null())
        .spawn()
        .expect("unshare and redis-server are installed");
    let until = Instant::now() + Duration::from_secs(20);
    while std::os::unix::net::UnixStream::connect(dir.join("s")).is_err() {
        assert!(Instant::now() < until, "redis-server listens");
        std::thread::sleep(Duration::from_millis(20));
    }
    Server(child)
}

/// The status of a control, and what was observed, one for each finding.
fn judged(dir: &Path, control: &str) -> (String, Vec<String>) {
    let policy = dir.join("policy.toml");
    let text = format!(
        "[redis]\nunix-socket = \"{}\"\n[kernel]\nsomaxconn = 4096\n",
        dir.join("s").display()
    );
    std::fs::write(&policy, text).expect("our own directory");
    let output = Command::new(env!("CARGO_BIN_EXE_redis-harden"))
        .arg("--policy")
        .arg(&policy)
        .args(["check", "--format", "json", "--only", control])
        .output()
        .expect("it starts");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let at = |pointer: &str| report.pointer(pointer).expect("as the schema says");
    let findings = at("/controls/0/findings").as_array().expect("a list");
    let observed = findings
        .iter()
        .map(|f| f.get("observed").map_or_else(String::new, Value::to_string));
    let status = at("/controls/0/status").as_str().expect("a word");
    (status.to_owned(), observed.collect())
}

#[test]
fn the_backlog_of_another_network_namespace_is_read_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let low = "echo 128 > /proc/sys/net/core/somaxconn; echo 4096 > /proc/sys/net/ipv4/tcp_max_syn_backlog;";
    let ours = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("read");
    let running = server(dir.path(), low, true);
    let (status, observed) = judged(dir.path(), NAMESPACE);
    assert_eq!(status, "fail");
    assert!(
        observed.first().is_some_and(|o| o.contains("128")),
        "{observed:?}"
    );
    assert!(
        observed.last().is_some_and(|o| o.contains("4096")),
        "{observed:?}"
    );
    drop(running);

    let high = low.replace("128", "8192");
    let running = server(dir.path(), &high, true);
    assert_eq!(judged(dir.path(), NAMESPACE).0, "pass");
    drop(running);

    let running = server(dir.path(), "", false);
    assert_eq!(judged(dir.path(), NAMESPACE).0, "not-applicable");
    drop(running);
    let after = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("read");
    assert_eq!(ours, after, "this machine's own is as it was");
}

#[test]
fn a_client_that_was_refused_is_told_of_and_never_what_it_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let _running = server(dir.path(), "", false);
    assert_eq!(judged(dir.path(), REFUSED).0, "pass");
    let socket = dir.path().join("s");
    let client = |words: &[&str]| {
        let output = Command::new("redis-cli")
            .arg("-s")
            .arg(&socket)
            .args(words)
            .output();
        String::from_utf8_lossy(&output.expect("redis-cli").stdout).into_owned()
    };
    client(&["ACL", "SETUSER", "app", "on", ">right", "~*", "+get"]);
    assert!(client(&["AUTH", "s3cret-typed-as-a-name", "wrong"]).contains("WRONGPASS"));
    let refused = client(&["--user", "app", "--pass", "right", "FLUSHALL"]);
    assert!(refused.contains("NOPERM"), "{refused}");
    let (status, observed) = judged(dir.path(), REFUSED);
    assert_eq!(status, "fail");
    let told = observed.join(" ");
    assert!(told.contains("auth refused 1 times"), "{told}");
    assert!(told.contains("command refused 1 times"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
    client(&["ACL", "LOG", "RESET"]);
    assert_eq!(judged(dir.path(), REFUSED).0, "pass");
}
