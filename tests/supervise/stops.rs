//! How a server is ended, and one that hangs replaced: each situation for real, and what becomes of the data.

use super::instance::{Instance, runs, signal};
use nix::sys::signal::Signal::{SIGSTOP, SIGTERM};
use redis_harden::supervise::machine::Phase;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

pub const ALL: [super::runner::Test; 8] = [
    (
        "a_stopped_server_is_woken_saved_and_replaced",
        a_stopped_server_is_woken_saved_and_replaced,
    ),
    (
        "one_that_does_nothing_is_dumped_and_replaced",
        one_that_does_nothing_is_dumped_and_replaced,
    ),
    (
        "one_that_is_busy_is_left_alone",
        one_that_is_busy_is_left_alone,
    ),
    (
        "a_stop_wakes_a_stopped_server_and_saves",
        a_stop_wakes_a_stopped_server_and_saves,
    ),
    (
        "a_stop_ends_a_script_without_end",
        a_stop_ends_a_script_without_end,
    ),
    (
        "what_cannot_be_saved_is_not_killed_and_ends_when_it_can",
        what_cannot_be_saved_is_not_killed_and_ends_when_it_can,
    ),
    (
        "what_cannot_be_saved_is_killed_where_the_policy_allows_it",
        what_cannot_be_saved_is_killed_where_the_policy_allows_it,
    ),
    (
        "what_is_in_the_append_only_file_leaves_without_a_save",
        what_is_in_the_append_only_file_leaves_without_a_save,
    ),
];

/// Nobody makes a file in the data directory, not even root; those that are there can be written.
struct Unwritable<'a>(&'a Instance);

impl Unwritable<'_> {
    fn of(instance: &Instance) -> Unwritable<'_> {
        chattr("+i", instance);
        Unwritable(instance)
    }
}

impl Drop for Unwritable<'_> {
    fn drop(&mut self) {
        chattr("-i", self.0);
    }
}

fn chattr(flag: &str, instance: &Instance) {
    let done = Command::new("chattr")
        .arg(flag)
        .arg(instance.path("data"))
        .status();
    assert!(done.expect("e2fsprogs").success());
}

/// The one report that is kept.
fn kept(instance: &Instance) -> String {
    let dir = fs::read_dir(instance.path("run/state/reports"));
    let mut files = dir.into_iter().flatten().map(|entry| entry.unwrap().path());
    let text = fs::read_to_string(files.next().unwrap()).unwrap();
    assert_eq!(files.next(), None);
    text
}

fn a_stopped_server_is_woken_saved_and_replaced() {
    let mut instance = Instance::new(&[], "");
    let server = instance.start().server_pid.unwrap();
    instance.ask("SET key value");
    let start = Instant::now();
    signal(server, SIGSTOP);
    let report = instance.wait_for("new server", |r| r.ready && r.restarts == 1);
    assert!(
        start.elapsed() < Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
    assert_ne!(report.server_pid, Some(server));
    assert_eq!(instance.ask("EXISTS key"), ":1", "it was saved on the way");
    let kept = kept(&instance);
    assert!(kept.contains("hangs: it was stopped"), "{kept}");
    assert!(kept.contains("State:	T"), "{kept}");
}

fn one_that_does_nothing_is_dumped_and_replaced() {
    let mut instance = Instance::new(&[], "enable-debug-command yes");
    let server = instance.start().server_pid.unwrap();
    instance.ask("SET key value");
    instance.ask("SAVE");
    let start = Instant::now();
    // Asleep in the kernel, as in a deadlock: no signal handler runs before it is over.
    std::thread::scope(|scope| {
        scope.spawn(|| std::panic::catch_unwind(|| instance.ask("DEBUG SLEEP 60")));
        instance.wait_for("new server", |r| r.ready && r.restarts == 1);
    });
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert!(!runs(server));
    assert_eq!(instance.ask("EXISTS key"), ":1");
    assert!(kept(&instance).contains("does nothing"));
}

fn one_that_is_busy_is_left_alone() {
    let mut instance = Instance::new(&[], "busy-reply-threshold 60000");
    let server = instance.start().server_pid.unwrap();
    let script = "EVAL \"local n=0 for i=1,15e8 do n=n+i end return 1\" 0";
    std::thread::scope(|scope| {
        scope.spawn(|| std::panic::catch_unwind(|| instance.ask(script)));
        instance.wait_for("silent server", |r| r.state == Phase::Busy);
        std::thread::sleep(Duration::from_secs(8));
    });
    let report = instance.wait_for("ready server", |r| r.ready);
    assert_eq!((report.server_pid, report.restarts), (Some(server), 0));
}

fn a_stop_wakes_a_stopped_server_and_saves() {
    let mut instance = Instance::new(&[], "");
    let server = instance.start().server_pid.unwrap();
    instance.ask("SET key value");
    signal(server, SIGSTOP);
    signal(instance.supervisor_pid(), SIGTERM);
    assert_eq!(instance.ended(), 0);
    instance.start();
    assert_eq!(instance.ask("EXISTS key"), ":1");
}

fn a_stop_ends_a_script_without_end() {
    let mut instance = Instance::new(&[("stop-timeout", "\"30s\"")], "busy-reply-threshold 100");
    instance.start();
    instance.ask("SET key value");
    std::thread::scope(|scope| {
        scope.spawn(|| std::panic::catch_unwind(|| instance.ask("EVAL \"while true do end\" 0")));
        instance.wait_for("busy server", |r| r.note.starts_with("BUSY"));
        signal(instance.supervisor_pid(), SIGTERM);
    });
    let start = Instant::now();
    assert_eq!(instance.ended(), 0);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    let rung = instance.last_words().rung.unwrap_or_default();
    assert!(rung.contains("script was killed"), "{rung}");
    instance.start();
    assert_eq!(instance.ask("EXISTS key"), ":1");
}

fn what_cannot_be_saved_is_not_killed_and_ends_when_it_can() {
    let mut instance = Instance::new(&[("stop-timeout", "\"3s\"")], "");
    let server = instance.start().server_pid.unwrap();
    instance.ask("SET key value");
    let unwritable = Unwritable::of(&instance);
    signal(instance.supervisor_pid(), SIGTERM);
    let report = instance.wait_for("refusal", |r| r.note.contains("is not killed"));
    assert_eq!(report.state, Phase::Stopping);
    std::thread::sleep(Duration::from_secs(3));
    assert!(runs(server), "after twice its time");
    drop(unwritable);
    assert_eq!(instance.ended(), 0);
    assert!(instance.last_words().rung.unwrap().starts_with("asked"));
    instance.start();
    assert_eq!(instance.ask("EXISTS key"), ":1");
}

fn what_cannot_be_saved_is_killed_where_the_policy_allows_it() {
    let settings = [
        ("stop-timeout", "\"4s\""),
        ("data-loss-on-stop", "\"allow\""),
    ];
    let mut instance = Instance::new(&settings, "");
    let server = instance.start().server_pid.unwrap();
    instance.ask("SET key value");
    {
        let _unwritable = Unwritable::of(&instance);
        signal(instance.supervisor_pid(), SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(8);
        while runs(server) {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    instance.ended();
    let rung = instance.last_words().rung.unwrap();
    assert!(rung.starts_with("left without"), "{rung}");
}

fn what_is_in_the_append_only_file_leaves_without_a_save() {
    let mut instance = Instance::new(&[("stop-timeout", "\"20s\"")], "appendonly yes");
    instance.start();
    instance.ask("SET key value");
    {
        let unwritable = Unwritable::of(&instance);
        signal(unwritable.0.supervisor_pid(), SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(18);
        while instance.report().is_some() {
            assert!(Instant::now() < deadline, "{}", instance.output());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert_eq!(instance.ended(), 0);
    let rung = instance.last_words().rung.unwrap();
    assert!(rung.starts_with("left without"), "{rung}");
    instance.start();
    assert_eq!(instance.ask("EXISTS key"), ":1");
}
