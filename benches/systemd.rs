//! `check` and `apply` on a host with systemd, our unit and our Redis running: a bookworm that systemd-nspawn boots. The benchmark
//! copies itself in and measures there, as whole processes, beside one fork of systemctl. Needs what the tests need.
//!
//!     cargo bench --bench systemd -- docs/figures/apply-cost.svg
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark drives this machine itself; the boundary is for src/"
)]

mod measure;

#[path = "../tests/support"]
#[allow(dead_code, reason = "the tests use the rest")]
mod support {
    pub mod disk;
    pub mod nspawn;
    pub mod tree;
}

use measure::plot::Plot;
use measure::{BINARY, hold, median_ms, medians, time};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use support::nspawn::Machine;

const RUNS: usize = 40;
const FEW: usize = 7;
/// Before the points of the figure, in what the machine says.
const POINTS: &str = "points ";
/// Made by benches/peers/run.
const ANSIBLE: &str = "target/peers/ansible/bin/ansible-playbook";
const INSTALLED: &str = "/usr/local/sbin/redis-harden";
const INSIDE: &str = "--inside";
/// The bars of issue 4 §5.
const MOST_NOTHING_MS: f64 = 60.0;
const MOST_ONE_MS: f64 = 80.0;

fn main() {
    if std::env::args().any(|a| a == INSIDE) {
        return inside();
    }
    let machine = Machine::boot();
    machine.install(Path::new(BINARY), INSTALLED, 0o755);
    let own = std::env::current_exe().expect("our own path");
    machine.install(&own, "/root/bench", 0o755);
    let applied = machine.exec(&[INSTALLED, "apply"]);
    println!("{}", applied.stdout.lines().last().unwrap_or_default());
    let said = machine.exec(&["/root/bench", INSIDE]);
    assert_eq!(said.code, 0, "{said}");
    for line in said.stdout.lines().filter(|line| !line.starts_with(POINTS)) {
        println!("{line}");
    }
    peer();
    let figure = std::env::args()
        .skip(1)
        .find(|argument| argument.ends_with(".svg"));
    if let Some(path) = figure {
        let points = said
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix(POINTS));
        draw(&path, points.unwrap_or_default());
    }
}

/// Twenty tasks of a playbook in check mode, where benches/peers/run has installed Ansible.
fn peer() {
    if Path::new(ANSIBLE).exists() {
        let mut command = Command::new(ANSIBLE);
        command.args(["--check", "benches/peers/tasks.yml"]);
        let times = (0..3).map(|_| time(&mut command)).collect();
        println!(
            "ansible-playbook --check, 20 tasks {:6.0} ms",
            median_ms(times)
        );
    }
}

fn draw(path: &str, points: &str) {
    let number = |text: &str| text.parse::<f64>().ok();
    let point = |text: &str| {
        let (changes, ms) = text.split_once(':')?;
        Some((number(changes)?, number(ms)?))
    };
    let points: Vec<(f64, f64)> = points.split(' ').filter_map(point).collect();
    let plot = Plot {
        title: "redis-harden apply, by the number of changes (sysctls, each journalled and synced)",
        across: "changes",
        up: "ms, whole process (median)",
        points: &points,
    };
    fs::write(path, plot.svg()).expect("the figure can be written");
}

/// On the machine itself.
fn inside() {
    commands();
    let points = by_changes();
    for (changes, ms) in &points {
        println!("apply, {changes:>3} changes                {ms:6.2} ms");
    }
    let points: Vec<String> = points.iter().map(|(n, ms)| format!("{n}:{ms}")).collect();
    println!("{POINTS}{}", points.join(" "));
    live();
}

fn ours(arguments: &'static [&str]) -> impl FnMut() -> Command {
    move || {
        let mut command = Command::new(INSTALLED);
        command.args(arguments);
        command
    }
}

fn commands() {
    let systemctl = || {
        let mut command = Command::new("systemctl");
        command.args(["show", "redis-server.service"]);
        command
    };
    let [check, nothing, fork] = medians(
        RUNS,
        [&mut ours(&["check"]), &mut ours(&["apply"]), &mut {
            systemctl
        }],
    );
    // A value of the machine's own network namespace: it can be lowered, and apply raises it again.
    let [one] = medians(
        RUNS,
        [&mut || {
            fs::write("/proc/sys/net/core/somaxconn", "128").expect("a sysctl of ours");
            ours(&["apply"])()
        }],
    );
    println!("check                             {check:6.2} ms (median of {RUNS})");
    println!("apply, nothing to change          {nothing:6.2} ms");
    println!("apply, one sysctl to change       {one:6.2} ms");
    println!(
        "systemctl show redis-server       {fork:6.2} ms: check is {:.1} times it",
        check / fork
    );
    hold(&[
        (
            nothing <= MOST_NOTHING_MS,
            "apply with nothing to change takes at most 60 ms",
        ),
        (
            one <= MOST_ONE_MS,
            "apply of one sysctl takes at most 80 ms",
        ),
    ]);
}

/// The time of an apply by its changes: sysctls of the machine's own network, each now and at boot. What it did is rolled back
/// after each.
fn by_changes() -> Vec<(usize, f64)> {
    let keys = free_sysctls();
    let mut points = Vec::new();
    for wanted in [0, 1, 5, 25, 50] {
        let some = keys.iter().take(wanted);
        let lines = some.map(|(key, value)| format!("\"{key}\" = \"{value}\"\n"));
        let text = format!("[kernel.sysctl]\n{}", lines.collect::<String>());
        fs::write("/root/policy.toml", text).expect("a policy");
        let mut times = Vec::new();
        for _ in 0..FEW {
            times.push(time(
                &mut ours(&["--policy", "/root/policy.toml", "apply"])(),
            ));
            if wanted > 0 {
                time(&mut ours(&["--policy", "/root/policy.toml", "rollback"])());
            }
        }
        points.push((wanted.min(keys.len()) * 2, median_ms(times)));
    }
    points
}

/// Sysctls that take one more than they have; they have it again afterwards.
fn free_sysctls() -> Vec<(String, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/sys/net/ipv4")
        .expect("procfs")
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let was = fs::read_to_string(entry.path()).unwrap_or_default();
        let Ok(number) = was.trim().parse::<u32>() else {
            continue;
        };
        let more = number.saturating_add(1).to_string();
        let takes = fs::write(entry.path(), &more).is_ok()
            && fs::read_to_string(entry.path()).is_ok_and(|now| now.trim() == more);
        let _ = fs::write(entry.path(), &was);
        if takes && name != "tcp_max_syn_backlog" {
            found.push((format!("net.ipv4.{name}"), number + 1));
        }
    }
    found.sort();
    found
}

/// What clients feel: requests a second, and latencies in ms, before, during and after a chain of live applies.
fn live() {
    let password = fs::read_to_string("/etc/redis-harden/secrets/app").expect("root's");
    let load = |when: &str| {
        let output = Command::new("redis-benchmark")
            .args(["-s", "/run/redis/redis-server.sock", "--user", "app", "-a"])
            .args([
                password.trim(),
                "-t",
                "set,get",
                "-n",
                "200000",
                "-c",
                "20",
                "--csv",
            ])
            .output()
            .expect("redis-benchmark is there");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "a request failed: {output:?}");
        for line in text
            .lines()
            .filter(|l| l.starts_with("\"SET") || l.starts_with("\"GET"))
        {
            let fields: Vec<&str> = line.split(',').map(|f| f.trim_matches('"')).collect();
            if let [test, rps, _, _, p50, _, p99, most] = fields[..] {
                println!(
                    "{when:<14} {test}  {rps:>10} requests/s  p50 {p50} p99 {p99} most {most} ms"
                );
            }
        }
    };
    load("before");
    let done = AtomicBool::new(false);
    let applies = std::thread::scope(|scope| {
        let applying = scope.spawn(|| {
            let mut applies = 0;
            while !done.load(Ordering::Relaxed) {
                let policy = format!("[redis]\nmaxclients = {}\n", 9000 + applies % 2);
                fs::write("/root/policy.toml", policy).expect("a policy");
                time(&mut ours(&["--policy", "/root/policy.toml", "apply"])());
                applies += 1;
            }
            applies
        });
        load("live applies");
        done.store(true, Ordering::Relaxed);
        applying.join().expect("it ends")
    });
    load("after");
    println!(
        "{applies} applies while it was measured, each with one CONFIG SET; no request failed"
    );
}
