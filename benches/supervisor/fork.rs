//! How long BGSAVE's fork stops a server with data: in the sandbox, and without.

use super::Stock;
use super::instance::Instance;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// About 400 MB.
const KEYS: &str = "500000 key 512";

/// Not worse, within what two runs of the same server differ by.
const MOST: f64 = 1.15;

const FORKS: usize = 20;

/// Alternating.
pub fn measure() -> bool {
    let mut instance = Instance::new(&[], "save \"\"\nenable-debug-command yes");
    instance.start();
    let contained = instance.path("run/redis/redis.sock");
    let dir = tempfile::tempdir().unwrap();
    let stock = dir.path().join("s");
    let _server = Stock::start(&instance, &stock, dir.path());
    for socket in [&contained, &stock] {
        assert_eq!(ask(socket, &format!("DEBUG POPULATE {KEYS}")), "+OK");
    }
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..FORKS {
        for (socket, times) in [&contained, &stock].into_iter().zip(&mut times) {
            times.push(fork(socket));
        }
    }
    // The least: whatever else this machine does only adds to it, a whole median's worth.
    let least = |times: Vec<f64>| times.into_iter().fold(f64::INFINITY, f64::min) / 1000.0;
    let [ours, theirs] = times.map(least);
    let ratio = ours / theirs;
    println!(
        "BGSAVE's fork: {ours:.1} ms contained, {theirs:.1} ms stock: {ratio:.3} (bar {MOST})"
    );
    ratio <= MOST
}

/// Microseconds, by the server itself.
fn fork(socket: &Path) -> f64 {
    assert!(ask(socket, "BGSAVE").starts_with("+Background"));
    let told = |section: &str, field: &str| {
        let info = ask(socket, &format!("INFO {section}"));
        let value = info.lines().find_map(|line| line.strip_prefix(field));
        value
            .unwrap_or_else(|| panic!("no {field} in {info}"))
            .to_owned()
    };
    while told("persistence", "rdb_bgsave_in_progress:") == "1" {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(told("persistence", "rdb_last_bgsave_status:"), "ok");
    told("stats", "latest_fork_usec:").parse().unwrap()
}

/// The whole answer to one command.
fn ask(socket: &Path, command: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "AUTH admin admin\r\n{command}\r\nQUIT\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let answer = text.strip_prefix("+OK\r\n").unwrap();
    answer
        .strip_suffix("+OK\r\n")
        .unwrap()
        .trim_end()
        .to_owned()
}
