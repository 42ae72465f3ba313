//! A user whose password is a systemd credential: encrypted on the disk, or given to the unit that applies; never written by us.

use super::support::nspawn::Machine;
use super::{BINARY, SOCKET, with_our_binary};

const FIRST: &str = "a-first-password-from-elsewhere";
const SECOND: &str = "a-second-password-from-elsewhere";
const THIRD: &str = "a-third-password-from-elsewhere";
const STORE: &str = "/etc/credstore.encrypted/redis-app";

fn lets_in(machine: &Machine, password: &str) -> bool {
    let words = ["redis-cli", "-s", SOCKET, "--user", "app", "PING"];
    let said = machine.exec_with(&[("REDISCLI_AUTH", password)], &words);
    said.stdout.contains("PONG")
}

/// As an admin does it; the password comes by a file of root's, as it would from a vault.
fn encrypt(machine: &Machine, password: &str) {
    machine.write("/root/password", password.as_bytes(), 0o600);
    machine
        .sh(&format!(
            "mkdir -p -m 0700 /etc/credstore.encrypted && rm -f {STORE} && \
             systemd-creds encrypt --name=redis-app /root/password {STORE} && rm /root/password"
        ))
        .ok();
}

/// In a log, our records, what we render, or the journal.
fn is_nowhere(machine: &Machine, password: &str) {
    // In no command line of ours either, which the journal has.
    machine.write("/root/wanted", password.as_bytes(), 0o600);
    let found = machine.sh(
        "grep -rlFf /root/wanted /etc /var/lib/redis-harden /var/lib/redis /var/log /run/redis* 2>/dev/null; true",
    );
    assert_eq!(found.ok(), "", "{password}");
    let journal = machine.sh("journalctl --no-pager -o export");
    assert!(!journal.stdout.contains(password));
}

#[test]
fn a_password_comes_from_a_systemd_credential_and_follows_it() {
    let machine = with_our_binary();
    let policy = "extends = \"production\"\n[acl.app]\nrole = \"application\"\npassword-credential = \"redis-app\"\n";
    machine.sh("mkdir -p /etc/redis-harden").ok();
    machine.write("/etc/redis-harden/policy.toml", policy.as_bytes(), 0o644);
    let check = |control: &str| machine.exec(&[BINARY, "check", "--only", control]);

    // It is not there: nothing is invented in its place.
    let without = machine.exec(&[BINARY, "apply"]);
    without.exits(2);
    let why = "there is no password of app yet, in the systemd credential redis-app";
    assert!(without.stderr.contains(why), "{without}");
    assert_ne!(
        machine
            .exec(&["test", "-e", "/etc/redis-harden/secrets/app"])
            .code,
        0
    );
    check("files.passwords").exits(1);

    encrypt(&machine, FIRST);
    let applied = machine.exec(&[BINARY, "-vv", "apply"]);
    assert_eq!(applied.code, 0, "{applied}");
    for said in [&without, &applied] {
        assert!(!said.stdout.contains(FIRST) && !said.stderr.contains(FIRST));
    }
    assert!(lets_in(&machine, FIRST));
    check("files.passwords").ok();
    let again = machine.exec(&[BINARY, "apply"]);
    assert!(again.ok().contains("nothing to change"), "{again}");
    let shown = machine.exec(&[BINARY, "secret", "show", "app"]);
    assert!(
        shown.ok().contains(&format!("{STORE} (encrypted)")),
        "{shown}"
    );
    assert!(!shown.stdout.contains(FIRST));
    let cli = machine.exec(&[BINARY, "cli", "--user", "app", "PING"]);
    assert_eq!(cli.ok(), "PONG", "{cli}");

    // It is changed where it is kept: that is drift, and the next apply follows.
    let rotated = machine.exec(&[BINARY, "secret", "rotate", "app"]);
    rotated.exits(2);
    assert!(
        rotated.stderr.contains("systemd-creds encrypt"),
        "{rotated}"
    );
    encrypt(&machine, SECOND);
    check("files.acl").exits(1);
    let plan = machine.exec(&[BINARY, "plan"]);
    plan.exits(1);
    assert!(lets_in(&machine, FIRST) && !lets_in(&machine, SECOND));
    machine.exec(&[BINARY, "apply"]).ok();
    assert!(!lets_in(&machine, FIRST) && lets_in(&machine, SECOND));

    // One that cannot be decrypted is not known to be another: nobody is locked out for it.
    machine.sh(&format!("echo nothing >{STORE}")).ok();
    check("files.passwords").exits(2);
    check("files.acl").ok();
    machine.exec(&[BINARY, "apply"]);
    assert!(lets_in(&machine, SECOND));
    machine.sh(&format!("rm {STORE}")).ok();
    check("files.passwords").exits(1);
    machine.exec(&[BINARY, "apply"]);
    assert!(lets_in(&machine, SECOND));

    // A unit that applies is given it by LoadCredential=, and nobody else has it.
    machine.write("/root/password", THIRD.as_bytes(), 0o600);
    let unit = machine.exec(&[
        "systemd-run",
        "--wait",
        "--pipe",
        "--collect",
        "-pLoadCredential=redis-app:/root/password",
        BINARY,
        "apply",
    ]);
    assert_eq!(unit.code, 0, "{unit}");
    machine.sh("rm /root/password").ok();
    assert!(lets_in(&machine, THIRD) && !lets_in(&machine, SECOND));
    check("files.acl").ok();

    // A plain one that others can read is a finding.
    machine.sh("mkdir -p -m 0700 /etc/credstore").ok();
    machine.write("/etc/credstore/redis-app", THIRD.as_bytes(), 0o600);
    check("files.passwords").ok();
    machine.sh("chmod 0644 /etc/credstore/redis-app").ok();
    let open = check("files.passwords");
    assert!(open.exits(1).contains("open to others: 0644"), "{open}");
    machine.sh("rm -r /etc/credstore").ok();
    for password in [FIRST, SECOND, THIRD] {
        is_nowhere(&machine, password);
    }
}
