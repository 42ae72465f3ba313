//! The machines that are attacked, and what `prove` says of them.

use crate::support::disk::Ran;
use crate::support::plain::Plain;
use crate::support::tree::Tree;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

pub const BINARY: &str = "/usr/local/sbin/redis-harden";

/// Debian's Redis as so many are found: open to everybody. No supervisor of ours, and no unit.
pub const OPEN: &str = "sed -i 's/^bind .*/bind 0.0.0.0/; s/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf
    setpriv --reuid redis --regid redis --clear-groups redis-server /etc/redis/redis.conf --supervised no --daemonize yes
    for i in $(seq 100); do redis-cli ping 2>/dev/null | grep -q PONG && exit 0; sleep 0.05; done; exit 1";

pub fn bare() -> Plain {
    let plain = bare_of("bookworm");
    install(&plain, &["redis-server", "iproute2"]);
    plain
}

/// Without Redis.
pub fn bare_of(suite: &str) -> Plain {
    let plain = Plain::start_of(suite);
    plain.install(Path::new(env!("CARGO_BIN_EXE_redis-harden")), BINARY, 0o755);
    // The package must not start its own.
    plain.write("/usr/sbin/policy-rc.d", b"#!/bin/sh\nexit 101\n", 0o755);
    plain.exec(&["apt-get", "-qq", "update"]).ok();
    plain
}

pub fn install(plain: &Plain, packages: &[&str]) {
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    let words = [&["apt-get", "-qqy", "install"], packages].concat();
    plain.exec_with(&quiet, &words).ok();
}

/// Open, with this key in it.
pub fn open() -> Plain {
    let plain = bare();
    plain.sh(OPEN).ok();
    plain
}

pub fn hardened() -> Plain {
    let plain = bare();
    plain.exec(&[BINARY, "apply"]).ok();
    plain
}

/// With more time than it takes by default, since others use this machine too; a budget of the test's own is the one that counts.
pub fn prove(plain: &Plain, args: &[&str]) -> Ran {
    let budget: &[&str] = match args.contains(&"--budget") {
        true => &[],
        false => &["--budget", "10m"],
    };
    plain.exec(&[&[BINARY, "prove"], budget, args].concat())
}

/// Each control's id, what was observed, and why.
pub fn outcomes(report: &str) -> BTreeMap<String, (String, String)> {
    let report: Value = serde_json::from_str(report).unwrap_or_else(|e| panic!("{e}\n{report}"));
    let controls = report.get("controls").and_then(Value::as_array);
    let controls = controls.expect("controls");
    let attempts = controls.iter().filter(|c| {
        c.get("id")
            .and_then(Value::as_str)
            .is_some_and(|id| id.starts_with("prove."))
    });
    attempts
        .map(|control| {
            let text = |pointer: &str| {
                let value = control.pointer(pointer).and_then(Value::as_str);
                value.unwrap_or_default().to_owned()
            };
            let observed = match text("/findings/0/status").as_str() {
                "not-applicable" => "nothing".to_owned(),
                "unknown" => "not tried".to_owned(),
                _ => text("/findings/0/observed"),
            };
            (text("/id"), (observed, text("/findings/0/because")))
        })
        .collect()
}

/// Every path that differs, a paragraph each.
pub fn difference(before: &Tree, after: &Tree) -> String {
    let none = std::collections::BTreeSet::new();
    before.unexplained(after, &[], &none).join("\n")
}

/// The ids of an outcome.
pub fn ids<'a>(all: &'a BTreeMap<String, (String, String)>, outcome: &str) -> Vec<&'a str> {
    let found = all.iter().filter(|(_, (observed, _))| observed == outcome);
    found.map(|(id, _)| id.as_str()).collect()
}

pub fn as_admin(plain: &Plain, words: &[&str]) -> String {
    let password = plain.read("/etc/redis-harden/secrets/admin");
    let login = [
        "redis-cli",
        "-s",
        "/run/redis/redis-server.sock",
        "--user",
        "admin",
    ];
    let said = plain.exec_with(&[("REDISCLI_AUTH", &password)], &[&login, words].concat());
    said.ok().to_owned()
}

/// What runs, what is mounted, and what lies where a leftover would.
pub fn surroundings(plain: &Plain) -> String {
    let script = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null; echo; done | grep -E 'redis|unshare|setpriv' | sort
        sort /proc/mounts; find /run /tmp /var/tmp /dev/shm -xdev | sort; ip -o link | cut -d: -f2";
    // The shell that looks is not what is looked for.
    let all = plain.sh(script).ok().to_owned();
    let looks = |line: &&str| line.contains("/proc/[0-9]*") || line.starts_with("grep -E");
    let kept = all.lines().filter(|line| !looks(line));
    kept.collect::<Vec<_>>().join("\n")
}
