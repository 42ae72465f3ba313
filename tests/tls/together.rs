//! One certificate of `tls sign` in each part that it has: a server's, a replica's, a cluster node's and a Sentinel's, on the
//! directives that `[tls]` renders. Nothing is in clear text, and everybody demands a certificate.

use redis_harden::policy::Policies;
use redis_harden::redis::config::directives;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Running {
    process: Child,
    port: u16,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(program: &str, words: &[&str], dir: &Path) -> String {
    let output = Command::new(program)
        .args(words)
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{program} {words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An authority and one pair, signed for a request of openssl's.
fn signed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let binary = env!("CARGO_BIN_EXE_redis-harden");
    run(
        binary,
        &["tls", "init", "--authority-only", "--ca", "ca"],
        dir.path(),
    );
    let ask = "req -new -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout a.key -out a.csr -subj /CN=a -addext subjectAltName=IP:127.0.0.1";
    run("openssl", &ask.split(' ').collect::<Vec<_>>(), dir.path());
    let certificate = run(binary, &["tls", "sign", "a.csr", "--ca", "ca"], dir.path());
    fs::write(dir.path().join("a.crt"), certificate).unwrap();
    dir
}

fn free() -> u16 {
    // The bus of a cluster's node is 10000 above.
    loop {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let bus = port.checked_add(10_000).map(|bus| ("127.0.0.1", bus));
        if bus.is_some_and(|bus| std::net::TcpListener::bind(bus).is_ok()) {
            return port;
        }
    }
}

/// What the policy renders of TLS, and these lines.
fn configuration(dir: &Path, port: u16, more: &str) -> String {
    let file = |name: &str| dir.join(name).display().to_string();
    let cluster = match more.contains("cluster-enabled") {
        true => "[redis.directives]\ncluster-enabled = \"yes\"\n",
        false => "",
    };
    let policy = format!(
        "[tls]\nenabled = true\nport = {port}\ncert = {:?}\nkey = {:?}\nca = {:?}\n{cluster}",
        file("a.crt"),
        file("a.key"),
        file("ca/ca.crt")
    );
    let policies = Policies::parse("test.toml", &policy).unwrap();
    let lines = directives(&policies.instances[0], 0, None);
    let lines = lines
        .iter()
        .filter(|(name, _)| name.starts_with("tls-") || name == "port");
    let lines: String = lines.map(|(n, v)| format!("{n} {v}\n")).collect();
    format!("{lines}bind 127.0.0.1\nsave \"\"\n{more}")
}

fn start(dir: &Path, name: &str, more: &str, sentinel: bool) -> Running {
    let port = free();
    let home = dir.join(name);
    fs::create_dir(&home).unwrap();
    let text = configuration(dir, port, more) + &format!("dir {}\n", home.display());
    let file = home.join("redis.conf");
    fs::write(&file, text).unwrap();
    let mut command = Command::new("redis-server");
    command.arg(&file).stdout(Stdio::null()).current_dir(dir);
    if sentinel {
        command.arg("--sentinel");
    }
    let process = command.spawn().expect("redis-server (tests/install-deps)");
    Running { process, port }
}

fn ask(dir: &Path, port: u16, words: &[&str]) -> String {
    let port = port.to_string();
    let login = ["-p", &port, "--tls", "--cacert", "ca/ca.crt"];
    let own = ["--cert", "a.crt", "--key", "a.key"];
    let all = [&login[..], &own, words].concat();
    let output = Command::new("redis-cli")
        .args(all)
        .current_dir(dir)
        .output();
    String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_replica_and_a_sentinel_take_it_and_are_taken() {
    let dir = signed();
    let dir = dir.path();
    let primary = start(dir, "primary", "", false);
    let of = format!("replicaof 127.0.0.1 {}\n", primary.port);
    let replica = start(dir, "replica", &of, false);
    let watch = format!("sentinel monitor m 127.0.0.1 {} 1\n", primary.port);
    let sentinel = start(dir, "sentinel", &watch, true);
    until("the replica's link", || {
        ask(dir, replica.port, &["info", "replication"]).contains("master_link_status:up")
    });
    until("what the sentinel sees", || {
        let master = ask(dir, sentinel.port, &["info", "sentinel"]);
        master.contains("status=ok") && master.contains("slaves=1")
    });
    ask(dir, primary.port, &["set", "k", "v"]);
    until("the key", || {
        ask(dir, replica.port, &["get", "k"]).trim() == "v"
    });
}

#[test]
fn two_nodes_of_a_cluster_meet_on_an_encrypted_bus() {
    let dir = signed();
    let dir = dir.path();
    let [one, two] = ["one", "two"].map(|name| start(dir, name, "cluster-enabled yes\n", false));
    until("the first node", || {
        ask(dir, one.port, &["ping"]).trim() == "PONG"
    });
    let port = two.port.to_string();
    ask(dir, one.port, &["cluster", "meet", "127.0.0.1", &port]);
    let knows = |node: &Running| {
        let nodes = ask(dir, node.port, &["cluster", "nodes"]);
        nodes.lines().count() == 2
            && !nodes.contains("handshake")
            && !nodes.contains("disconnected")
    };
    until("both nodes", || knows(&one) && knows(&two));
    // Whoever has no certificate is not heard on the bus.
    let bus = format!("127.0.0.1:{}", one.port + 10_000);
    let hello = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &bus,
            "-tls1_2",
            "-CAfile",
            "ca/ca.crt",
        ])
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!hello.status.success(), "{hello:?}");
}
