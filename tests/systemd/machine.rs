//! The machine that the other tests trust: it runs nothing of ours.

use super::support::nspawn::Machine;
use super::{UNIT, install, is_stock, left_behind};
use std::process::Command;

#[test]
fn a_bare_machine_boots_runs_programs_and_reboots() {
    let mut machine = Machine::boot();
    assert_eq!(
        machine.exec(&["printf", "%s", "$HOME ${PATH} %h"]).ok(),
        "$HOME ${PATH} %h",
        "arguments arrive as they are"
    );
    assert_eq!(
        machine
            .exec_with(&[("WORD", "a b")], &["sh", "-c", "echo $WORD; exit 3"])
            .exits(3),
        "a b"
    );
    assert_eq!(
        machine.sh("command -v redis-server || echo none").ok(),
        "none",
        "the machine is bare"
    );
    machine.write("/etc/kept", b"over a reboot", 0o640);
    let first = machine.boot_id();
    machine.reboot();
    assert_ne!(machine.boot_id(), first);
    assert_eq!(machine.exec(&["stat", "-c", "%a", "/etc/kept"]).ok(), "640");
    machine.power_off();
    machine.power_on();
    assert_eq!(machine.exec(&["cat", "/etc/kept"]).ok(), "over a reboot");
}

#[test]
fn the_machine_has_a_network_and_an_nftables_of_its_own() {
    let machine = Machine::boot();
    install(&machine, &["nftables"]);
    let table = format!("redis_harden_probe_{}", std::process::id());
    machine.exec(&["nft", "add", "table", "inet", &table]).ok();
    assert_eq!(
        machine.exec(&["nft", "list", "tables"]).ok(),
        format!("table inet {table}")
    );
    let outside = Command::new("nft")
        .args(["list", "tables"])
        .output()
        .expect("nft (tests/install-deps)");
    assert!(
        outside.status.success(),
        "nft list tables here: {}",
        String::from_utf8_lossy(&outside.stderr)
    );
    assert!(
        !String::from_utf8_lossy(&outside.stdout).contains(&table),
        "the table is on this machine, too"
    );

    machine
        .exec(&["sysctl", "-qw", "net.core.somaxconn=5001"])
        .ok();
    let outside =
        std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("a readable sysctl");
    assert_ne!(outside.trim(), "5001", "the sysctl is this machine's, too");
}

#[test]
fn the_machine_offers_the_landlock_of_this_kernel() {
    // landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION); 444 on every architecture.
    let version = ["perl", "-e", "print syscall(444, 0, 0, 1)"];
    let [program, arguments @ ..] = &version;
    let outside = Command::new(program)
        .args(arguments)
        .output()
        .expect("perl is in every Debian");
    let machine = Machine::boot();
    assert_eq!(
        machine.exec(&version).ok(),
        String::from_utf8_lossy(&outside.stdout)
    );
}

#[test]
fn the_offline_repository_gives_a_stock_redis_and_the_witness_sees_it_start() {
    let machine = Machine::boot();
    machine.note_executions();
    install(&machine, &["redis-server", "nftables"]);
    assert_eq!(machine.systemctl(&["is-active", UNIT]).ok(), "active");
    assert_eq!(machine.exec(&["redis-cli", "ping"]).ok(), "PONG");
    let executed = machine.executed(UNIT);
    assert!(
        executed.iter().any(|program| is_stock(program)),
        "{executed:?}"
    );
}

#[test]
fn the_tree_shows_a_change_and_nothing_where_nothing_changed() {
    let machine = Machine::boot();
    let before = machine.tree();
    assert!(before.has("/etc/passwd") && before.has("/usr/bin/apt-get"));
    machine.exec(&["true"]).ok();
    assert_eq!(left_behind(&machine, &before), Vec::<String>::new());

    machine.sh("chmod 600 /etc/hosts; echo more >>/etc/hostname; ln -s nowhere /etc/link; rm /etc/issue").ok();
    machine
        .sh("echo redis:x:999: >>/etc/group; echo other:!:: >>/etc/gshadow")
        .ok();
    let tagged = Command::new("setfattr")
        .args(["-n", "user.tag", "-v", "1"])
        .arg(machine.disk().join("etc/fstab"))
        .status();
    assert!(tagged.expect("setfattr (tests/install-deps)").success());
    let left = left_behind(&machine, &before);
    let paths: Vec<&str> = left.iter().filter_map(|said| said.lines().next()).collect();
    let wanted = [
        "/etc/fstab",
        "/etc/gshadow",
        "/etc/hostname",
        "/etc/hosts",
        "/etc/issue",
        "/etc/link",
    ];
    assert_eq!(paths, wanted, "{left:#?}");
    println!("{}", left.join("\n"));
}

// The main job on it.
