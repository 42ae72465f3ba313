//! Persistence: on as the policy says, and working.

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::policy::Policy;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::value::Value;

pub const CONTROLS: &[Control] = &[
    Control {
        id: "persistence.append-only",
        title: "the append-only file is on or off as the policy says",
        severity: Severity::High,
        why: "It is what is left after a crash: with everysec at most a second of writes is lost.",
        references: &["Redis persistence.md"],
        by_hand: "CONFIG SET appendonly yes, wait for aof_rewrite_in_progress:0, then write it to redis.conf. Never by a restart first",
        wants: Wants::Instance(|p, _| {
            let wanted = if p.persistence.appendonly {
                "yes"
            } else {
                "no"
            };
            vec![Want::by_restart(
                directive(p, "appendonly"),
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
                directive(p, "save"),
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
                directive(p, "stop-writes-on-bgsave-error"),
                Rule::Is(Value::text("yes")),
            )]
        }),
        cases: &[
            passes(&[("CONFIG stop-writes-on-bgsave-error", "yes")]),
            fails(&[("CONFIG stop-writes-on-bgsave-error", "no")]),
        ],
    },
];

fn directive(policy: &Policy, name: &str) -> Setting {
    Setting::Directive {
        instance: policy.redis.name.to_string(),
        name: name.into(),
    }
}

fn health(policy: &Policy, field: &str) -> Vec<Want> {
    let setting = Setting::Info {
        instance: policy.redis.name.to_string(),
        field: field.into(),
    };
    vec![Want::by_hand(
        setting,
        Rule::Is(Value::text("ok")),
        "the server's log says why; mend it, then BGSAVE or BGREWRITEAOF",
    )]
}
