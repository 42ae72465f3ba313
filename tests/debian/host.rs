//! A Debian under its systemd on which our package is installed, removed and asked about.

use super::package;
use super::support::disk::Ran;
use super::support::nspawn::Machine;
use std::path::Path;

pub const BINARY: &str = "/usr/sbin/redis-harden";
pub const UNIT: &str = "redis-server.service";
const SOCKET: &str = "/run/redis/redis-server.sock";

pub fn booted() -> Machine {
    let machine = Machine::boot();
    machine.exec(&["apt-get", "-qq", "update"]).ok();
    machine
}

/// apt, as somebody types it: nothing preseeded, and no terminal.
pub fn apt(machine: &Machine, words: &[&str]) -> Ran {
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    machine.exec_with(&quiet, &[&["apt-get", "-q", "-y"], words].concat())
}

/// Installs a package file, with what it depends on.
pub fn install(machine: &Machine, deb: &Path) -> Ran {
    let name = deb.file_name().expect("a file").to_string_lossy();
    let inside = format!("/root/{name}");
    machine.install(deb, &inside, 0o644);
    apt(machine, &["install", "--allow-downgrades", &inside])
}

/// Our own package, just built.
pub fn with_package() -> Machine {
    let machine = booted();
    let done = install(&machine, &package::built(None));
    println!("{}", said(&done));
    done.ok();
    machine
}

/// What our scripts said.
pub fn said(done: &Ran) -> String {
    let lines = done.stdout.lines().chain(done.stderr.lines());
    let ours: Vec<&str> = lines.filter(|l| l.starts_with("redis-harden:")).collect();
    ours.join("\n")
}

#[track_caller]
pub fn is_supervised(machine: &Machine) {
    assert_eq!(machine.systemctl(&["is-active", UNIT]).ok(), "active");
    let words = machine.command_line(&pid(machine));
    assert!(words.iter().any(|word| word == "supervise"), "{words:?}");
    assert_eq!(as_admin(machine, &["ping"]), "PONG");
}

/// The server itself is the unit's process, on our configuration.
#[track_caller]
pub fn is_static(machine: &Machine) {
    assert_eq!(machine.systemctl(&["is-active", UNIT]).ok(), "active");
    let words = machine.command_line(&pid(machine));
    let first = words.first().expect("a program");
    assert!(first.contains("/usr/bin/redis-server"), "{words:?}");
    assert_eq!(as_admin(machine, &["ping"]), "PONG");
}

/// The package's own configuration, open as Debian leaves it.
#[track_caller]
pub fn is_stock(machine: &Machine) {
    assert_eq!(machine.systemctl(&["is-active", UNIT]).ok(), "active");
    assert_eq!(machine.exec(&["redis-cli", "ping"]).ok(), "PONG");
}

pub fn pid(machine: &Machine) -> String {
    machine.property(UNIT, "MainPID")
}

/// What the server answers root's own user.
#[track_caller]
pub fn as_admin(machine: &Machine, words: &[&str]) -> String {
    let secret = machine.exec(&["cat", "/etc/redis-harden/secrets/admin"]);
    let cli = ["redis-cli", "-s", SOCKET, "--user", "admin"];
    let answer = machine.exec_with(&[("REDISCLI_AUTH", secret.ok())], &[&cli, words].concat());
    answer.ok().to_owned()
}

/// A stock server with a thousand keys.
pub fn with_stock_data() -> Machine {
    let machine = booted();
    apt(&machine, &["install", "redis-server", "nftables"]).ok();
    machine
        .sh("for i in $(seq 1000); do echo SET key:$i $i; done | redis-cli --pipe")
        .ok();
    machine
}
