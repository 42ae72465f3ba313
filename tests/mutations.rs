//! One thing broken at a time on a host where everything passes: exactly the declared controls fail, and no other.
//!
//! The mutations are what the controls' own failing cases lay over a host, and `EXTRA`; what each makes fail is declared in
//! `tests/fixtures/mutations.txt`, which `REDIS_HARDEN_BLESS=1` writes anew for review.
#![allow(
    clippy::disallowed_methods,
    reason = "a test reads its own fixtures; the boundary is for src/"
)]

#[path = "support/fake.rs"]
mod fake;

use fake::{Fake, fixture};
use redis_harden::audit::{Judged, Status};
use redis_harden::control::{Control, Expect};
use redis_harden::controls::all;
use redis_harden::policy::Policies;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// What breaks several things at once, or nothing that a case of one control shows: the traps of practice.
const EXTRA: &[(&str, &[(&str, &str)])] = &[
    (
        "an open server",
        &[
            ("ANONYMOUS", "open"),
            ("ACL default", "on nopass ~* &* +@all"),
        ],
    ),
    (
        "CONFIG SET dir to cron",
        &[
            ("CONFIG dir", "/var/spool/cron"),
            ("CONFIG dbfilename", "root"),
        ],
    ),
    (
        "persistence turned off by hand",
        &[
            ("CONFIG appendonly", "no"),
            ("CONFIG save", ""),
            ("INFO aof_enabled", "0"),
        ],
    ),
    (
        "a replica of a stranger",
        &[
            ("INFO role", "slave"),
            ("INFO master_host", "203.0.113.7"),
            ("INFO master_link_status", "up"),
            ("INFO master_last_io_seconds_ago", "1"),
        ],
    ),
    (
        "an exposed bind",
        &[("CONFIG bind", "* -::*"), ("CONFIG protected-mode", "no")],
    ),
    (
        "a full disk",
        &[
            ("INFO aof_last_write_status", "err"),
            ("INFO rdb_last_bgsave_status", "err"),
        ],
    ),
    (
        "requirepass beside the ACL",
        &[("CONFIG requirepass", "foobared")],
    ),
    (
        "an application that may do all",
        &[(
            "ACL app",
            "on #0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef ~* &* +@all",
        )],
    ),
    (
        "a world-readable dump",
        &[("/var/lib/redis/dump.rdb 0644 redis:redis", "REDIS0010")],
    ),
    (
        "an old kernel value at the next boot",
        &[("/etc/sysctl.d/zz-vendor.conf", "vm.overcommit_memory = 0\n")],
    ),
];

/// Cases that are about another host than a compliant one: laid over it they break something else, or nothing. Why.
const ANOTHER_HOST: &[(&str, &str)] = &[
    (
        "network.firewall",
        "the kernel's table is no part of a fake host",
    ),
    (
        "service.enabled",
        "nothing starts a fake host's unit: it is not enabled before it runs",
    ),
    ("service.running", "no server runs on a fake host"),
    (
        "acl.missing-users",
        "its case has fewer users, and nothing here takes one away",
    ),
    ("config.unknown-directive", "about a stock server's file"),
    ("config.inline-comment", "about a stock server's file"),
    ("config.loads", "about a stock server's file"),
    ("config.duplicate", "about a stock server's file"),
    ("config.plaintext-secret", "about a stock server's file"),
];

fn production() -> Policies {
    Policies::parse("test.toml", "[redis]\nmaxmemory = \"512mb\"\n").expect("a policy")
}

/// All but the copy of the running program, and what is this machine's.
fn controls() -> Vec<&'static Control> {
    let elsewhere = ["service.binary", "kernel.clock-cost"];
    all()
        .into_iter()
        .filter(|c| !elsewhere.contains(&c.id))
        .collect()
}

/// A host after an apply, with the server that it would have. What it tells was recorded from a Redis 7.0.15 that ran the
/// rendered files; its users are those of the rendered ACL file.
fn compliant() -> Fake {
    let (mut fake, policies) = (Fake::new(), production());
    let applied = fake.apply(&policies, &controls());
    assert!(applied.failed.is_empty(), "{:?}", applied.failed);
    let text = |name: &str| std::fs::read_to_string(fixture(name)).expect("a fixture");
    for line in text("told/config.txt").lines() {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        fake.lay(&format!("CONFIG {name}"), value);
    }
    for line in text("told/info.txt").lines() {
        let (name, value) = line.split_once(':').expect("name:value");
        fake.lay(&format!("INFO {name}"), value);
    }
    for (place, content) in [
        ("INFO process_id", "77"),
        ("CONFIG maxmemory", "536870912"),
        ("INFO maxmemory", "536870912"),
        ("/proc/77/ 0555 redis:redis", ""),
        ("/proc/77/comm", "redis-server\n"),
        ("/proc/77/ns/net -> net:[4026531840]", ""),
        ("/proc/self/ns/net -> net:[4026531840]", ""),
        ("/proc/77/limits", "@proc/limits-65535"),
        ("/proc/77/oom_score_adj", "0\n"),
        ("/proc/77/cgroup", "0::/system.slice/redis-server.service\n"),
        (
            "/sys/fs/cgroup/system.slice/redis-server.service/memory.events",
            "oom 0\noom_kill 0\n",
        ),
        (
            "/proc/77/mountinfo",
            "21 1 8:1 / / rw,noexec - ext4 /dev/sda1 rw\n",
        ),
        (
            "/etc/logrotate.d/redis-server",
            "/var/log/redis/redis-server*.log {\n\tweekly\n}\n",
        ),
        ("/proc/77/exe -> /usr/bin/redis-server", ""),
        ("/usr/bin/redis-server 0755 root:root", "x"),
        (
            "/var/lib/dpkg/info/redis-server.list",
            "/usr/bin/redis-server\n",
        ),
        ("INFO uptime_in_seconds", "0"),
        ("/run/redis/redis-server.sock 0770 redis:redis", ""),
    ] {
        fake.lay(place, content);
    }
    let uid = fake::uid("redis");
    let status = text("proc/status-filtered")
        .lines()
        .map(|line| match line.split_once(':') {
            Some(("Uid" | "Gid", _)) => format!("{}:\t{uid}\t{uid}\t{uid}\t{uid}\n", &line[..3]),
            Some(("CapEff", _)) => "CapEff:\t0000000000000000\n".to_owned(),
            Some(("NoNewPrivs", _)) => "NoNewPrivs:\t1\n".to_owned(),
            _ => format!("{line}\n"),
        })
        .collect::<String>();
    fake.lay("/proc/77/status", &status);
    let acl = std::fs::read_to_string(fake.real("/etc/redis-harden/redis/default.acl"));
    for line in acl.expect("it is rendered").lines() {
        let user = line.strip_prefix("user ").expect("a user");
        let (name, rules) = user.split_once(' ').expect("rules");
        fake.lay(&format!("ACL {name}"), rules);
    }
    fake
}

/// The package's unit is not replaced but overridden, by a drop-in after ours: one thing at a time.
fn over_ours<'a>(mutation: &str, place: &'a str) -> &'a str {
    // What must be missing cannot be overridden.
    let missing = mutation == "sandbox.system-calls 1";
    match place {
        "/lib/systemd/system/redis-server.service" if !missing => {
            "/etc/systemd/system/redis-server.service.d/90-somebody.conf"
        }
        other => other,
    }
}

/// Those that fail or cannot be judged.
fn broken(judged: &[Judged]) -> BTreeSet<&'static str> {
    let bad = judged
        .iter()
        .filter(|j| matches!(j.status, Status::Fail | Status::Unknown));
    bad.map(|j| j.control.id).collect()
}

/// Name, what is laid over the host, and the control that it is a case of.
type Mutation = (
    String,
    &'static [(&'static str, &'static str)],
    Option<&'static str>,
);

fn mutations() -> Vec<Mutation> {
    let mut all: Vec<Mutation> = Vec::new();
    let another = |id: &str| ANOTHER_HOST.iter().any(|(other, _)| *other == id);
    for control in controls().into_iter().filter(|c| !another(c.id)) {
        let cases = control
            .cases
            .iter()
            .filter(|c| c.expect == Expect::Fail && c.policy.is_empty());
        for (n, case) in cases.enumerate() {
            all.push((
                format!("{} {}", control.id, n + 1),
                case.files,
                Some(control.id),
            ));
        }
    }
    all.extend(
        EXTRA
            .iter()
            .map(|(name, files)| ((*name).to_owned(), *files, None)),
    );
    all
}

#[test]
fn each_mutation_fails_the_declared_controls_and_no_other() {
    assert!(fake::is_root(), "owners are told apart only as root");
    let (base, policies, controls) = (compliant(), production(), controls());
    let before = broken(&base.audit(&policies, &controls));
    // What a fake host cannot have.
    assert_eq!(
        Vec::from_iter(&before),
        [&"network.firewall", &"service.enabled", &"service.running"],
        "on the compliant host"
    );
    let mutations = mutations();
    let mut matrix = String::new();
    let mut failed_by_some: BTreeSet<&str> = BTreeSet::new();
    let mut blind = Vec::new();
    for (name, files, control) in &mutations {
        let mut fake = base.copy();
        for (place, content) in *files {
            fake.lay(over_ours(name, place), content);
        }
        let after = broken(&fake.audit(&policies, &controls));
        let new: Vec<&str> = after.difference(&before).copied().collect();
        // Our configuration keeps most holes out of reach: that is what is said of them here.
        let seen = |id: &str| {
            new.contains(&id) || id.starts_with("cve.") && new.contains(&"cve.mitigated")
        };
        if control.is_some_and(|id| !seen(id)) {
            blind.push(name.clone());
        }
        let _ = writeln!(matrix, "{name}: {}", new.join(", "));
        failed_by_some.extend(new);
    }
    println!(
        "{matrix}{} mutations; {} of {} controls are failed by some",
        mutations.len(),
        failed_by_some.len(),
        controls.len()
    );
    let declared = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mutations.txt");
    if std::env::var_os("REDIS_HARDEN_BLESS").is_some() {
        std::fs::write(&declared, &matrix).expect("the declarations");
    }
    let declared = std::fs::read_to_string(&declared).expect("the declarations");
    let changed: Vec<&str> = matrix
        .lines()
        .filter(|line| !declared.lines().any(|d| d == *line))
        .collect();
    assert_eq!(changed.join("\n"), "", "not as declared");
    assert_eq!(
        declared.lines().count(),
        mutations.len(),
        "a mutation is gone"
    );
    assert_eq!(
        blind,
        Vec::<String>::new(),
        "cases that their own control does not see on a compliant host"
    );
    assert!(mutations.len() >= 140, "{}", mutations.len());
}
