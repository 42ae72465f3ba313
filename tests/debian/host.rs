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
    with_package_on(Machine::boot())
}

pub fn with_package_on(machine: Machine) -> Machine {
    machine.exec(&["apt-get", "-qq", "update"]).ok();
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

/// One more source of apt's: what `tests/debian/fetch` downloads for it.
pub fn repository(machine: &Machine, suite: &str, words: &[&str]) {
    let fetch = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/debian/fetch");
    let debs = package::said(std::process::Command::new(fetch).arg(suite).args(words));
    add_repository(machine, Path::new(&debs), suite);
}

/// One more source of apt's: a directory of packages.
pub fn add_repository(machine: &Machine, debs: &Path, name: &str) {
    let inside = format!("/srv/{name}");
    // The index is made here: dpkg-scanpackages finds nothing on the machine's disk, which no path from our root leads to.
    let copy = "cp \"$1\"/*.deb \"$2\" && cd \"$2\" && dpkg-scanpackages --multiversion . >Packages && mkdir -p \"$3\" && cp * \"$3\"";
    let index = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let to = machine.disk().join(inside.trim_start_matches('/'));
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", copy, "sh"]).arg(debs).arg(index.path());
    package::said(shell.arg(to));
    let line = format!("deb [trusted=yes] file:{inside} ./\n");
    let list = format!("/etc/apt/sources.list.d/{name}.list");
    machine.write(&list, line.as_bytes(), 0o644);
    let updated = machine.exec(&["apt-get", "-q", "update"]);
    assert!(
        updated.ok().contains(&format!("file:{inside}")),
        "apt has not read it: {updated}"
    );
}

/// A command that takes longer than `exec` waits.
#[track_caller]
pub fn run_long(machine: &Machine, command: &str) {
    let start = format!(
        "systemd-run --quiet --unit=long --property=Type=oneshot --property=RemainAfterExit=yes --no-block \
         --setenv=DEBIAN_FRONTEND=noninteractive -- {command}"
    );
    machine.sh(&start).ok();
    loop {
        std::thread::sleep(std::time::Duration::from_secs(2));
        match machine.systemctl(&["is-active", "long"]).stdout.trim() {
            // systemctl itself is of no use for a moment, while its libraries are replaced.
            "activating" | "inactive" | "" => {}
            "active" => return,
            other => {
                let log =
                    machine.exec(&["journalctl", "-q", "-o", "cat", "-n", "80", "-u", "long"]);
                panic!("{command} is {other}\n{log}");
            }
        }
    }
}
