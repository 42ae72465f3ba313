//! Kills, over and over: nothing leaks, nothing that was acknowledged is gone, nobody is orphaned.

use super::instance::{Instance, runs, signal};
use super::long::{Client, times};
use super::runner::Test;
use nix::sys::signal::Signal::SIGKILL;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

pub const ALL: [Test; 2] = [
    (
        "kills_leak_nothing_and_lose_no_acknowledged_write",
        kills_leak_nothing_and_lose_no_acknowledged_write,
    ),
    (
        "no_killed_supervisor_leaves_an_orphan_or_loses_what_was_written",
        no_killed_supervisor_leaves_an_orphan_or_loses_what_was_written,
    ),
];

/// What the supervisor holds between two servers.
#[derive(Debug, PartialEq)]
struct Held {
    descriptors: usize,
    children: usize,
    files: BTreeSet<String>,
}

impl Held {
    fn by(instance: &Instance) -> Held {
        // The state's new name is seen a moment before its directory's descriptor is closed.
        std::thread::sleep(Duration::from_millis(100));
        let supervisor = instance.supervisor_pid();
        let children = format!("/proc/{supervisor}/task/{supervisor}/children");
        let files = ["data", "data/appendonlydir", "run/state", "run/redis"]
            .map(|dir| names(instance, dir));
        Held {
            descriptors: fs::read_dir(format!("/proc/{supervisor}/fd"))
                .unwrap()
                .count(),
            children: fs::read_to_string(children)
                .unwrap()
                .split_whitespace()
                .count(),
            files: files.into_iter().flatten().collect(),
        }
    }
}

fn names(instance: &Instance, dir: &str) -> Vec<String> {
    let entries = fs::read_dir(instance.path(dir)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // The newest eight reports are kept, of crashes too.
    names
        .filter(|name| !name.contains("crash"))
        .map(|name| format!("{dir}/{name}"))
        .collect()
}

/// Without pages of files, which the kernel may map more of at any time.
fn resident_kb(pid: i32) -> u64 {
    let text = super::instance::status(pid, "RssAnon");
    text.split(' ').next().unwrap().parse().unwrap()
}

fn kills_leak_nothing_and_lose_no_acknowledged_write() {
    let quick = [("backoff", "\"1ms\""), ("backoff-max", "\"5ms\"")];
    let always = "appendonly yes\nappendfsync always\nsave \"\"\nauto-aof-rewrite-percentage 0";
    let mut instance = Instance::new(&quick, always);
    let mut report = instance.start();
    let rounds = times(30, 1000);
    let (mut acknowledged, mut begin) = (0, None);
    for round in 1..=rounds {
        let server = report.server_pid.unwrap();
        acknowledged = write_until_killed(&instance, server, acknowledged, round);
        report = instance.wait_for("new server", |r| r.ready && r.restarts == round);
        let count: u64 = instance
            .ask("GET count")
            .trim_start_matches('$')
            .split_once("\r\n")
            .map_or(0, |(_, count)| count.parse().unwrap());
        assert!(
            count >= acknowledged,
            "{count} of {acknowledged} in round {round}"
        );
        acknowledged = count;
        // By then the allocator has the pages that it keeps.
        if round == rounds / 3 {
            begin = Some((Held::by(&instance), resident_kb(instance.supervisor_pid())));
        }
    }
    let (held, resident) = begin.unwrap();
    assert_eq!(Held::by(&instance), held);
    let grown = resident_kb(instance.supervisor_pid()).saturating_sub(resident);
    println!("  {rounds} kills, {acknowledged} writes, {grown} kB grown");
    assert!(grown <= 64, "{grown} kB more after {rounds} kills");
}

/// Counts up, each time acknowledged, until the server is killed in the middle of it. Returns the last that was acknowledged.
fn write_until_killed(instance: &Instance, server: i32, from: u64, round: u32) -> u64 {
    let mut client = Client::of(instance);
    let mut last = from;
    let after = Duration::from_micros(u64::from(round) * 7919 % 20_000);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(after);
            signal(server, SIGKILL);
        });
        while let Some(reply) = client.ask("INCR count") {
            last = reply.trim_start_matches(':').parse().unwrap();
        }
    });
    last
}

fn no_killed_supervisor_leaves_an_orphan_or_loses_what_was_written() {
    let mut instance = Instance::new(&[], "");
    let rounds = times(5, 100);
    let mut longest = Duration::ZERO;
    for round in 1..=rounds {
        let server = instance.start().server_pid.unwrap();
        assert_eq!(instance.ask("INCR count"), format!(":{round}"));
        let start = Instant::now();
        signal(instance.supervisor_pid(), SIGKILL);
        instance.supervisor.take().unwrap().wait().unwrap();
        while runs(server) {
            assert!(
                start.elapsed() < Duration::from_secs(2),
                "an orphan after 2 s, round {round}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        longest = longest.max(start.elapsed());
    }
    println!("  {rounds} supervisors killed, the server gone after {longest:?} at most");
}
