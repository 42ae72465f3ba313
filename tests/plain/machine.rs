//! The machine that these tests share, and what is done on it.

use super::processes::lives;
use crate::support::disk::Ran;
use crate::support::plain::Plain;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

pub const BINARY: &str = "/usr/local/sbin/redis-harden";
pub const SOCKET: &str = "/run/redis/redis-server.sock";
pub const POLICY: &str = "/etc/redis-harden/policy.toml";
pub const USERS: [&str; 3] = ["admin", "agent", "app"];

pub fn bare() -> Plain {
    let plain = Plain::start();
    plain.install(Path::new(env!("CARGO_BIN_EXE_redis-harden")), BINARY, 0o755);
    if flavour() != "redis" {
        policy(&plain, "");
    }
    plain
}

/// The server that policies ask for: redis, unless `REDIS_HARDEN_TEST_FLAVOUR` says valkey (on trixie, by `REDIS_HARDEN_TEST_SUITE`).
pub fn flavour() -> String {
    std::env::var("REDIS_HARDEN_TEST_FLAVOUR").unwrap_or_else(|_| "redis".to_owned())
}

pub fn log_file() -> String {
    let flavour = flavour();
    format!("/var/log/{flavour}/{flavour}-server.log")
}

/// Its own client, which is there with it.
pub fn cli() -> String {
    flavour() + "-cli"
}

/// Where that server listens without a network.
pub fn socket() -> String {
    let flavour = flavour();
    format!("/run/{flavour}/{flavour}-server.sock")
}

pub fn applied() -> Plain {
    let plain = bare();
    apply(&plain).ok();
    plain
}

pub fn apply(plain: &Plain) -> Ran {
    plain.exec(&[BINARY, "apply"])
}

pub fn history(plain: &Plain) -> String {
    plain.exec(&[BINARY, "history"]).ok().to_owned() + "\n"
}

pub fn policy(plain: &Plain, text: &str) {
    let mut text = format!("extends = \"production\"\n\n{text}");
    if flavour() != "redis" {
        let table = format!("[redis]\nflavour = \"{}\"\n", flavour());
        text = match text.contains("[redis]\n") {
            true => text.replace("[redis]\n", &table),
            false => format!("{text}\n{table}"),
        };
    }
    plain.write(POLICY, text.as_bytes(), 0o644);
}

pub fn secret(user: &str) -> String {
    format!("/etc/redis-harden/secrets/{user}")
}

pub fn install(plain: &Plain, packages: &[&str]) {
    plain.exec(&["apt-get", "-qq", "update"]).ok();
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    plain
        .exec_with(
            &quiet,
            &[&["apt-get", "-qqy", "install"], packages].concat(),
        )
        .ok();
}

pub fn redis(plain: &Plain, user: &str, words: &[&str]) -> Ran {
    redis_at(plain, user, &socket(), words)
}

/// As a user of an instance: `user`, or `instance.user`.
pub fn redis_at(plain: &Plain, user: &str, socket: &str, words: &[&str]) -> Ran {
    let password = plain.read(&secret(user));
    let name = user.rsplit('.').next().unwrap_or(user);
    let login = [&cli(), "-s", socket, "--user", name, "--no-auth-warning"];
    plain.exec_with(&[("REDISCLI_AUTH", &password)], &[&login, words].concat())
}

/// Our supervisor runs it, and everybody may do what they are there for and nothing else.
#[track_caller]
pub fn serves_hardened(plain: &Plain, instance: &str, socket: &str, port: u16) {
    let all = lives(plain);
    let supervisor = all
        .iter()
        .find(|p| p.arguments == format!("{BINARY} supervise {instance}"));
    let supervisor = supervisor.unwrap_or_else(|| panic!("no supervisor of {instance}: {all:?}"));
    let server = all
        .iter()
        .find(|p| p.parent == supervisor.pid && p.arguments.starts_with("/usr/"));
    assert!(
        server.is_some_and(|p| p.arguments.ends_with(&format!(":{port}"))),
        "{all:?}"
    );

    let prefix = if instance == "default" {
        String::new()
    } else {
        format!("{instance}.")
    };
    let ask =
        |user: &str, words: &[&str]| redis_at(plain, &format!("{prefix}{user}"), socket, words);
    for user in USERS {
        assert_eq!(ask(user, &["PING"]).ok(), "PONG");
        let access = plain.exec(&[
            "stat",
            "-c",
            "%U:%G %a",
            &secret(&format!("{prefix}{user}")),
        ]);
        assert_eq!(access.ok(), "root:root 600");
    }
    for stranger in [&["-s", socket][..], &["-p", &port.to_string()]] {
        let refused = plain.exec(&[&[&*cli()], stranger, &["PING"]].concat());
        assert!(says(&refused, "NOAUTH"), "{refused}");
    }
    let forbidden: [(&str, &[&str]); 8] = [
        ("app", &["CONFIG", "GET", "dir"]),
        ("app", &["FLUSHALL"]),
        ("app", &["KEYS", "*"]),
        ("app", &["EVAL", "return 1", "0"]),
        ("agent", &["GET", "key"]),
        ("agent", &["CONFIG", "GET", "dir"]),
        ("agent", &["ACL", "LIST"]),
        ("agent", &["SAVE"]),
    ];
    for (user, words) in forbidden {
        let refused = ask(user, words);
        assert!(says(&refused, "NOPERM"), "{user} {words:?}: {refused}");
    }
    assert!(says(&ask("agent", &["INFO", "server"]), "redis_version"));
}

/// The ports that our table in the kernel looks at.
pub fn guarded(plain: &Plain) -> Vec<u16> {
    let set = plain.exec(&["nft", "list", "set", "inet", "redis_harden", "ports"]);
    let elements = set
        .ok()
        .split_once("elements = {")
        .map_or("", |(_, rest)| rest);
    let ports = elements.split('}').next().unwrap_or_default().split(',');
    ports.filter_map(|port| port.trim().parse().ok()).collect()
}

pub fn says(ran: &Ran, word: &str) -> bool {
    ran.stdout.contains(word) || ran.stderr.contains(word)
}

pub fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{what} did not come"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

/// xorshift64*: enough to choose where to cut.
pub fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
}
