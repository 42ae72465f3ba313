//! Each role does its work on a real server, with `default` off, by a program that nobody here wrote.

use super::users::{file, password};
use crate::support::server::{Program, Server, free_port};
use redis::{Connection, RedisResult, cmd};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_sentinel_fails_over_to_a_replica_with_the_users_of_their_roles() {
    fail_over(&Program {
        name: "redis-server",
        root: None,
    });
    // `tests/full roles` names a Debian 13 tree.
    if let Some(tree) = std::env::var_os("REDIS_HARDEN_TRIXIE").map(PathBuf::from) {
        for name in ["redis-server", "valkey-server"] {
            let root = Some(tree.as_path());
            fail_over(&Program { name, root });
        }
    }
}

fn fail_over(program: &Program) {
    let replication = [
        "--masteruser",
        "replica",
        "--masterauth",
        &password("replica"),
    ];
    let primary = Server::of(program, &replication, &file());
    let of = primary.port.to_string();
    let follow = ["--replicaof", "127.0.0.1", &of];
    let replica = Server::of(program, &[&replication[..], &follow].concat(), &file());
    let _: () = cmd("SET")
        .arg(&["kept", "1"])
        .query(&mut login(&primary, "application"))
        .expect("an application writes");
    let mut there = login(&replica, "read-only");
    wait_for(|| cmd("GET").arg("kept").query(&mut there) == Ok(Some(1)));

    let (_sentinel, _dir, port) = sentinel(program, &primary);
    let mut asked = at(port);
    wait_for(|| {
        tells(&mut asked, "num-slaves") == "1" && !tells(&mut asked, "flags").contains('_')
    });
    forge(&primary, replica.port);
    drop(primary);
    let there = replica.port.to_string();
    wait_for(|| tells(&mut asked, "port") == there);
    let mut writes = login(&replica, "application");
    wait_for(|| cmd("SET").arg(&["kept", "2"]).query(&mut writes) == Ok(()));
}

/// Who may speak on Sentinel's channel names the primary: without a vote, and without a word to the servers.
fn forge(primary: &Server, port: u16) {
    let hello = format!("127.0.0.1,1,{},9,m,127.0.0.1,{port},9", "a".repeat(40));
    let mut application = login(primary, "application");
    refused(&mut application, &["PUBLISH", "__sentinel__:hello", &hello]);
    refused(&mut application, &["SUBSCRIBE", "__sentinel__:hello"]);
    refused(&mut application, &["PSUBSCRIBE", "*"]);
    for channel in ["news", "_own", "__keyspace@0__:key"] {
        let told: RedisResult<i64> = cmd("PUBLISH").arg(&[channel, "x"]).query(&mut application);
        assert_eq!(told, Ok(0), "{channel}");
    }
}

fn sentinel(program: &Program, primary: &Server) -> (Running, TempDir, u16) {
    let port = free_port();
    let root = program.root.unwrap_or(Path::new("/"));
    let dir = tempfile::tempdir_in(root.join("tmp")).expect("a directory");
    let inside = Path::new("/").join(dir.path().strip_prefix(root).expect("below it"));
    let text = format!(
        "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor m 127.0.0.1 {} 1\nsentinel auth-user m sentinel\n\
         sentinel auth-pass m {}\nsentinel down-after-milliseconds m 500\nsentinel failover-timeout m 5000\n",
        inside.display(),
        primary.port,
        password("sentinel"),
    );
    std::fs::write(dir.path().join("sentinel.conf"), text).expect("its file");
    let mut command = match program.root {
        None => Command::new(program.name),
        Some(root) => {
            let mut command = Command::new("chroot");
            command.arg(root).arg(program.name);
            command
        }
    };
    command.arg(inside.join("sentinel.conf")).arg("--sentinel");
    let child = command.stdout(Stdio::null()).spawn().expect("it starts");
    (Running(child), dir, port)
}

/// A field of what Sentinel says of its master.
fn tells(connection: &mut Connection, field: &str) -> String {
    let reply: RedisResult<std::collections::BTreeMap<String, String>> =
        cmd("SENTINEL").arg(&["MASTER", "m"]).query(connection);
    let told = reply.expect("it answers");
    told.get(field).cloned().unwrap_or_default()
}

#[test]
fn redis_exporter_scrapes_as_metrics_and_reads_no_key() {
    let server = Server::start(&[], &file());
    let port = free_port();
    let mut exporter = Command::new("prometheus-redis-exporter");
    exporter
        .arg(format!("--redis.addr=unix://{}", server.socket().display()))
        .arg("--redis.user=metrics")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--config-command=-")
        .env("REDIS_PASSWORD", password("metrics"))
        .stderr(Stdio::null());
    let _exporter = Running(exporter.spawn().expect("tests/install-deps installs it"));
    let mut page = String::new();
    wait_for(|| scrape(port, &mut page).is_ok());
    for line in [
        "redis_up 1",
        "redis_slowlog_length ",
        "redis_connected_clients ",
        "redis_commands_total{cmd=\"",
        "redis_last_slow_execution_duration_seconds ",
        "redis_exporter_last_scrape_error{err=\"\"} 0",
    ] {
        assert!(page.contains(line), "no {line} in:\n{page}");
    }
    let mut metrics = login(&server, "metrics");
    for words in [&["GET", "x"][..], &["CONFIG", "GET", "*"], &["KEYS", "*"]] {
        refused(&mut metrics, words);
    }
}

fn scrape(port: u16, page: &mut String) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    page.clear();
    stream.read_to_string(page).map(drop)
}

#[test]
fn redis_cli_copies_a_server_as_backup_which_changes_nothing() {
    let server = Server::start(&[], &file());
    let _: () = cmd("SET")
        .arg(&["kept", "1"])
        .query(&mut login(&server, "application"))
        .expect("an application writes");
    let copy = server.dir.path().join("copy.rdb");
    let mut cli = Command::new("redis-cli");
    cli.arg("-s").arg(server.socket());
    cli.args(["--user", "backup", "--rdb"]).arg(&copy);
    cli.env("REDISCLI_AUTH", password("backup"));
    let output = cli.output().expect("Debian's redis-tools");
    assert!(output.status.success(), "{output:?}");
    let dir = copy.parent().expect("it has one").display().to_string();
    let read = Server::start(&["--dir", &dir, "--dbfilename", "copy.rdb"], &file());
    let there = cmd("GET").arg("kept").query(&mut login(&read, "read-only"));
    assert_eq!(there, Ok(Some(1)));

    let mut backup = login(&server, "backup");
    let mut idle = |also: &str| {
        let info: String = cmd("INFO").query(&mut backup).expect("it tells");
        info.contains("rdb_bgsave_in_progress:0") && info.contains(also)
    };
    // The child that sent the copy is a save too.
    wait_for(|| idle(""));
    let _: String = cmd("BGSAVE")
        .query(&mut login(&server, "backup"))
        .expect("it starts");
    wait_for(|| idle("rdb_last_bgsave_status:ok"));
    for words in [
        &["SET", "x", "1"][..],
        &["FLUSHALL"],
        &["CONFIG", "SET", "dir", "/tmp"],
        &["SHUTDOWN"],
    ] {
        refused(&mut backup, words);
    }
}

/// What the guides rename away is refused, and the log of writes is replayed all the same.
#[test]
fn an_application_is_refused_what_is_dangerous_and_the_append_only_file_is_replayed() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = [
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--dir",
        dir.path().to_str().expect("text"),
    ];
    let server = Server::start(&options, &file());
    let _: () = cmd("SET")
        .arg(&["gone", "1"])
        .query(&mut login(&server, "application"))
        .expect("it writes");
    let _: () = cmd("FLUSHALL")
        .query(&mut login(&server, "admin"))
        .expect("admin may");
    let mut application = login(&server, "application");
    let _: () = cmd("SET")
        .arg(&["kept", "1"])
        .query(&mut application)
        .expect("it writes");
    for words in [
        &["FLUSHALL"][..],
        &["FLUSHDB"],
        &["CONFIG", "GET", "dir"],
        &["KEYS", "*"],
        &["SHUTDOWN"],
        &["EVAL", "return 1", "0"],
        &["REPLICAOF", "127.0.0.1", "1"],
    ] {
        refused(&mut application, words);
    }
    drop(server);
    let server = Server::start(&options, &file());
    let mut reads = login(&server, "read-only");
    wait_for(|| cmd("GET").arg("kept").query(&mut reads) == Ok(Some(1)));
    assert_eq!(cmd("EXISTS").arg("gone").query(&mut reads), Ok(0));
    refused(&mut reads, &["SET", "kept", "2"]);
}

#[track_caller]
fn refused(connection: &mut Connection, words: &[&str]) {
    let (name, arguments) = words.split_first().expect("a command");
    let answer: RedisResult<redis::Value> = cmd(name).arg(arguments).query(connection);
    let error = answer.expect_err("it may not");
    assert_eq!(error.code(), Some("NOPERM"), "{words:?}: {error}");
}

fn login(server: &Server, user: &str) -> Connection {
    let mut connection = server.connect();
    let _: () = cmd("AUTH")
        .arg(&[user, &password(user)])
        .query(&mut connection)
        .unwrap_or_else(|e| panic!("{user} logs in: {e}"));
    connection
}

fn at(port: u16) -> Connection {
    let client = redis::Client::open(("127.0.0.1", port)).expect("an address");
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match client.get_connection() {
            Ok(connection) => return connection,
            Err(e) => assert!(Instant::now() < until, "{e}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn wait_for(mut there: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !there() {
        assert!(Instant::now() < until, "nothing in 30 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}
