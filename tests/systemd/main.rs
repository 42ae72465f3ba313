//! The main job on a real Debian under real systemd, in a container that `tests/nspawn/root` makes.
//!
//! Needs root and `tests/install-deps`; without them every test here fails and says so. `machine` asks whether
//! the machine is one that the others can trust: it runs nothing of ours.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

use std::path::Path;

#[path = "../support"]
mod support {
    pub mod disk;
    pub mod left;
    pub mod nspawn;
    pub mod tree;
}

mod certificate;
mod confirm;
mod credential;
mod legacy;
mod machine;
mod managers;
mod restart;
mod rotation;
mod unprivileged;

use support::disk::Ran;
use support::left::{self, allow};
use support::nspawn::Machine;
use support::tree::{Tree, What};

const BINARY: &str = "/usr/local/sbin/redis-harden";
const SOCKET: &str = "/run/redis/redis-server.sock";
const UNIT: &str = "redis-server.service";

#[test]
fn apply_leaves_a_hardened_redis_and_a_second_apply_changes_nothing() {
    let machine = with_our_binary();
    machine.note_executions();
    println!("{}", machine.exec(&[BINARY, "apply"]).ok());
    serves_hardened(&machine);

    let executed = machine.executed(UNIT);
    assert!(
        executed.iter().any(|program| program.starts_with(BINARY)),
        "systemd started us at least once: {executed:?}"
    );
    assert!(
        !executed.iter().any(|program| is_stock(program)),
        "Redis never ran with its stock config: {executed:?}"
    );

    let started = machine.programs(&[BINARY, "apply"]);
    assert_eq!(started, [BINARY, "/usr/sbin/nft"]);
    let before = machine.tree();
    let life = life(&machine);
    let again = machine.exec(&[BINARY, "apply"]);
    again.ok();
    let pending = machine.exec(&[BINARY, "plan"]);
    assert_eq!(
        pending.code, 0,
        "nothing is left to do after the second apply: {pending}"
    );
    assert_eq!(
        self::life(&machine),
        life,
        "a second apply does not touch the service\n{again}"
    );
    let own = [
        allow("/var/log/**", What::Anything, "logs"),
        allow("/var/lib/redis/**", What::Anything, "a live Redis's data"),
        allow(
            "/var/lib/redis-harden/**",
            What::Anything,
            "our own records",
        ),
    ];
    let changed = before.unexplained(&machine.tree(), &own, &Default::default());
    assert!(
        changed.is_empty(),
        "a second apply changes no file:\n{}\n{again}",
        changed.join("\n")
    );
}

#[test]
fn a_reboot_keeps_what_apply_made() {
    let mut machine = with_our_binary();
    machine.exec(&[BINARY, "apply"]).ok();
    let held = network_values(&machine);
    machine.reboot();
    assert_eq!(
        machine.systemctl(&["is-active", UNIT]).ok(),
        "active",
        "after the reboot"
    );
    serves_hardened(&machine);
    assert_eq!(network_values(&machine), held, "net.* after the reboot");
    let table = machine.exec(&["nft", "list", "table", "inet", "redis_harden"]);
    assert!(table.ok().contains("6379"), "{table}");

    let check = machine.exec(&[BINARY, "check"]);
    println!("{check}");
    assert!(matches!(check.code, 0 | 1), "check after a reboot: {check}");
    assert_eq!(
        machine.exec(&[BINARY, "plan"]).code,
        0,
        "nothing drifted over the reboot"
    );
}

#[test]
fn systemd_finds_nothing_wrong_with_our_units_and_the_filter_goes_and_comes_with_the_policy() {
    let machine = with_our_binary();
    machine.exec(&[BINARY, "apply"]).ok();
    let units = [
        "redis-harden-firewall.service",
        "redis-harden.service",
        UNIT,
    ];
    let verified = machine.exec(&[&["systemd-analyze", "verify", "--man=no"][..], &units].concat());
    assert_eq!(verified.ok(), "", "systemd-analyze verify: {verified}");
    // The threshold is the exposure times ten. The boot oneshot is not asked: it writes kernel values and files, as apply does.
    exposes(&machine, "redis-harden-firewall.service", "16");
    exposes(&machine, UNIT, "10");

    let table = || machine.exec(&["nft", "list", "table", "inet", "redis_harden"]);
    table().ok();
    let life = life(&machine);
    machine.sh("mkdir -p /etc/redis-harden/policy.d").ok();
    let off = b"[firewall]\nenabled = false\n";
    machine.write("/etc/redis-harden/policy.d/off.toml", off, 0o644);
    println!("{}", machine.exec(&[BINARY, "plan"]).exits(1));
    machine.exec(&[BINARY, "apply"]).ok();
    table().exits(1);
    let enabled = machine.systemctl(&["is-enabled", "redis-harden-firewall.service"]);
    assert_ne!(enabled.code, 0, "{enabled}");
    assert_eq!(self::life(&machine), life, "Redis did not notice");
    assert_eq!(
        machine.exec(&[BINARY, "plan"]).code,
        0,
        "nothing is left to do"
    );

    machine.exec(&[BINARY, "rollback"]).ok();
    table().ok();
    let enabled = machine.systemctl(&["is-enabled", "redis-harden-firewall.service"]);
    assert_eq!(enabled.ok(), "enabled");
}

#[test]
fn the_unit_of_a_server_on_its_socket_alone_has_no_network() {
    let machine = with_our_binary();
    machine.sh("mkdir -p /etc/redis-harden").ok();
    let policy = b"[redis]\nport = 0\nmaxmemory = \"100mb\"\n";
    machine.write("/etc/redis-harden/policy.toml", policy, 0o644);
    machine.exec(&[BINARY, "apply"]).ok();
    assert_eq!(as_admin(&machine, &["ping"]), "PONG");
    exposes(&machine, UNIT, "3");
    let pid = machine.property(UNIT, "MainPID");
    let links = machine.exec(&["nsenter", "-t", &pid, "-n", "ls", "/sys/class/net"]);
    println!("{links}");
    let space = |pid: &str| machine.exec(&["readlink", &format!("/proc/{pid}/ns/net")]);
    assert_ne!(space(&pid).ok(), space("1").ok());
    // 2.75 times maxmemory and 256 MiB.
    let memory = machine.property(UNIT, "MemoryMax");
    assert_eq!(
        memory,
        (100 * 1024 * 1024 / 4 * 11 + (256 << 20)).to_string()
    );
    let plan = machine.exec(&[BINARY, "plan"]);
    assert_eq!(plan.code, 0, "{plan}");

    // What it may have of the machine is another matter than what it is started from.
    let life = life(&machine);
    let policy = b"[redis]\nport = 0\nmaxmemory = \"100mb\"\n[memory]\nlimit = \"1gb\"\n";
    machine.write("/etc/redis-harden/policy.toml", policy, 0o644);
    machine.exec(&[BINARY, "apply"]).ok();
    assert_eq!(machine.property(UNIT, "MemoryMax"), (1 << 30).to_string());
    assert_eq!(self::life(&machine), life, "no restart");
}

#[test]
fn rollback_leaves_the_tree_as_it_was() {
    let machine = with_our_binary();
    // What the machine does once for itself is done before we look.
    machine.exec(&["apt-get", "-qq", "update"]).ok();
    let before = machine.tree();
    let values = network_values(&machine);
    machine.exec(&[BINARY, "apply"]).ok();
    serves_hardened(&machine);
    machine.exec(&[BINARY, "rollback"]).ok();
    let left = left_behind(&machine, &before);
    assert!(
        left.is_empty(),
        "rollback left {} differences:\n{}",
        left.len(),
        left.join("\n")
    );
    assert_eq!(network_values(&machine), values, "net.* after the rollback");
    let active = machine.systemctl(&["is-active", UNIT]);
    assert_ne!(
        active.code, 0,
        "no Redis runs where none ran, least of all a stock one: {active}"
    );
    let table = machine.exec(&["nft", "list", "table", "inet", "redis_harden"]);
    assert_ne!(table.code, 0, "our table is gone: {table}");
    // A package that stays is the package as Debian made it.
    assert_eq!(
        machine
            .sh("dpkg --verify 2>&1 | grep -E 'redis|nftables' || true")
            .ok(),
        ""
    );
    let history = machine.exec(&[BINARY, "history"]);
    assert!(!history.ok().is_empty(), "history knows the run: {history}");
}

#[test]
fn two_instances_run_beside_each_other() {
    let machine = with_our_binary();
    machine.write(
        "/etc/redis-harden/instances/b.toml",
        b"extends = \"production\"\n\n[redis]\nname = \"b\"\nport = 6380\n",
        0o644,
    );
    machine.exec(&[BINARY, "apply"]).ok();
    serves_hardened(&machine);
    assert_eq!(
        machine
            .systemctl(&["is-active", "redis-server@b.service"])
            .ok(),
        "active"
    );
    let second = machine.property("redis-server@b.service", "MainPID");
    assert_supervised(&machine, &second);
    assert_ne!(second, machine.property(UNIT, "MainPID"));
    for port in ["6379", "6380"] {
        let refused = machine.exec(&["redis-cli", "-p", port, "ping"]);
        assert!(
            says(&refused, "NOAUTH"),
            "port {port} answers, and not to strangers: {refused}"
        );
    }
}

#[test]
fn a_stock_redis_with_data_is_taken_over_and_given_back_without_losing_a_key() {
    let machine = with_our_binary();
    install(&machine, &["redis-server"]);
    assert_eq!(machine.systemctl(&["is-active", UNIT]).ok(), "active");
    let fill = "for i in $(seq 1000); do echo SET key:$i $i; done | redis-cli --pipe";
    machine.sh(fill).ok();
    assert_eq!(machine.exec(&["redis-cli", "dbsize"]).ok(), "1000");

    let apply = machine.exec(&[BINARY, "apply"]);
    apply.ok();
    serves_hardened(&machine);
    assert_eq!(as_admin(&machine, &["dbsize"]), "1000", "{apply}");
    as_admin(&machine, &["set", "written-under-us", "1"]);
    machine.systemctl(&["restart", UNIT]).ok();
    assert_eq!(as_admin(&machine, &["dbsize"]), "1001", "after a restart");

    machine.exec(&[BINARY, "rollback"]).ok();
    assert_eq!(machine.systemctl(&["is-active", UNIT]).ok(), "active");
    let program = machine.command_line(&machine.property(UNIT, "MainPID"));
    assert!(
        program.iter().any(|word| word.contains("redis-server")),
        "the stock server is back: {program:?}"
    );
    assert_eq!(machine.exec(&["redis-cli", "dbsize"]).ok(), "1001");
}

#[test]
fn files_server_and_policy_are_held_together_on_a_real_service() {
    let machine = with_our_binary();
    install(&machine, &["redis-server"]);
    let check = |only: &str| machine.exec(&[BINARY, "check", "-v", "--only", only]);
    for id in [
        "config.started-with",
        "config.drift-running",
        "config.loads",
    ] {
        let stock = check(id);
        assert_eq!(
            stock.code, 0,
            "of the stock service, options and all: {stock}"
        );
    }
    machine
        .exec(&["redis-cli", "config", "set", "maxmemory-samples", "9"])
        .ok();
    let drifted = check("config.drift-running");
    assert_eq!(drifted.code, 1, "{drifted}");
    let said = "maxmemory-samples: 9 in the running server, 5 by default";
    assert!(says(&drifted, said), "{drifted}");

    machine.exec(&[BINARY, "apply"]).ok();
    let ours = check("config.*");
    assert_eq!(ours.code, 0, "after an apply all three agree: {ours}");
}

// What the tests above share.

/// What the server answers root's own user.
#[track_caller]
fn as_admin(machine: &Machine, words: &[&str]) -> String {
    let secret = machine.exec(&["cat", "/etc/redis-harden/secrets/admin"]);
    let cli = ["redis-cli", "-s", SOCKET, "--user", "admin"];
    let answer = machine.exec_with(&[("REDISCLI_AUTH", secret.ok())], &[&cli, words].concat());
    answer.ok().to_owned()
}

/// A bare machine with the binary under test, as an administrator would have copied it there.
fn with_our_binary() -> Machine {
    let machine = Machine::boot();
    machine.install(Path::new(env!("CARGO_BIN_EXE_redis-harden")), BINARY, 0o755);
    machine
}

/// At most this much, in tenths.
#[track_caller]
fn exposes(machine: &Machine, unit: &str, tenths: &str) {
    let security = ["systemd-analyze", "security", "--no-pager", "--threshold"];
    machine
        .exec(&[&security[..], &[tenths, unit]].concat())
        .ok();
}

fn install(machine: &Machine, packages: &[&str]) {
    machine.exec(&["apt-get", "-qq", "update"]).ok();
    let install = ["apt-get", "-qq", "-y", "install"];
    machine
        .exec_with(
            &[("DEBIAN_FRONTEND", "noninteractive")],
            &[&install, packages].concat(),
        )
        .ok();
}

fn is_stock(program: &str) -> bool {
    program.contains("/redis-server ")
}

/// The unit is up, its main process is our supervisor, and only someone with a password gets an answer.
#[track_caller]
fn serves_hardened(machine: &Machine) {
    assert_eq!(machine.systemctl(&["is-active", UNIT]).ok(), "active");
    assert_supervised(machine, &machine.property(UNIT, "MainPID"));
    let status = machine.exec(&[BINARY, "status", "default"]);
    assert_eq!(status.ok().matches(" holds: ").count(), 9, "{status}");

    let secret = machine.exec(&["cat", "/etc/redis-harden/secrets/admin"]);
    let ping = [
        "redis-cli",
        "-s",
        SOCKET,
        "--user",
        "admin",
        "--no-auth-warning",
        "ping",
    ];
    let known = machine.exec_with(&[("REDISCLI_AUTH", secret.ok())], &ping);
    assert_eq!(known.ok(), "PONG", "{known}");
    for stranger in [
        &["redis-cli", "-s", SOCKET, "ping"][..],
        &["redis-cli", "-p", "6379", "ping"],
    ] {
        let refused = machine.exec(stranger);
        assert!(
            says(&refused, "NOAUTH"),
            "nobody without a password gets an answer: {refused}"
        );
    }
    assert_eq!(
        machine
            .exec(&["stat", "-c", "%U %a", "/etc/redis-harden/secrets/admin"])
            .ok(),
        "root 600"
    );
}

#[track_caller]
fn assert_supervised(machine: &Machine, pid: &str) {
    let words = machine.command_line(pid);
    assert_eq!(
        words.first().map(String::as_str),
        Some(BINARY),
        "the main process {pid} is ours: {words:?}"
    );
    assert!(words.iter().any(|word| word == "supervise"), "{words:?}");
}

fn says(ran: &Ran, word: &str) -> bool {
    ran.stdout.contains(word) || ran.stderr.contains(word)
}

/// What changes when systemd starts the service anew.
fn life(machine: &Machine) -> Vec<String> {
    [
        "MainPID",
        "NRestarts",
        "ActiveEnterTimestampMonotonic",
        "InvocationID",
    ]
    .map(|name| machine.property(UNIT, name))
    .into()
}

/// The sysctls of this catalogue that belong to a network namespace, so that a container has its own.
fn network_values(machine: &Machine) -> String {
    machine
        .exec(&[
            "sysctl",
            "net.core.somaxconn",
            "net.ipv4.tcp_max_syn_backlog",
        ])
        .ok()
        .to_owned()
}

fn left_behind(machine: &Machine, before: &Tree) -> Vec<String> {
    left::left_behind(before, &machine.tree(), |list| {
        machine.exec(&["cat", list]).ok().to_owned()
    })
}
