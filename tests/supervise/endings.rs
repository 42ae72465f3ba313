//! A requested stop in each situation that Redis ends, or does not end, in its own way. Source: `../shared/OPS.md` §1.4.

use super::instance::{Instance, signal};
use super::long::Client;
use super::runner::Test;
use nix::sys::signal::Signal::{SIGSTOP, SIGTERM};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const ALL: [Test; 7] = [
    (
        "what_is_in_memory_is_saved_at_a_stop",
        what_is_in_memory_is_saved_at_a_stop,
    ),
    (
        "with_an_append_only_file_a_stop_is_quick",
        with_an_append_only_file_a_stop_is_quick,
    ),
    (
        "a_stop_during_a_snapshot_makes_its_own",
        a_stop_during_a_snapshot_makes_its_own,
    ),
    (
        "a_stop_waits_for_a_healthy_replica",
        a_stop_waits_for_a_healthy_replica,
    ),
    (
        "a_stalled_replica_does_not_keep_a_stop",
        a_stalled_replica_does_not_keep_a_stop,
    ),
    (
        "a_stop_during_a_load_overwrites_nothing",
        a_stop_during_a_load_overwrites_nothing,
    ),
    (
        "a_stop_while_the_first_append_only_file_is_written_waits_for_it",
        a_stop_while_the_first_append_only_file_is_written_waits_for_it,
    ),
];

/// Stops it, and has it load again what it left: as many keys.
#[track_caller]
fn stops_within(mut instance: Instance, limit: Duration, keys: u32) {
    let start = Instant::now();
    signal(instance.supervisor_pid(), SIGTERM);
    assert_eq!(instance.ended(), 0, "{}", instance.output());
    let took = start.elapsed();
    assert!(took < limit, "{took:?}\n{}", instance.output());
    let rung = instance.last_words().rung;
    assert!(
        rung.as_deref().is_none_or(|rung| !rung.contains("KILL")),
        "{rung:?}"
    );
    instance.start();
    assert_eq!(instance.ask("DBSIZE"), format!(":{keys}"));
}

fn filled(settings: &[(&str, &str)], config: &str, keys: u32) -> Instance {
    let mut instance = Instance::new(settings, &format!("enable-debug-command yes\n{config}"));
    instance.start();
    assert_eq!(
        instance.ask(&format!("DEBUG POPULATE {keys} key 100")),
        "+OK"
    );
    instance
}

fn what_is_in_memory_is_saved_at_a_stop() {
    stops_within(filled(&[], "", 200_000), Duration::from_secs(5), 200_000);
}

fn with_an_append_only_file_a_stop_is_quick() {
    let mut instance = Instance::new(&[], "appendonly yes\nsave \"\"");
    instance.start();
    instance.ask("MSET a 1 b 2 c 3");
    stops_within(instance, Duration::from_secs(2), 3);
}

fn a_stop_during_a_snapshot_makes_its_own() {
    let instance = filled(&[], "", 1000);
    instance.ask("CONFIG SET rdb-key-save-delay 100000");
    assert_eq!(instance.ask("BGSAVE"), "+Background saving started");
    instance.ask("CONFIG SET rdb-key-save-delay 0");
    stops_within(instance, Duration::from_secs(5), 1000);
}

/// A plain server that follows the instance, in nobody's care.
struct Replica(
    Child,
    #[expect(dead_code, reason = "its directory goes with it")] tempfile::TempDir,
);

impl Replica {
    fn of(instance: &Instance, port: u16) -> Replica {
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new("redis-server")
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--masteruser",
                "admin",
                "--masterauth",
                "admin",
            ])
            .args([
                "--replicaof",
                "127.0.0.1",
                &port.to_string(),
                "--unixsocket",
            ])
            .arg(dir.path().join("s"))
            .arg("--dir")
            .arg(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while Client::of(instance).ask("WAIT 1 100").as_deref() != Some(":1") {
            assert!(Instant::now() < deadline, "no replica came");
            std::thread::sleep(Duration::from_millis(50));
        }
        Replica(child, dir)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn with_replica() -> (Instance, Replica) {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let config = format!("port {port}\nbind 127.0.0.1\nrepl-diskless-sync-delay 0");
    let own = port.to_string();
    let mut instance = Instance::new(&[("port", &own), ("stop-timeout", "\"30s\"")], &config);
    instance.start();
    instance.ask("SET key value");
    let replica = Replica::of(&instance, port);
    (instance, replica)
}

fn a_stop_waits_for_a_healthy_replica() {
    let (instance, _replica) = with_replica();
    stops_within(instance, Duration::from_secs(5), 1);
}

fn a_stalled_replica_does_not_keep_a_stop() {
    let (instance, replica) = with_replica();
    signal(replica.0.id().cast_signed(), SIGSTOP);
    instance.ask("SET other value");
    // shutdown-timeout is 10 s.
    stops_within(instance, Duration::from_secs(15), 2);
}

fn a_stop_during_a_load_overwrites_nothing() {
    let mut instance = filled(&[], "", 5000);
    signal(instance.supervisor_pid(), SIGTERM);
    assert_eq!(instance.ended(), 0);
    let conf = std::fs::read_to_string(instance.path("etc/test.conf")).unwrap();
    let gid = super::instance::redis().1;
    let slow =
        format!("{conf}\nkey-load-delay 10000\nloading-process-events-interval-bytes 1024\n");
    instance.write("test.conf", &slow, 0o640, gid);
    instance.supervisor = Some(instance.spawn("output"));
    instance.wait_for("a server that loads", |r| r.state.to_string() == "loading");
    let start = Instant::now();
    signal(instance.supervisor_pid(), SIGTERM);
    assert_eq!(instance.ended(), 0, "{}", instance.output());
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    instance.write("test.conf", &conf, 0o640, gid);
    instance.start();
    assert_eq!(instance.ask("DBSIZE"), ":5000");
}

fn a_stop_while_the_first_append_only_file_is_written_waits_for_it() {
    let instance = filled(&[("stop-timeout", "\"60s\"")], "", 1000);
    // A key takes so many microseconds: three seconds in all.
    instance.ask("CONFIG SET rdb-key-save-delay 3000");
    assert_eq!(instance.ask("CONFIG SET appendonly yes"), "+OK");
    let path = instance.path("etc/test.conf");
    let conf = std::fs::read_to_string(&path).unwrap();
    let gid = super::instance::redis().1;
    instance.write(
        "test.conf",
        &format!("{conf}\nappendonly yes\n"),
        0o640,
        gid,
    );
    stops_within(instance, Duration::from_secs(20), 1000);
}
