//! A real Redis that obeys an attacker: who may send every command still gets nowhere from it.
#![expect(
    unsafe_code,
    reason = "a server of an attacker's makes a raw system call"
)]

use super::instance::Instance;
use redis_harden::contain::verdict;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// All that a policy of ours would have turned off.
const OPEN: &str =
    "enable-module-command yes\nenable-protected-configs yes\nenable-debug-command yes";

fn waits_for(instance: &Instance, words: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !instance.output().contains(words) {
        assert!(
            Instant::now() < deadline,
            "no {words} in:\n{}",
            instance.output()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn every_command_is_not_enough_to_leave_the_sandbox() {
    let mut instance = Instance::new(&[], OPEN);
    let before = instance.start();
    let rogue = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = rogue.local_addr().unwrap().port();

    instance.ask(&format!("REPLICAOF 127.0.0.1 {port}"));
    // Redis says MASTER, Valkey PRIMARY.
    waits_for(&instance, "Unable to connect to ");
    waits_for(&instance, ": Permission denied");
    instance.ask("REPLICAOF NO ONE");
    instance.ask("SET key value");
    let migrated = instance.ask(&format!("MIGRATE 127.0.0.1 {port} key 0 1000"));
    assert!(migrated.starts_with("-IOERR"), "{migrated}");

    // A library is what a dump from a rogue primary would have become.
    let library = instance.path("data/planted.so");
    fs::copy("/lib/x86_64-linux-gnu/libz.so.1", &library).unwrap();
    fs::set_permissions(&library, PermissionsExt::from_mode(0o755)).unwrap();
    let loaded = instance.ask(&format!("MODULE LOAD {}", library.display()));
    assert!(loaded.starts_with("-ERR"), "{loaded}");
    waits_for(&instance, "failed to map segment from shared object");

    instance.ask("CONFIG SET dir /tmp");
    let saved = instance.ask("SAVE");
    assert!(saved.starts_with("-ERR"), "{saved}");
    // Where it may be again, so that it can end.
    let back = format!("CONFIG SET dir {}", instance.path("data").display());
    assert_eq!(instance.ask(&back), "+OK");
    let other = instance.ask("CONFIG SET port 6399");
    assert!(other.starts_with("-ERR"), "{other}");
    let after = instance.report().unwrap();
    assert_eq!((after.server_pid, after.restarts), (before.server_pid, 0));
}

pub fn a_crash_report_is_complete() {
    let mut instance = Instance::new(&[], OPEN);
    instance.start();
    use std::io::Write;
    let mut stream =
        std::os::unix::net::UnixStream::connect(instance.path("run/redis/redis.sock")).unwrap();
    stream
        .write_all(b"AUTH admin admin\r\nDEBUG SEGFAULT\r\n")
        .unwrap();
    let report = instance.wait_for("new server", |r| r.ready && r.restarts == 1);
    assert!(report.last_exit.unwrap().starts_with("SIGSEGV"));
    let told = instance.output();
    for part in ["STACK TRACE", "FAST MEMORY TEST", " BUG REPORT END"] {
        assert!(told.contains(part), "no {part} in:\n{told}");
    }
}

/// What the test below has in a server's place.
pub fn serve_deadly() -> std::process::ExitCode {
    let ours = nix::libc::c_long::from(0);
    // SAFETY: it asks for a key ring; where it returns, nothing has happened.
    unsafe { nix::libc::syscall(nix::libc::SYS_keyctl, ours, ours) };
    std::process::ExitCode::SUCCESS
}

pub fn who_is_ended_by_the_filter_is_told_with_the_call() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let server = dir.path().join("server");
    fs::copy(std::env::current_exe().unwrap(), &server).unwrap();
    let server = format!("{:?}", server.display().to_string());
    let mut instance = Instance::new(&[("server", &server)], "");
    instance.supervisor = Some(instance.spawn("output"));
    if let Err(e) = instance.host.kernel_log() {
        println!("  not here: {e}");
        return;
    }
    // The kernel leaves records out when there are many at once; it is ended again and again.
    instance.wait_for("an end with a record", |report| {
        let Some(pid) = report.last_pid else {
            return false;
        };
        let exit = report.last_exit.as_deref().unwrap();
        assert!(exit.starts_with("SIGSYS: its sandbox ended it"), "{exit}");
        let call = verdict::of(&instance.host, pid).unwrap();
        call.inspect(|call| assert_eq!(call, "keyctl")).is_some()
    });
}
