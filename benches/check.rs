//! `check` as a whole process, while a Redis runs, against `redis-server --check-system` and against the floor: a process
//! that only reads the files that `check` reads. One run, alternating, medians and ratios. It works in a network namespace of
//! its own, so that the Redis is the one on port 6379 that `check` finds. Needs root, strace (for the list of files), ip and
//! redis-server.
//!
//!     cargo bench --bench check
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark drives this machine itself; the boundary is for src/"
)]

mod measure;

use measure::redis::Redis;
use measure::{BINARY, hold, medians, time};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const RUNS: usize = 60;
/// The bars of issue 3 §4, on the machine that CI runs on.
const MOST_MS: f64 = 12.0;
const MOST_RSS_KIB: i64 = 12 * 1024;
const MOST_OF_CHECK_SYSTEM: f64 = 0.2;
const MOST_OF_FLOOR: f64 = 4.0;

fn main() {
    if std::env::args().any(|a| a == "--floor") {
        return floor();
    }
    let redis = Redis::start();
    let list = std::env::temp_dir().join(format!("redis-harden-floor-{}", std::process::id()));
    // Measured first: the peak of all children so far is then that of `check` alone.
    let _ = time(&mut check());
    let rss = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)
        .expect("a valid argument")
        .max_rss();
    let files = files_read();
    fs::write(&list, files.iter().cloned().collect::<Vec<_>>().join("\n"))
        .expect("a temporary file");

    let own = std::env::current_exe().expect("our own path");
    let [check, system, floor] = medians(
        RUNS,
        [
            &mut check,
            &mut || {
                let mut command = Command::new("redis-server");
                command.arg("--check-system");
                command
            },
            &mut || {
                let mut command = Command::new(&own);
                command.arg("--floor").arg(&list);
                command
            },
        ],
    );
    let _ = fs::remove_file(&list);
    // Where the packet filter has our table, nft is started to list it.
    let nft = Command::new("nft")
        .args(["add", "table", "inet", "redis_harden"])
        .status();
    assert!(nft.expect("nft is installed").success());
    let [filtered] = medians(RUNS, [&mut self::check]);
    drop(redis);
    println!(
        "controls                     {}",
        redis_harden::controls::all().len()
    );
    println!("check, Redis running         {check:.2} ms (median of {RUNS}), {rss} KiB peak RSS");
    println!("the same, with a table       {filtered:.2} ms: nft lists it");
    println!(
        "redis-server --check-system  {system:.2} ms: check is {:.2} of it",
        check / system
    );
    println!(
        "floor ({} files)            {floor:.2} ms: check is {:.1} times it",
        files.len(),
        check / floor
    );
    hold(&[
        (check <= MOST_MS, "check takes at most 12 ms"),
        (rss <= MOST_RSS_KIB, "check takes at most 12 MB"),
        (
            check <= MOST_OF_CHECK_SYSTEM * system,
            "check takes at most 0.2 of --check-system",
        ),
        (
            check <= MOST_OF_FLOOR * floor,
            "check takes at most 4 times the floor",
        ),
    ]);
}

fn check() -> Command {
    let mut command = Command::new(BINARY);
    command.arg("check");
    command
}

/// What `check` opens, by strace: those that exist and are regular files.
fn files_read() -> BTreeSet<String> {
    let log = std::env::temp_dir().join(format!("redis-harden-strace-{}", std::process::id()));
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=openat,openat2,open", "-o"])
        .arg(&log)
        .args([BINARY, "check"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    traced.expect("strace is installed (tests/install-deps)");
    let text = fs::read_to_string(&log).expect("strace's log");
    let _ = fs::remove_file(&log);
    let opened = text.lines().filter(|l| !l.contains("= -1"));
    opened
        .filter_map(|l| l.split('"').nth(1))
        .filter(|p| p.starts_with('/') && Path::new(p).is_file())
        .map(str::to_owned)
        .collect()
}

/// The floor: reads each file of a list, whole.
fn floor() {
    let list = std::env::args().next_back().expect("the list");
    let mut bytes = 0;
    for path in fs::read_to_string(list).expect("the list").lines() {
        bytes += fs::read(path).map_or(0, |content| content.len());
    }
    println!("{bytes}");
}
