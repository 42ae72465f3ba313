//! Beside Debian's other managers of the packet filter: whatever one of them does, our table is there afterwards, and theirs are untouched.

use super::{BINARY, with_our_binary};
use crate::support::nspawn::Machine;
use serde_json::Value;

const POLICY: &str = "[redis]\nbind = [\"0.0.0.0\"]\n[firewall]\nallow = [\"10.1.0.0/16\"]\npeers = [\"10.2.0.7\"]\n";

#[test]
fn our_table_outlives_nftables_ufw_and_firewalld() {
    let machine = with_our_binary();
    machine.exec(&["mkdir", "-p", "/etc/redis-harden"]).ok();
    machine.write("/etc/redis-harden/policy.toml", POLICY.as_bytes(), 0o644);
    println!("{}", machine.exec(&[BINARY, "apply"]).ok());
    holds(&machine, "after apply");
    let life = super::life(&machine);

    for what in ["start", "reload", "restart", "stop"] {
        machine.systemctl(&[what, "nftables.service"]).ok();
        holds(&machine, &format!("nftables {what}"));
    }

    machine
        .sh("apt-get -q -y update && apt-get -q -y install ufw")
        .ok();
    machine.sh("ufw allow 22/tcp").ok();
    for command in ["ufw --force enable", "ufw reload", "ufw allow 8080/tcp"] {
        machine.sh(command).ok();
        holds(&machine, command);
        let theirs = machine.sh("nft list ruleset | grep -c 'chain ufw'");
        assert_ne!(theirs.ok().trim(), "0", "{command}: ufw's own chains");
    }
    // An apply of ours is none of theirs.
    let ufws = |machine: &Machine| machine.sh("nft -s list table ip filter").ok().to_owned();
    let before = ufws(&machine);
    machine.write(
        "/etc/redis-harden/policy.toml",
        POLICY.replace("10.2.0.7", "10.2.0.8").as_bytes(),
        0o644,
    );
    machine.exec(&[BINARY, "apply"]).ok();
    assert_eq!(ufws(&machine), before);
    for command in ["ufw disable", "ufw --force reset"] {
        machine.sh(command).ok();
        holds(&machine, command);
    }

    machine.sh("apt-get -q -y install firewalld").ok();
    for command in [
        "systemctl restart firewalld",
        "firewall-cmd --reload",
        "firewall-cmd --complete-reload",
    ] {
        machine.sh(command).ok();
        holds(&machine, command);
        // It may say that it is ready a moment before its rules are there.
        let there = "for i in $(seq 50); do nft list table inet firewalld >/dev/null 2>&1 && exit 0; sleep 0.2; done; exit 1";
        machine.sh(there).ok();
    }
    machine.systemctl(&["stop", "firewalld"]).ok();
    holds(&machine, "firewalld stop");
    assert_eq!(super::life(&machine), life, "Redis did not notice");

    // By hand nobody puts it back, so it is a finding, and the next apply mends it.
    machine.sh("nft flush ruleset").ok();
    machine
        .exec(&[BINARY, "check", "--only", "network.firewall"])
        .exits(1);
    assert_eq!(status(&machine).get("firewall"), Some(&Value::Null));
    machine.exec(&[BINARY, "apply"]).ok();
    holds(&machine, "after the apply");
}

/// The table is the policy's, and `status` counts by it.
#[track_caller]
fn holds(machine: &Machine, when: &str) {
    let check = machine.exec(&[BINARY, "check", "--only", "network.firewall"]);
    assert_eq!(check.code, 0, "{when}: {check}");
    let status = status(machine);
    for count in ["refused", "outgoing"] {
        let packets = status.pointer(&format!("/firewall/{count}/packets"));
        assert!(packets.is_some_and(Value::is_u64), "{when}: {status}");
    }
}

fn status(machine: &Machine) -> Value {
    let status = machine.exec(&[BINARY, "status", "--format", "json"]);
    serde_json::from_str(status.ok()).expect("JSON")
}
