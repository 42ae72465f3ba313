//! `service.pid-namespace`: the server sees no process but its supervisor, and whoever started that is told as before.

use super::instance::{Instance, redis, runs, signal, status};
use super::runner::Test;
use nix::sys::signal::Signal::{SIGHUP, SIGKILL, SIGTERM};
use redis_harden::contain::layers::Name;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

pub const ALL: [Test; 6] = [
    (
        "in_a_process_namespace_the_server_sees_its_supervisor_only",
        in_a_process_namespace_the_server_sees_its_supervisor_only,
    ),
    (
        "who_waits_outside_of_it_passes_signals_and_the_exit_code_on",
        who_waits_outside_of_it_passes_signals_and_the_exit_code_on,
    ),
    (
        "the_end_of_who_waits_outside_stops_the_server",
        the_end_of_who_waits_outside_stops_the_server,
    ),
    (
        "with_its_supervisor_the_namespace_ends_and_the_next_one_begins",
        with_its_supervisor_the_namespace_ends_and_the_next_one_begins,
    ),
    (
        "the_next_one_waits_for_what_is_left_of_a_large_one",
        the_next_one_waits_for_what_is_left_of_a_large_one,
    ),
    (
        "where_the_host_permits_none_the_server_runs_and_the_layer_is_missing",
        where_the_host_permits_none_the_server_runs_and_the_layer_is_missing,
    ),
];

const APART: [(&str, &str); 1] = [("pid-namespace", "true")];

/// The numbers of the processes that a process sees.
fn seen_by(pid: i32) -> Vec<i32> {
    let listed = fs::read_dir(format!("/proc/{pid}/root/proc")).unwrap();
    let names = listed.map(|entry| entry.unwrap().file_name());
    let mut numbers: Vec<i32> = names
        .filter_map(|name| name.to_str().unwrap().parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

fn gone(pid: i32, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while runs(pid) {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

fn in_a_process_namespace_the_server_sees_its_supervisor_only() {
    let mut instance = Instance::new(&APART, "");
    let report = instance.start();
    let server = report.server_pid.unwrap();
    assert_eq!(status(server, "Name"), "redis-server");
    assert_eq!(status(server, "PPid"), report.supervisor_pid.to_string());
    assert_eq!(status(report.supervisor_pid, "Name"), "redis-harden");
    let outside = instance.supervisor_pid();
    assert_eq!(status(report.supervisor_pid, "PPid"), outside.to_string());
    assert_ne!(status(outside, "Uid").split(' ').next(), Some("0"));

    let inside: Vec<i32> = [report.supervisor_pid, server]
        .map(|pid| {
            status(pid, "NSpid")
                .split(' ')
                .next_back()
                .unwrap()
                .parse()
                .unwrap()
        })
        .to_vec();
    assert_eq!(inside.first(), Some(&1));
    assert_eq!(seen_by(server), inside);
    let layer = report.layers.iter().find(|l| l.name == Name::Processes);
    assert!(layer.unwrap().holds, "{layer:?}");
    let mounts = report.layers.iter().find(|l| l.name == Name::Mounts);
    assert!(mounts.unwrap().holds, "{mounts:?}");
}

fn who_waits_outside_of_it_passes_signals_and_the_exit_code_on() {
    let mut instance = Instance::new(&APART, "");
    let before = instance.start();
    instance.ask("SET key value");
    let settings = fs::read_to_string(instance.path("etc/test.toml")).unwrap();
    instance.write("test.toml", "nonsense", 0o640, redis().1);
    signal(instance.supervisor_pid(), SIGHUP);
    let until = Instant::now() + Duration::from_secs(10);
    while !instance
        .output()
        .contains("the settings stay what they were")
    {
        assert!(Instant::now() < until, "{}", instance.output());
        std::thread::sleep(Duration::from_millis(10));
    }
    instance.write("test.toml", &settings, 0o640, redis().1);
    signal(instance.supervisor_pid(), SIGTERM);
    assert_eq!(instance.ended(), 0);
    assert!(!runs(before.supervisor_pid) && !runs(before.server_pid.unwrap()));
    assert!(instance.path("data/dump.rdb").exists());
    assert!(instance.report().is_none());

    instance.start();
    assert_eq!(instance.ask("GET key"), "$5\r\nvalue");
}

fn the_end_of_who_waits_outside_stops_the_server() {
    let mut instance = Instance::new(&APART, "");
    let report = instance.start();
    instance.ask("SET key value");
    signal(instance.supervisor_pid(), SIGKILL);
    let mut outside = instance.supervisor.take().unwrap();
    outside.wait().unwrap();
    assert!(gone(report.supervisor_pid, Duration::from_secs(5)));
    assert!(gone(report.server_pid.unwrap(), Duration::from_secs(5)));
    // It was a stop, not a kill.
    assert!(instance.path("data/dump.rdb").exists());
}

fn with_its_supervisor_the_namespace_ends_and_the_next_one_begins() {
    let mut instance = Instance::new(&APART, "");
    let report = instance.start();

    let second = instance.command("second").status().unwrap();
    assert_eq!(second.code(), Some(78));
    let why = fs::read_to_string(instance.path("second")).unwrap();
    assert!(
        why.contains("another supervisor (in a process namespace of its own)"),
        "{why}"
    );

    signal(report.supervisor_pid, SIGKILL);
    assert!(gone(report.server_pid.unwrap(), Duration::from_secs(1)));
    assert_eq!(instance.ended(), 128 + 9);
    assert!(instance.report().is_none());
    let after = instance.start();
    assert_ne!(after.server_pid, report.server_pid);

    signal(after.server_pid.unwrap(), SIGKILL);
    let again = instance.wait_for("another server", |r| r.restarts == 1 && r.ready);
    assert_eq!(again.supervisor_pid, after.supervisor_pid);
}

/// The kernel takes a while to clear away so much memory, and holds the lock for as long.
fn the_next_one_waits_for_what_is_left_of_a_large_one() {
    let mut instance = Instance::new(&APART, "");
    let report = instance.start();
    assert_eq!(instance.ask("SETRANGE key 400000000 x"), ":400000001");
    let mut first = instance.supervisor.take().unwrap();
    signal(report.supervisor_pid, SIGKILL);
    // Not `start`: what the former one said is still there.
    instance.supervisor = Some(instance.spawn("output"));
    assert_eq!(first.wait().unwrap().code(), Some(128 + 9));
    let after = instance.wait_for("another supervisor", |r| {
        r.ready && r.supervisor_pid != report.supervisor_pid
    });
    assert!(!runs(report.server_pid.unwrap()), "{after:?}");
}

fn where_the_host_permits_none_the_server_runs_and_the_layer_is_missing() {
    let mut instance = Instance::new(&APART, "");
    let plain = instance.command("output");
    // As the root of a container has it.
    let mut inside = Command::new("setpriv");
    inside.args(["--bounding-set", "-sys_admin"]);
    inside.arg(plain.get_program()).args(plain.get_args());
    let output = fs::File::create(instance.path("output")).unwrap();
    inside.stdout(output.try_clone().unwrap()).stderr(output);
    instance.supervisor = Some(inside.spawn().unwrap());
    let report = instance.wait_for("a ready server", |report| report.ready);
    assert_eq!(report.supervisor_pid, instance.supervisor_pid());
    let layer = report.layers.iter().find(|l| l.name == Name::Processes);
    let layer = layer.unwrap();
    assert!(!layer.holds && layer.note.contains("shares"), "{layer:?}");
    assert!(instance.output().contains("permits no process namespace"));
}
