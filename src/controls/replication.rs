//! Replication: judged on what the running server says of its role.

use super::rendered::{access, group};
use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::facts::{Entrypoint, Facts};
use crate::policy::Policy;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::value::Value;

/// A replica hears from its master every ten seconds at least. Source: repl-ping-replica-period.
const MOST_SILENCE_S: i64 = 60;
/// Redis's default is 1 MiB: some seconds of writes.
const LEAST_BACKLOG: i64 = 10 << 20;

/// Of a policy whose server logs in at its primary.
const OF_A_NODE: &str = "[acl.replica]\nrole = \"replica\"\n[replication]\nuser = \"replica\"";

const AUTH_0640: &str = "/etc/redis-harden/redis/default.auth 0640 root:redis";
const AUTH_0644: &str = "/etc/redis-harden/redis/default.auth 0644 root:redis";
const AUTH_TEXT: &str = "# Rendered by redis-harden; redis.conf includes it.\nmasterauth 2f3c\n";

pub const CONTROLS: &[Control] = &[
    Control {
        id: "replication.link",
        title: "a replica is connected to its master",
        severity: Severity::High,
        why: "Its data is getting old, and a failover to it loses all that was written since.",
        references: &["Redis INFO master_link_status"],
        by_hand: "the replica's log says why: address, firewall, masterauth, TLS",
        wants: Wants::Told(|p, f| {
            of_replica(
                p,
                f,
                super::info(p, "master_link_status"),
                Rule::Is(Value::text("up")),
                "the replica's log says why: address, firewall, password, TLS",
            )
        }),
        cases: &[
            passes(&[("INFO role", "slave"), ("INFO master_link_status", "up")]),
            fails(&[("INFO role", "slave"), ("INFO master_link_status", "down")]),
        ],
    },
    Control {
        id: "replication.heard",
        title: "a replica hears from its master",
        severity: Severity::Medium,
        why: "A link that is up and silent is a dead network that nobody has noticed yet.",
        references: &["Redis INFO master_last_io_seconds_ago"],
        by_hand: "look at the network between the two, and at repl-timeout",
        wants: Wants::Told(|p, f| {
            of_replica(
                p,
                f,
                super::info(p, "master_last_io_seconds_ago"),
                Rule::AtMost(MOST_SILENCE_S),
                "look at the network between the two",
            )
        }),
        cases: &[
            passes(&[
                ("INFO role", "slave"),
                ("INFO master_last_io_seconds_ago", "3"),
            ]),
            fails(&[
                ("INFO role", "slave"),
                ("INFO master_last_io_seconds_ago", "300"),
            ]),
        ],
    },
    running!(
        "replication.read-only",
        High,
        "replica-read-only",
        Rule::Is(Value::text("yes")),
        "a replica takes no writes",
        "What is written to a replica is lost at the next synchronisation; with scripts it is CVE-2026-23631 as well.",
        &["redis.conf replica-read-only", "CVE-2026-23631"],
        "yes",
        "no"
    ),
    Control {
        id: "replication.master-persistence",
        title: "a master with replicas persists",
        severity: Severity::Critical,
        why: "A master without persistence that is restarted comes back empty, and its replicas empty themselves after it.",
        references: &[
            "Redis replication.md, safety of replication when master has persistence turned off",
        ],
        by_hand: "turn the append-only file on: CONFIG SET appendonly yes, wait for the rewrite, then the same in the configuration",
        wants: Wants::Told(|p, f| {
            if !has_replicas(p, f) {
                return Vec::new();
            }
            if snapshots(p, f) {
                return vec![Want::by_hand(
                    super::directive(p, "save"),
                    Rule::Present,
                    "save is set: nothing is to be done",
                )];
            }
            vec![Want::by_restart(
                super::directive(p, "appendonly"),
                Rule::Is(Value::text("yes")),
            )]
        }),
        cases: &[
            passes(&[
                ("INFO role", "master"),
                ("INFO connected_slaves", "1"),
                ("CONFIG appendonly", "yes"),
                ("CONFIG save", ""),
            ]),
            passes(&[
                ("INFO role", "master"),
                ("INFO connected_slaves", "1"),
                ("CONFIG appendonly", "no"),
                ("CONFIG save", "3600 1"),
            ]),
            fails(&[
                ("INFO role", "master"),
                ("INFO connected_slaves", "1"),
                ("CONFIG appendonly", "no"),
                ("CONFIG save", ""),
            ]),
        ],
    },
    Control {
        id: "replication.backlog",
        title: "a replica that was away for a moment need not copy everything",
        severity: Severity::Low,
        why: "The default backlog holds 1 MiB of writes: after a short network failure every replica forces a fork and a full copy.",
        references: &["redis.conf repl-backlog-size"],
        by_hand: "set repl-backlog-size to the bytes written in the longest outage to be survived: redis.directives in the policy",
        wants: Wants::Told(|p, f| match has_replicas(p, f) {
            true => vec![Want::by_hand(
                super::directive(p, "repl-backlog-size"),
                Rule::AtLeast(LEAST_BACKLOG),
                "set repl-backlog-size under [redis.directives]",
            )],
            false => Vec::new(),
        }),
        cases: &[
            passes(&[
                ("INFO role", "master"),
                ("INFO connected_slaves", "1"),
                ("CONFIG repl-backlog-size", "104857600"),
            ]),
            fails(&[
                ("INFO role", "master"),
                ("INFO connected_slaves", "1"),
                ("CONFIG repl-backlog-size", "1048576"),
            ]),
        ],
    },
    Control {
        id: "replication.encrypted",
        title: "replication over a network is encrypted",
        severity: Severity::High,
        why: "The whole dataset and the master's password cross the network in clear text.",
        references: &["redis.conf tls-replication", "Redis encryption.md"],
        by_hand: "set tls-replication yes with a certificate that serves as a client's too, on both sides",
        wants: Wants::Told(|p, f| match master_host(p, f) {
            Some(host) if !is_loopback(host) => vec![Want::by_hand(
                super::directive(p, "tls-replication"),
                Rule::Is(Value::text("yes")),
                "set tls-replication yes on both sides",
            )],
            _ => Vec::new(),
        }),
        cases: &[
            passes(&[
                ("INFO role", "slave"),
                ("INFO master_host", "10.0.0.1"),
                ("CONFIG tls-replication", "yes"),
            ]),
            fails(&[
                ("INFO role", "slave"),
                ("INFO master_host", "10.0.0.1"),
                ("CONFIG tls-replication", "no"),
            ]),
        ],
    },
    Control {
        id: "replication.authenticated",
        title: "a replica has a password for its master",
        severity: Severity::High,
        why: "A master that lets a replica in without one hands the whole dataset to whoever asks.",
        references: &["redis.conf masterauth", "Redis replication.md"],
        by_hand: "give the replica a user of its own on the master (+psync +replconf +ping), and masteruser and masterauth here",
        wants: Wants::Told(|p, f| match master_host(p, f) {
            Some(host) if !is_loopback(host) => vec![Want::by_hand(
                super::directive(p, "masterauth"),
                Rule::Is(Value::text("(set)")),
                "set masteruser and masterauth",
            )],
            _ => Vec::new(),
        }),
        cases: &[
            passes(&[
                ("INFO role", "slave"),
                ("INFO master_host", "10.0.0.1"),
                ("CONFIG masterauth", "x"),
            ]),
            fails(&[
                ("INFO role", "slave"),
                ("INFO master_host", "10.0.0.1"),
                ("CONFIG masterauth", ""),
            ]),
        ],
    },
    Control {
        id: "replication.password-file",
        title: "the password for the primary is in a file that Redis alone reads, and in the running server",
        severity: Severity::High,
        why: "A replica has to have it in clear text: in redis.conf it would be in every diff and backup of it, and one that is not the user's \
              ends replication with the next connection.",
        references: &[
            "redis.conf masteruser, masterauth, include",
            "Redis replication.md",
        ],
        by_hand: "a file root:redis 0640 with the one line `masterauth …`, an include of it in redis.conf, and CONFIG SET masterauth",
        wants: Wants::Instance(password_file),
        cases: &[
            passes(&[]),
            passes(&[
                ("/etc/redis-harden/secrets/replica 0600 root:root", "2f3c\n"),
                (AUTH_0640, AUTH_TEXT),
            ])
            .under(OF_A_NODE),
            fails(&[
                ("/etc/redis-harden/secrets/replica 0600 root:root", "2f3c\n"),
                (AUTH_0644, AUTH_TEXT),
            ])
            .under(OF_A_NODE),
        ],
    },
    Control {
        id: "replication.buffer-holds-backlog",
        title: "a replica's output buffer holds at least the backlog",
        severity: Severity::Medium,
        why: "A smaller one cuts the replica off while it catches up, and the full copy begins again: a loop.",
        references: &[
            "redis.conf client-output-buffer-limit",
            "redis.conf repl-backlog-size",
        ],
        by_hand: "raise the hard limit of client-output-buffer-limit replica above repl-backlog-size",
        wants: Wants::Told(buffer),
        cases: &[
            passes(&[
                ("INFO role", "master"),
                ("INFO connected_slaves", "1"),
                ("CONFIG repl-backlog-size", "1048576"),
                (
                    "CONFIG client-output-buffer-limit",
                    "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
                ),
            ]),
            passes(&[
                ("INFO role", "master"),
                ("INFO connected_slaves", "1"),
                ("CONFIG repl-backlog-size", "1048576"),
                (
                    "CONFIG client-output-buffer-limit",
                    "normal 0 0 0 slave 0 0 0 pubsub 0 0 0",
                ),
            ]),
            fails(&[
                ("INFO role", "master"),
                ("INFO connected_slaves", "1"),
                ("CONFIG repl-backlog-size", "536870912"),
                (
                    "CONFIG client-output-buffer-limit",
                    "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
                ),
            ]),
        ],
    },
];

/// In the group of redis.conf, which includes it; gone with the user.
fn password_file(policy: &Policy, facts: &Facts) -> Vec<Want> {
    let path = policy.primary_password_file();
    let setting = Setting::PrimaryPassword {
        instance: policy.redis.name.to_string(),
        path,
    };
    if policy.replication.user.is_none() {
        let want = Want::write(Phase::Service, group(policy), setting, Rule::Absent);
        return vec![want];
    }
    let mut access = access(facts, "root", policy.group(), 0o640);
    if let Some(Entrypoint::Own(..)) = facts.entrypoint {
        (access.user, access.group) = (facts.root_account(), facts.root_group());
    }
    let rule = Rule::Is(Value::Owned(access));
    // Before redis.conf, which does not load without it.
    let mut wants = vec![Want::write(Phase::Ground, group(policy), setting, rule)];
    let ours = facts.instances.get(policy.redis.name.as_str());
    if ours.is_some_and(|known| known.report.is_some()) {
        let live = Setting::LivePrimaryPassword(policy.redis.name.to_string());
        wants.push(Want::write(Phase::Live, group(policy), live, Rule::Absent));
    }
    wants
}

fn field<'a>(policy: &Policy, facts: &'a Facts, name: &str) -> Option<&'a str> {
    super::told(policy, facts)?
        .info
        .get(name)
        .map(String::as_str)
}

fn of_replica(
    policy: &Policy,
    facts: &Facts,
    setting: Setting,
    rule: Rule,
    what: &str,
) -> Vec<Want> {
    match field(policy, facts, "role") {
        Some("slave") => vec![Want::by_hand(setting, rule, what)],
        _ => Vec::new(),
    }
}

fn master_host<'a>(policy: &Policy, facts: &'a Facts) -> Option<&'a str> {
    match field(policy, facts, "role") {
        Some("slave") => field(policy, facts, "master_host"),
        _ => None,
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn has_replicas(policy: &Policy, facts: &Facts) -> bool {
    let replicas = field(policy, facts, "connected_slaves").and_then(|n| n.parse::<u64>().ok());
    replicas.is_some_and(|n| n > 0)
}

/// Whether the running server takes snapshots by itself.
fn snapshots(policy: &Policy, facts: &Facts) -> bool {
    let save = super::told(policy, facts).and_then(|told| told.directives.get("save"));
    save.is_some_and(|points| !points.is_empty())
}

fn buffer(policy: &Policy, facts: &Facts) -> Vec<Want> {
    if !has_replicas(policy, facts) {
        return Vec::new();
    }
    let limits =
        super::told(policy, facts).and_then(|t| t.directives.get("client-output-buffer-limit"));
    let Some(limits) = limits else {
        return Vec::new();
    };
    let mut words = limits.split_whitespace();
    // CONFIG GET says slave, whatever the file says. 0 is no limit.
    let class = words.find(|w| matches!(*w, "slave" | "replica"));
    let hard: i64 = class
        .and(words.next())
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let most = if hard == 0 { i64::MAX } else { hard };
    vec![Want::by_hand(
        super::directive(policy, "repl-backlog-size"),
        Rule::AtMost(most),
        "raise the hard limit of client-output-buffer-limit replica above repl-backlog-size",
    )]
}
