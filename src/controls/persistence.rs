//! Persistence: on as the policy says, and working.

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::policy::{Fsync, Policy};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::value::Value;

/// A server counts them over its whole life; a disk that keeps up has a handful.
const MOST_DELAYED: i64 = 1000;

pub const CONTROLS: &[Control] = &[
    Control {
        id: "persistence.append-only",
        title: "the append-only file is on or off as the policy says",
        severity: Severity::High,
        why: "It is what is left after a crash: with everysec at most a second of writes is lost.",
        references: &[
            "Redis persistence.md",
            "Redis Enterprise 6.x STIG RD6X-00-010600",
        ],
        by_hand: "CONFIG SET appendonly yes, wait for aof_rewrite_in_progress:0, then write it to redis.conf. Never by a restart first",
        wants: Wants::Instance(|p, _| {
            let wanted = if p.persistence.appendonly {
                "yes"
            } else {
                "no"
            };
            vec![Want::by_restart(
                super::directive(p, "appendonly"),
                Rule::Is(Value::text(wanted)),
            )]
        }),
        cases: &[
            passes(&[("CONFIG appendonly", "yes")]),
            fails(&[("CONFIG appendonly", "no")]),
        ],
    },
    Control {
        id: "persistence.snapshots",
        title: "snapshots are taken as the policy says",
        severity: Severity::High,
        why: "Backups are made of them.",
        references: &["Redis persistence.md"],
        by_hand: "CONFIG SET save \"3600 1 300 100 60 10000\", and the same in redis.conf",
        wants: Wants::Instance(|p, _| {
            vec![Want::by_restart(
                super::directive(p, "save"),
                Rule::Is(Value::text(p.persistence.save.join(" "))),
            )]
        }),
        cases: &[
            passes(&[("CONFIG save", "3600 1 300 100 60 10000")]),
            fails(&[("CONFIG save", "")]),
        ],
    },
    Control {
        id: "persistence.last-snapshot",
        title: "the last background save succeeded",
        severity: Severity::High,
        why: "While it fails, writes are refused, and nothing newer than the last good snapshot can be restored.",
        references: &["Redis INFO rdb_last_bgsave_status"],
        by_hand: "read the server's log for why it failed (disk, memory, sandbox), then BGSAVE",
        wants: Wants::Instance(|p, _| health(p, "rdb_last_bgsave_status")),
        cases: &[
            passes(&[("INFO rdb_last_bgsave_status", "ok")]),
            fails(&[("INFO rdb_last_bgsave_status", "err")]),
        ],
    },
    Control {
        id: "persistence.last-append",
        title: "the last write to the append-only file succeeded",
        severity: Severity::High,
        why: "While it fails, writes are refused.",
        references: &["Redis INFO aof_last_write_status"],
        by_hand: "read the server's log for why it failed: the disk is full, as a rule",
        wants: Wants::Instance(|p, _| {
            if p.persistence.appendonly {
                health(p, "aof_last_write_status")
            } else {
                Vec::new()
            }
        }),
        cases: &[
            passes(&[("INFO aof_last_write_status", "ok")]),
            fails(&[("INFO aof_last_write_status", "err")]),
        ],
    },
    Control {
        id: "persistence.last-rewrite",
        title: "the last rewrite of the append-only file succeeded",
        severity: Severity::Medium,
        why: "Without rewrites it grows until the disk is full.",
        references: &["Redis INFO aof_last_bgrewrite_status"],
        by_hand: "read the server's log for why it failed, then BGREWRITEAOF",
        wants: Wants::Instance(|p, _| {
            if p.persistence.appendonly {
                health(p, "aof_last_bgrewrite_status")
            } else {
                Vec::new()
            }
        }),
        cases: &[
            passes(&[("INFO aof_last_bgrewrite_status", "ok")]),
            fails(&[("INFO aof_last_bgrewrite_status", "err")]),
        ],
    },
    Control {
        id: "persistence.stop-writes",
        title: "writes stop when they can no longer be saved",
        severity: Severity::Medium,
        why: "Otherwise nobody notices that snapshots fail until the data is needed.",
        references: &["redis.conf stop-writes-on-bgsave-error"],
        by_hand: "CONFIG SET stop-writes-on-bgsave-error yes, and the same in redis.conf",
        wants: Wants::Instance(|p, _| {
            vec![Want::by_restart(
                super::directive(p, "stop-writes-on-bgsave-error"),
                Rule::Is(Value::text("yes")),
            )]
        }),
        cases: &[
            passes(&[("CONFIG stop-writes-on-bgsave-error", "yes")]),
            fails(&[("CONFIG stop-writes-on-bgsave-error", "no")]),
        ],
    },
    running!(
        "persistence.checksum",
        Medium,
        "rdbchecksum",
        Rule::Is(Value::text("yes")),
        "snapshots carry a checksum",
        "Without it a damaged snapshot is loaded as if it were whole.",
        &["redis.conf rdbchecksum"],
        "yes",
        "no"
    ),
    Control {
        id: "persistence.fsync",
        title: "the append-only file reaches the disk as the policy says",
        severity: Severity::High,
        why: "With appendfsync no the kernel decides when: measured in tens of seconds of lost writes.",
        references: &["redis.conf appendfsync", "Redis persistence.md"],
        by_hand: "CONFIG SET appendfsync everysec, and the same in redis.conf",
        wants: Wants::Instance(|p, _| {
            if !p.persistence.appendonly {
                return Vec::new();
            }
            let wanted = match p.persistence.appendfsync {
                Fsync::Always => "always",
                Fsync::Everysec => "everysec",
                Fsync::No => "no",
            };
            vec![Want::by_restart(
                super::directive(p, "appendfsync"),
                Rule::Is(Value::text(wanted)),
            )]
        }),
        cases: &[
            passes(&[("CONFIG appendfsync", "everysec")]),
            fails(&[("CONFIG appendfsync", "no")]),
        ],
    },
    running!(
        "persistence.fsync-on-rewrite",
        Medium,
        "no-appendfsync-on-rewrite",
        Rule::Is(Value::text("no")),
        "the append-only file reaches the disk during a rewrite too",
        "Otherwise a crash during a rewrite loses all that was written since it began.",
        &["redis.conf no-appendfsync-on-rewrite"],
        "no",
        "yes"
    ),
    running!(
        "persistence.old-files-removed",
        Low,
        "aof-disable-auto-gc",
        Rule::NoneOf(vec![Value::text("yes")]),
        "append-only files that a rewrite has replaced are removed",
        "A hidden directive for tests keeps them all: the disk fills.",
        &["Redis src/config.c aof-disable-auto-gc"],
        "no",
        "yes"
    ),
    Control {
        id: "persistence.delayed-fsync",
        title: "the disk keeps up with the append-only file",
        severity: Severity::Low,
        why: "Each delayed fsync is a moment in which every client waited for the disk.",
        references: &["Redis INFO aof_delayed_fsync", "Redis latency.md"],
        by_hand: "look for what else writes to that disk; a faster one, or appendfsync everysec instead of always",
        wants: Wants::Instance(|p, f| {
            // INFO has the count only while the file is on.
            let enabled = super::told(p, f).and_then(|told| told.info.get("aof_enabled"));
            if enabled.is_some_and(|on| on == "0") {
                return Vec::new();
            }
            vec![Want::by_hand(
                super::info(p, "aof_delayed_fsync"),
                Rule::AtMost(MOST_DELAYED),
                "look for what else writes to that disk, or give Redis a faster one",
            )]
        }),
        cases: &[
            passes(&[("INFO aof_delayed_fsync", "0")]),
            fails(&[("INFO aof_delayed_fsync", "20000")]),
        ],
    },
    Control {
        id: "persistence.one-layout",
        title: "no append-only file of an older Redis lies beside ours",
        severity: Severity::Medium,
        why: "Redis 7 moves a single appendonly.aof into its directory once; one that appears later is never read, and is taken for a backup.",
        references: &["Redis persistence.md, multi part AOF"],
        by_hand: "find out where it came from, then move it out of the data directory",
        wants: Wants::Instance(|p, f| {
            if !p.persistence.appendonly || !f.is_running(&p.redis.name) {
                return Vec::new();
            }
            vec![Want::by_hand(
                Setting::Presence(p.data_dir().join("appendonly.aof")),
                Rule::Absent,
                "find out where it came from, then move it out of the data directory",
            )]
        }),
        cases: &[
            passes(&[("CONFIG appendonly", "yes")]),
            fails(&[
                ("CONFIG appendonly", "yes"),
                ("/var/lib/redis/appendonly.aof 0640 redis:redis", "x"),
            ]),
        ],
    },
];

fn health(policy: &Policy, field: &str) -> Vec<Want> {
    vec![Want::by_hand(
        super::info(policy, field),
        Rule::Is(Value::text("ok")),
        "the server's log says why; mend it, then BGSAVE or BGREWRITEAOF",
    )]
}
