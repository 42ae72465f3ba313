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

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 60;
const BINARY: &str = env!("CARGO_BIN_EXE_redis-harden");
/// The bars of issue 3 §4, on the machine that CI runs on.
const MOST_MS: f64 = 12.0;
const MOST_RSS_KIB: i64 = 12 * 1024;
const MOST_OF_CHECK_SYSTEM: f64 = 0.2;

fn main() {
    if std::env::args().any(|a| a == "--floor") {
        return floor();
    }
    let mut redis = redis();
    let list = std::env::temp_dir().join(format!("redis-harden-floor-{}", std::process::id()));
    // Measured first: the peak of all children so far is then that of `check` alone.
    let _ = time(&mut check());
    let rss = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)
        .expect("a valid argument")
        .max_rss();
    let files = files_read();
    fs::write(&list, files.iter().cloned().collect::<Vec<_>>().join("\n"))
        .expect("a temporary file");

    let mut times: [Vec<Duration>; 3] = Default::default();
    for _ in 0..RUNS {
        times[0].push(time(&mut check()));
        times[1].push(time(Command::new("redis-server").arg("--check-system")));
        let own = std::env::current_exe().expect("our own path");
        times[2].push(time(Command::new(own).arg("--floor").arg(&list)));
    }
    let _ = fs::remove_file(&list);
    redis.kill().expect("ours to kill");
    redis.wait().expect("killed");
    let [check, system, floor] = times.map(median_ms);
    println!(
        "controls                     {}",
        redis_harden::controls::all().len()
    );
    println!("check, Redis running         {check:.2} ms (median of {RUNS}), {rss} KiB peak RSS");
    println!(
        "redis-server --check-system  {system:.2} ms: check is {:.2} of it",
        check / system
    );
    println!(
        "floor ({} files)            {floor:.2} ms: check is {:.1} times it",
        files.len(),
        check / floor
    );
    let bars = [
        (check <= MOST_MS, "check takes at most 12 ms"),
        (rss <= MOST_RSS_KIB, "check takes at most 12 MB"),
        (
            check <= MOST_OF_CHECK_SYSTEM * system,
            "check takes at most 0.2 of --check-system",
        ),
    ];
    let missed: Vec<&str> = bars
        .iter()
        .filter(|(held, _)| !held)
        .map(|(_, bar)| *bar)
        .collect();
    assert!(missed.is_empty(), "missed: {}", missed.join("; "));
}

/// A stock Redis where `check` looks for one, in a network namespace that ends with this process.
fn redis() -> Child {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root may have a namespace");
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(up.expect("ip is installed").success());
    let server = Command::new("redis-server")
        .args(["--port", "6379", "--bind", "127.0.0.1", "--save", ""])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed");
    let until = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect("127.0.0.1:6379").is_err() {
        assert!(Instant::now() < until, "redis-server listens");
        std::thread::sleep(Duration::from_millis(10));
    }
    server
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

fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.expect("the program runs");
    start.elapsed()
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .map_or(f64::NAN, |t| t.as_secs_f64() * 1000.0)
}
