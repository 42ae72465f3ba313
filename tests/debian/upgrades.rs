//! What others do to the server while we are there: a new Debian under it, an older server, and needrestart. Of bookworm, whatever
//! suite is tested; each takes minutes, so only `tests/full packaging` runs them.

use super::host::{
    apt, as_admin, install, is_supervised, pid, repository, run_long, said, with_package_on,
};
use super::package;
use super::support::nspawn::Machine;

#[test]
#[ignore = "minutes: tests/full packaging"]
fn debian_13_comes_with_redis_8_and_all_data_and_redis_7_is_refused_what_it_left() {
    let mut machine = with_package_on(Machine::boot_of("bookworm"));
    assert!(as_admin(&machine, &["info", "server"]).contains("redis_version:7.0."));
    let fill = "for i in $(seq 1000); do echo SET key:$i $i; done";
    let secret = "REDISCLI_AUTH=$(cat /etc/redis-harden/secrets/admin)";
    machine
        .sh(&format!(
            "{fill} | {secret} redis-cli -s /run/redis/redis-server.sock --user admin --pipe"
        ))
        .ok();

    repository(&machine, "trixie", &["dist-upgrade"]);
    let own = package::said(std::process::Command::new("tests/nspawn/root").arg("trixie"));
    super::host::add_repository(&machine, &std::path::Path::new(&own).join("repo"), "redis8");
    run_long(
        &machine,
        "apt-get -q -y -o Dpkg::Options::=--force-confold dist-upgrade",
    );
    machine.reboot();
    assert_eq!(
        machine.exec(&["cat", "/etc/debian_version"]).ok()[..2],
        *"13"
    );
    is_supervised(&machine);
    assert!(as_admin(&machine, &["info", "server"]).contains("redis_version:8.0."));
    assert_eq!(as_admin(&machine, &["dbsize"]), "1000");
    let applied = machine.exec(&["redis-harden", "apply"]);
    assert!(applied.code < 2, "{applied}");
    is_supervised(&machine);
    assert_eq!(as_admin(&machine, &["get", "key:1000"]), "1000");

    // Its files are Redis 8's from now on.
    as_admin(&machine, &["bgrewriteaof"]);
    while as_admin(&machine, &["info", "persistence"]).contains("aof_rewrite_in_progress:1") {}
    as_admin(&machine, &["save"]);
    let older = "redis-server=5:7.0.* redis-tools=5:7.0.*";
    let down = machine.sh(&format!(
        "DEBIAN_FRONTEND=noninteractive apt-get -q -y --allow-downgrades install {older}"
    ));
    println!("{down}");
    assert!(
        machine
            .exec(&["redis-server", "--version"])
            .ok()
            .contains("v=7.0.")
    );
    machine.systemctl(&["restart", "redis-server"]);
    let log = machine.exec(&["journalctl", "-b", "-q", "-o", "cat", "-u", "redis-server"]);
    assert!(
        log.ok()
            .contains("in a format (REDIS0012) that this server cannot read"),
        "{log}"
    );
    // The step that it names.
    apt(&machine, &["install", "redis-server", "redis-tools"]).ok();
    machine.systemctl(&["restart", "redis-server"]).ok();
    is_supervised(&machine);
    assert_eq!(as_admin(&machine, &["dbsize"]), "1000");
}

#[test]
#[ignore = "minutes: tests/full packaging"]
fn needrestart_leaves_the_server_to_apply() {
    let machine = with_package_on(Machine::boot_of("bookworm"));
    repository(
        &machine,
        "bookworm",
        &["install", "needrestart", "unattended-upgrades"],
    );
    apt(
        &machine,
        &["install", "--no-install-recommends", "needrestart"],
    )
    .ok();
    let running = pid(&machine);
    // A library that the server has loaded is another file now, as after an upgrade.
    let replace = "for lib in /usr/lib/*/libjemalloc.so.2; do cp $(realpath $lib) /root/new && mv /root/new $(realpath $lib); done";
    machine.sh(replace).ok();
    let found = machine.exec(&["needrestart", "-b"]);
    assert!(
        found.ok().contains("NEEDRESTART-SVC: redis-server"),
        "{found}"
    );
    let restarted = machine.exec(&["needrestart", "-r", "a"]);
    println!("{restarted}");
    restarted.ok();
    assert_eq!(pid(&machine), running, "{restarted}");
    // Without our word it would be.
    machine
        .exec(&["rm", "/etc/needrestart/conf.d/redis-harden.conf"])
        .ok();
    machine.exec(&["needrestart", "-r", "a"]).ok();
    assert_ne!(pid(&machine), running);
    is_supervised(&machine);
}

#[test]
#[ignore = "minutes: tests/full packaging"]
fn an_unattended_upgrade_of_ours_restarts_nothing_that_holds_data() {
    let machine = Machine::boot_of("bookworm");
    machine.exec(&["apt-get", "-qq", "update"]).ok();
    install(&machine, &package::built(Some(package::BEFORE))).ok();
    repository(
        &machine,
        "bookworm",
        &["install", "needrestart", "unattended-upgrades"],
    );
    apt(
        &machine,
        &[
            "install",
            "--no-install-recommends",
            "needrestart",
            "unattended-upgrades",
        ],
    )
    .ok();
    as_admin(&machine, &["set", "written", "before"]);
    let running = pid(&machine);
    let newer = package::built(None);
    super::host::add_repository(&machine, newer.parent().expect("its directory"), "newer");
    machine.write(
        "/etc/apt/apt.conf.d/99test",
        b"Unattended-Upgrade::Origins-Pattern { \"site=\"; };\nUnattended-Upgrade::Allow-APT-Mark-Fallback \"false\";\n",
        0o644,
    );
    let upgraded = machine.exec(&["unattended-upgrade", "-v"]);
    println!("{upgraded}\n{}", said(&upgraded));
    let version = machine.exec(&["dpkg-query", "-W", "-f", "${Version}", "redis-harden"]);
    assert_eq!(version.ok(), env!("CARGO_PKG_VERSION"));
    assert_eq!(pid(&machine), running);
    assert_eq!(as_admin(&machine, &["get", "written"]), "before");
}
