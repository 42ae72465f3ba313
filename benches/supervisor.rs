//! What the supervisor costs and how fast it brings a server back: 50 SIGKILLs beside plain runsv and Debian's own unit under systemd, an
//! idle minute's sixth, redis-benchmark and BGSAVE's fork in the sandbox against the same server without, alternating. Needs root,
//! redis-server and redis-tools, what tests/install-deps installs for a Debian under systemd; runsv (Debian's package runit) where it is
//! there.
//!
//!     cargo bench --bench supervisor [-- restart|idle|throughput|fork]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark drives this machine itself; the boundary is for src/"
)]

#[path = "../tests/supervise/instance.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod instance;

#[path = "../tests/support"]
#[allow(dead_code, reason = "the tests use the rest")]
mod support {
    pub mod disk;
    pub mod nspawn;
    pub mod tree;
}

#[path = "supervisor/fork.rs"]
mod fork;
#[path = "supervisor/restart.rs"]
mod restart;

use instance::Instance;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const IDLE: Duration = Duration::from_secs(10);
const RUNS: usize = 5;
/// The bar of issue 5 §3.
const LEAST_THROUGHPUT: f64 = 0.97;

/// Its name, and what measures it: whether it is within its bars.
type Part = (&'static str, fn() -> bool);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, dir, ..] = args.as_slice()
        && flag == "--as-supervisor"
    {
        return instance::supervise(dir.as_ref());
    }
    let parts: [Part; 4] = [
        ("restart", restart::measure),
        ("idle", idle),
        ("throughput", throughput),
        ("fork", fork::measure),
    ];
    // cargo says --bench.
    let wanted = |name: &str| args.iter().all(|arg| arg.starts_with('-') || arg == name);
    let asked: Vec<_> = parts.iter().filter(|(name, _)| wanted(name)).collect();
    let held = asked.iter().filter(|(_, measure)| measure()).count();
    ExitCode::from(u8::from(held < asked.len()))
}

fn until_pong(socket: &Path, login: &str) {
    let begun = Instant::now();
    while !pongs(socket, login) {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "it does not come back"
        );
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn pongs(socket: &Path, login: &str) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else {
        return false;
    };
    let mut text = [0; 256];
    let asked = write!(stream, "{login}PING\r\n").is_ok();
    std::thread::sleep(Duration::from_micros(300));
    let size = stream.read(&mut text).unwrap_or(0);
    asked && String::from_utf8_lossy(text.get(..size).unwrap()).contains("+PONG")
}

fn idle() -> bool {
    let mut instance = Instance::new(&[], "");
    instance.start();
    std::thread::sleep(Duration::from_secs(2));
    let pid = instance.supervisor_pid();
    let before = (switches(pid), ticks(pid));
    std::thread::sleep(IDLE);
    let (after, spent) = (switches(pid), ticks(pid) - before.1);
    let per_second = (after - before.0) as f64 / IDLE.as_secs_f64();
    // A tick is 10 ms.
    let cpu = spent as f64 * 10.0 / (IDLE.as_millis() as f64) * 100.0;
    let resident = instance::status(pid, "VmRSS");
    println!(
        "idle: {resident}, {per_second:.1} context switches a second, {cpu:.2} % of a processor (bars 4 MB, 3, 0.1)"
    );
    let kib: u64 = resident.split(' ').next().unwrap().parse().unwrap();
    kib <= 4 << 10 && per_second <= 3.0 && cpu <= 0.1
}

fn switches(pid: i32) -> u64 {
    ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"]
        .map(|field| instance::status(pid, field).parse::<u64>().unwrap())
        .iter()
        .sum()
}

fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<u64> = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|f| f.parse().unwrap())
        .collect();
    fields.iter().sum()
}

/// Requests a second in the sandbox, as a part of those without; alternating, medians.
fn throughput() -> bool {
    let mut instance = Instance::new(&[], "save \"\"");
    instance.start();
    let contained = instance.path("run/redis/redis.sock");
    let dir = tempfile::tempdir().unwrap();
    let stock = dir.path().join("s");
    let _server = Stock::start(&instance, &stock, dir.path());
    let mut held = true;
    for (name, pipeline, least) in [
        ("unpipelined", "1", LEAST_THROUGHPUT),
        ("pipelined by 16", "16", 0.0),
    ] {
        let mut results = [Vec::new(), Vec::new()];
        for _ in 0..RUNS {
            for (socket, rates) in [&contained, &stock].into_iter().zip(&mut results) {
                rates.push(benchmark(socket, pipeline));
            }
        }
        let [contained, stock] = results.map(|rates| transposed(&rates));
        for (test, (ours, theirs)) in contained.iter().zip(&stock).enumerate() {
            let ratio = ours / theirs;
            println!(
                "{name} {}: {ours:.0} a second contained, {theirs:.0} stock: {ratio:.3}",
                TESTS[test]
            );
            held &= ratio >= least;
        }
    }
    held
}

const TESTS: [&str; 4] = ["SET", "GET", "LPUSH", "MSET"];

/// The median of each test.
fn transposed(runs: &[Vec<f64>]) -> Vec<f64> {
    let of = |test: usize| {
        let mut rates: Vec<f64> = runs.iter().map(|run| run[test]).collect();
        median(&mut rates)
    };
    (0..TESTS.len()).map(of).collect()
}

fn benchmark(socket: &PathBuf, pipeline: &str) -> Vec<f64> {
    let output = Command::new("redis-benchmark")
        .args([
            "-n",
            "300000",
            "-c",
            "20",
            "-d",
            "64",
            "--csv",
            "-t",
            "set,get,lpush,mset",
            "-P",
            pipeline,
        ])
        .args(["--user", "admin", "-a", "admin", "-s"])
        .arg(socket)
        .output()
        .expect("redis-tools");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("\"{name}")));
        let line = line.unwrap_or_else(|| panic!("{name} in {text}"));
        line.split(',')
            .nth(1)
            .unwrap()
            .trim_matches('"')
            .parse()
            .unwrap()
    };
    TESTS.map(rate).to_vec()
}

/// The same server with the same files, as its user, without supervisor and sandbox.
struct Stock(Child);

impl Stock {
    fn start(instance: &Instance, socket: &Path, dir: &Path) -> Stock {
        let conf = fs::read_to_string(instance.path("etc/test.conf")).unwrap();
        let conf: String = conf
            .lines()
            .filter(|l| !l.starts_with("dir "))
            .map(|l| format!("{l}\n"))
            .collect();
        let path = dir.join("conf");
        fs::write(&path, conf).unwrap();
        let child = Command::new("redis-server")
            .arg(&path)
            .arg("--dir")
            .arg(dir)
            .arg("--unixsocket")
            .arg(socket)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server");
        until_pong(socket, "AUTH admin admin\r\n");
        Stock(child)
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
