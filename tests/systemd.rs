//! The main job on a real Debian under real systemd, in a container that `tests/nspawn/root` makes.
//!
//! Needs root and `tests/install-deps`; without them every test here fails and says so. The first part asks whether
//! the machine is one that the second part can trust: it runs nothing of ours.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

use std::path::Path;
use std::process::Command;

mod support {
    pub mod disk;
    pub mod left;
    pub mod nspawn;
    pub mod tree;
}

use support::disk::Ran;
use support::left::{self, allow};
use support::nspawn::Machine;
use support::tree::{Tree, What};

const BINARY: &str = "/usr/local/sbin/redis-harden";
const SOCKET: &str = "/run/redis/redis-server.sock";
const UNIT: &str = "redis-server.service";

// The machine itself.

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
fn what_nobody_confirms_is_rolled_back_also_over_a_reboot() {
    let mut machine = Machine::boot();
    machine.install(Path::new(env!("CARGO_BIN_EXE_redis-harden")), BINARY, 0o755);
    machine.exec(&["mkdir", "-p", "/etc/redis-harden"]).ok();
    let policy = |machine: &Machine, maxclients: u32| {
        let text = format!("[redis]\nmaxclients = {maxclients}\n");
        machine.write("/etc/redis-harden/policy.toml", text.as_bytes(), 0o644);
    };
    let has = |machine: &Machine, maxclients: u32| {
        let line = format!("maxclients {maxclients}");
        let conf = machine.exec(&["cat", "/etc/redis-harden/redis/default.conf"]);
        conf.ok().lines().any(|l| l == line)
    };
    let becomes = |machine: &Machine, maxclients: u32| {
        for _ in 0..150 {
            let history = machine.exec(&[BINARY, "history"]);
            if has(machine, maxclients) && !history.stdout.contains("waits to be confirmed") {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        panic!(
            "{}",
            machine
                .sh("redis-harden history; journalctl -q --no-pager -u 'redis-harden*' | tail -40")
        );
    };
    policy(&machine, 5000);
    machine.exec(&[BINARY, "apply"]).ok();

    policy(&machine, 5001);
    machine
        .exec(&[BINARY, "apply", "--confirm-within", "2s"])
        .ok();
    assert!(has(&machine, 5001));
    becomes(&machine, 5000);

    // The power goes before anybody could confirm.
    machine
        .exec(&[BINARY, "apply", "--confirm-within", "10m"])
        .ok();
    assert!(has(&machine, 5001));
    machine.reboot();
    becomes(&machine, 5000);
    assert_eq!(machine.systemctl(&["is-active", UNIT]).ok(), "active");

    machine
        .exec(&[BINARY, "apply", "--confirm-within", "3s"])
        .ok();
    machine.exec(&[BINARY, "confirm"]).ok();
    machine.reboot();
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert!(has(&machine, 5001), "what was confirmed stays");
    assert_eq!(
        machine
            .systemctl(&["--failed", "--no-legend", "--plain"])
            .ok(),
        ""
    );
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
    for unit in ["redis-harden-firewall.service", UNIT] {
        let security = [
            "systemd-analyze",
            "security",
            "--no-pager",
            "--threshold",
            "16",
            unit,
        ];
        machine.exec(&security).ok();
    }

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
