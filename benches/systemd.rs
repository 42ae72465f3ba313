//! `check` and `apply` on a host with systemd, our unit and our Redis running: a bookworm that systemd-nspawn boots. The benchmark
//! copies itself in and measures there, as whole processes, beside one fork of systemctl. Needs what the tests need.
//!
//!     cargo bench --bench systemd
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

use measure::{BINARY, hold, medians};
use std::path::Path;
use std::process::Command;
use support::nspawn::Machine;

const RUNS: usize = 40;
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
    print!("{}", machine.exec(&["/root/bench", INSIDE]).stdout);
}

/// On the machine itself.
fn inside() {
    let ours = |arguments: &'static [&str]| {
        move || {
            let mut command = Command::new(INSTALLED);
            command.args(arguments);
            command
        }
    };
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
            std::fs::write("/proc/sys/net/core/somaxconn", "128").expect("a sysctl of ours");
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
