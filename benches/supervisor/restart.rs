//! From SIGKILL to the first +PONG of the next server: ours, runsv's, systemd's.

use super::instance::{Instance, signal};
use super::support::nspawn::Machine;
use super::{median, ms, until_pong};
use nix::sys::signal::Signal::SIGKILL;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

const KILLS: usize = 50;
/// Of the others: enough for a median, and systemd starts a unit five times in ten seconds only.
const PEERS_KILLS: usize = 10;

/// The bars of issue 5 §3.
const MOST_P50_MS: f64 = 40.0;
const MOST_MAX_MS: f64 = 150.0;

/// Prints a line a kill: the nanoseconds until somebody says +PONG.
const KILL_UNDER_SYSTEMD: &str = r#"
for _ in $(seq "$1"); do
    sleep 3
    pid=$(systemctl show --property MainPID --value redis-server)
    start=$(date +%s%N)
    kill -KILL "$pid"
    until { exec 3<>/dev/tcp/127.0.0.1/6379; } 2>/dev/null && echo PING >&3 && read -r -t 1 said <&3 && [[ $said == +PONG* ]]; do
        sleep 0.001
    done
    echo $(($(date +%s%N) - start))
    exec 3>&-
done"#;

/// SIGKILL to the first +PONG of the next server, each a first crash.
pub fn measure() -> bool {
    let mut instance = Instance::new(&[("backoff-reset", "\"50ms\"")], "");
    let mut server = instance.start().server_pid.unwrap();
    let socket = instance.path("run/redis/redis.sock");
    let mut times = Vec::new();
    for round in 1..=KILLS {
        std::thread::sleep(Duration::from_millis(200));
        let start = Instant::now();
        signal(server, SIGKILL);
        until_pong(&socket, "AUTH admin admin\r\n");
        times.push(ms(start.elapsed()));
        let wanted = u32::try_from(round).unwrap();
        let report = instance.wait_for("new server", |r| r.ready && r.restarts == wanted);
        server = report.server_pid.unwrap();
        assert!(
            report.layers.iter().any(|layer| layer.holds),
            "it is contained"
        );
    }
    let (p50, max) = (median(&mut times), *times.last().unwrap());
    println!(
        "SIGKILL to PONG, {KILLS} times: p50 {p50:.1} ms, max {max:.1} ms (bars {MOST_P50_MS}, {MOST_MAX_MS})"
    );
    match runsv() {
        Some((p50, max)) => println!("  plain runsv, no sandbox: p50 {p50:.1} ms, max {max:.1} ms"),
        None => println!("  plain runsv: not here (apt-get install runit)"),
    }
    let (p50, max) = debian();
    println!("  Debian's own unit under systemd: p50 {p50:.1} ms, max {max:.1} ms");
    p50 <= MOST_P50_MS && max <= MOST_MAX_MS
}

/// The same of a bare redis-server under runsv, which waits a second where one ran for less.
fn runsv() -> Option<(f64, f64)> {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let socket = dir.path().join("s");
    let script = format!(
        "#!/bin/sh\nexec redis-server --port 0 --save '' --dir {} --unixsocket {} >/dev/null\n",
        dir.path().display(),
        socket.display()
    );
    fs::write(&run, script).unwrap();
    Command::new("chmod").arg("+x").arg(&run).status().unwrap();
    let mut supervisor = Command::new("runsv").arg(dir.path()).spawn().ok()?;
    until_pong(&socket, "");
    let mut times = Vec::new();
    for _ in 0..PEERS_KILLS {
        std::thread::sleep(Duration::from_millis(1200));
        let pid = fs::read_to_string(dir.path().join("supervise/pid")).unwrap();
        let start = Instant::now();
        signal(pid.trim().parse().unwrap(), SIGKILL);
        until_pong(&socket, "");
        times.push(ms(start.elapsed()));
    }
    signal(
        supervisor.id().cast_signed(),
        nix::sys::signal::Signal::SIGTERM,
    );
    supervisor.wait().unwrap();
    Some((median(&mut times), *times.last().unwrap()))
}

/// The same of Debian's redis-server.service as it is, in a machine of its own.
fn debian() -> (f64, f64) {
    let machine = Machine::boot();
    machine.exec(&["apt-get", "-qq", "update"]).ok();
    machine
        .exec(&["apt-get", "-qq", "-y", "install", "redis-server"])
        .ok();
    let kills = PEERS_KILLS.to_string();
    let told = machine.exec(&["bash", "-c", KILL_UNDER_SYSTEMD, "bash", &kills]);
    let nanoseconds = told.ok().lines().map(|line| line.parse::<u64>().unwrap());
    let mut times: Vec<f64> = nanoseconds.map(|n| ms(Duration::from_nanos(n))).collect();
    assert_eq!(times.len(), PEERS_KILLS);
    (median(&mut times), *times.last().unwrap())
}
