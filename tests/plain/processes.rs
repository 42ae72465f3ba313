//! Which processes there are, and which there were.

use crate::support::plain::Plain;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Without those that only ask for the version, or try a configuration without network and data before it is put in place.
pub fn real_starts(started: &[String]) -> Vec<&str> {
    let questions = |line: &&str| !matches!(*line, "--version" | "-v");
    let rehearsals = |line: &&str| !line.starts_with("/run/redis-harden-rehearsal-");
    let all = started.iter().map(String::as_str);
    all.filter(questions).filter(rehearsals).collect()
}

/// How often the log says that a server began.
pub fn server_starts(plain: &Plain) -> usize {
    plain
        .read(&super::machine::log_file())
        .matches(" is starting oO0O")
        .count()
}

/// The arguments and environments of all processes that were there meanwhile, as often as we could look.
pub fn watching_processes<T>(act: impl FnOnce() -> T) -> (T, BTreeSet<String>) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                    for file in ["cmdline", "environ"] {
                        // Not a process, or gone: nothing to see.
                        let text = std::fs::read(process.path().join(file)).unwrap_or_default();
                        seen.insert(String::from_utf8_lossy(&text).into_owned());
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            seen
        });
        let done = act();
        over.store(true, Ordering::Relaxed);
        (done, watcher.join().expect("it only reads"))
    })
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: String,
    pub parent: String,
    pub user: String,
    pub arguments: String,
}

pub fn processes(plain: &Plain) -> Vec<Process> {
    let listed = plain.exec(&["ps", "-eo", "pid=,ppid=,user:32=,args="]);
    let process = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        Some(Process {
            pid: words.next()?,
            parent: words.next()?,
            user: words.next()?,
            arguments: words.collect::<Vec<_>>().join(" "),
        })
    };
    listed
        .ok()
        .lines()
        .filter_map(process)
        .filter(|p| !p.arguments.starts_with("ps "))
        .collect()
}

/// Every process of ours or of Redis.
pub fn ours(plain: &Plain) -> Vec<Process> {
    let named = |p: &Process| p.arguments.contains("redis");
    processes(plain).into_iter().filter(named).collect()
}

/// The supervisors and their servers.
pub fn lives(plain: &Plain) -> Vec<Process> {
    let all = ours(plain);
    assert!(all.iter().all(|p| p.user == "redis"), "{all:?}");
    all
}

#[track_caller]
pub fn assert_nothing_of_ours_is_root(plain: &Plain) {
    let root: Vec<String> = processes(plain)
        .into_iter()
        .filter(|p| p.user != "redis")
        .map(|p| p.arguments)
        .collect();
    assert_eq!(root, ["(sd-stubinit)", "sleep infinity"]);
    for process in lives(plain) {
        let status = plain.read(&format!("/proc/{}/status", process.pid));
        for line in [
            "CapEff:\t0000000000000000",
            "CapPrm:\t0000000000000000",
            "CapAmb:\t0000000000000000",
            "CapInh:\t0000000000000000",
        ] {
            assert!(status.contains(line), "{line} of {process:?}:\n{status}");
        }
    }
}
