//! A certificate that others renew: by the hook that certbot calls, and by replacing the file that systemd watches for us.

use super::{BINARY, Machine, as_admin, with_our_binary};
use crate::support::disk::Ran;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const PAIR: &str = "/etc/redis-harden/tls/default.pem";
const HOOK: &str = "/usr/share/redis-harden/deploy-hook";

/// A pair as an ACME client leaves it, valid for these days: fullchain.pem and privkey.pem of a directory.
fn renewed(machine: &Machine, lineage: &str, days: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| dir.path().join(name);
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-nodes", "-days", days])
        .args(["-subj", "/CN=cache.example", "-addext"])
        .args(["subjectAltName=DNS:cache.example,IP:127.0.0.1", "-out"])
        .arg(file("fullchain.pem"))
        .arg("-keyout")
        .arg(file("privkey.pem"))
        .output()
        .expect("openssl is installed (tests/install-deps)");
    assert!(made.status.success(), "{made:?}");
    machine.exec(&["mkdir", "-p", lineage]).ok();
    for name in ["fullchain.pem", "privkey.pem"] {
        machine.install(&file(name), &format!("{lineage}/{name}"), 0o600);
    }
}

fn hook(machine: &Machine, lineage: &str) -> Ran {
    machine.exec_with(&[("RENEWED_LINEAGE", lineage)], &[HOOK])
}

/// Whether the running server shows what its file holds.
fn serves_its_file(machine: &Machine) -> bool {
    let only = [BINARY, "check", "--only", "tls.served-is-file"];
    machine.exec(&only).code == 0
}

#[test]
fn a_certificate_that_others_renew_reaches_redis_by_the_hook_and_by_the_watch() {
    let machine = with_our_binary();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/tls/deploy-hook");
    machine
        .exec(&["mkdir", "-p", "/usr/share/redis-harden"])
        .ok();
    machine.install(&source, HOOK, 0o755);
    machine.write(
        "/etc/redis-harden/policy.toml",
        b"extends = \"strict\"\n",
        0o644,
    );
    machine.exec(&[BINARY, "tls", "init"]).ok();
    let applied = machine.exec(&[BINARY, "apply"]);
    println!("{}", applied.ok());
    assert!(serves_its_file(&machine));
    let watch = ["is-active", "redis-harden-tls.path"];
    assert_eq!(machine.systemctl(&watch).ok(), "active");
    let units = ["redis-harden-tls.path", "redis-harden-tls.service"];
    let verified = machine.exec(&[&["systemd-analyze", "verify", "--man=no"][..], &units].concat());
    assert_eq!(verified.ok(), "", "systemd-analyze verify: {verified}");
    let pid = machine.property("redis-server.service", "MainPID");
    let run = as_admin(&machine, &["info", "server"]);

    renewed(&machine, "/etc/letsencrypt/live/good", "90");
    let taken = hook(&machine, "/etc/letsencrypt/live/good");
    assert!(taken.ok().contains("serves it now"), "{taken}");
    let first = machine.exec(&["cat", PAIR]).ok().to_owned();
    // Keys are mixed up: nothing of it reaches the file.
    renewed(&machine, "/etc/letsencrypt/live/other", "90");
    machine
        .sh("cp /etc/letsencrypt/live/other/privkey.pem /etc/letsencrypt/live/good/")
        .ok();
    let refused = hook(&machine, "/etc/letsencrypt/live/good");
    assert!(refused.exits(2).is_empty(), "{refused}");
    assert!(
        refused.stderr.contains("another certificate's"),
        "{refused}"
    );
    assert_eq!(machine.exec(&["cat", PAIR]).ok(), first);
    let unset = machine.exec(&[HOOK]);
    assert!(unset.stderr.contains("RENEWED_LINEAGE"), "{unset}");

    // Somebody's configuration management puts another pair there, by a name of its own and a rename.
    renewed(&machine, "/root/new", "60");
    machine
        .sh(&format!(
            "cat /root/new/fullchain.pem /root/new/privkey.pem >{PAIR}.tmp && chgrp redis {PAIR}.tmp && chmod 640 {PAIR}.tmp && mv {PAIR}.tmp {PAIR}"
        ))
        .ok();
    assert!(!serves_its_file(&machine), "it is not read at once");
    let begun = Instant::now();
    while !serves_its_file(&machine) {
        let log = || machine.exec(&["journalctl", "--no-pager", "-u", "redis-harden-tls.service"]);
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", log());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(machine.property("redis-server.service", "MainPID"), pid);
    let field = |text: &str| {
        text.lines()
            .find(|l| l.starts_with("run_id:"))
            .map(str::to_owned)
    };
    let now = as_admin(&machine, &["info", "server"]);
    assert_eq!(field(&now), field(&run), "no restart");
    assert!(field(&now).is_some(), "{now}");
}
