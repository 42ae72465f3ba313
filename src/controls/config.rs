//! Directives of the running server that bound what a client can do.

pub(super) mod effective;

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::policy::Policy;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::value::Value;

/// Redis's own default, 1 GiB.
const MOST_QUERY_BYTES: i64 = 1 << 30;
/// Redis's own default, 512 MiB.
const MOST_BULK_BYTES: i64 = 512 << 20;

pub const CONTROLS: &[Control] = &[
    Control {
        id: "config.file",
        title: "the running server was started with our configuration",
        severity: Severity::High,
        why: "A server that was started with another file, or none, does not do what the audited file says.",
        references: &["Redis INFO config_file"],
        by_hand: "start it by its unit: systemctl restart redis-server",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Info {
                instance: p.redis.name.to_string(),
                field: "config_file".into(),
            };
            vec![Want::by_restart(
                setting,
                Rule::Is(Value::text(p.config_file().to_string_lossy())),
            )]
        }),
        cases: &[
            passes(&[("INFO config_file", "/etc/redis-harden/redis/default.conf")]),
            fails(&[("INFO config_file", "")]),
        ],
    },
    Control {
        id: "config.rename-command",
        title: "no command is renamed",
        severity: Severity::High,
        why: "rename-command is deprecated: renaming CONFIG breaks Sentinel's failover, and a renamed command in an append-only file is fatal at the next start. \
              ACLs do it without these.",
        references: &["Redis security/_index.md"],
        by_hand: "remove the rename-command lines, and deny the commands by ACL: -@dangerous",
        wants: Wants::Instance(|p, _| {
            let files = [p.config_file(), p.stock_config()];
            let what = "remove the rename-command lines and deny the commands by ACL";
            let want = |path| {
                Want::by_hand(
                    Setting::ConfigFile {
                        path,
                        name: "rename-command".into(),
                    },
                    Rule::Absent,
                    what,
                )
            };
            files.into_iter().map(want).collect()
        }),
        cases: &[
            passes(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "# rename-command CONFIG \"\"\nport 6379\n",
            )]),
            fails(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "rename-command CONFIG \"\"\n",
            )]),
        ],
    },
    Control {
        id: "config.protected-configs",
        title: "clients cannot move the data directory or the dump file",
        severity: Severity::High,
        why: "CONFIG SET dir and dbfilename, then SAVE, writes a file of the attacker's choice: cron, .ssh, a web root.",
        references: &["redis.conf enable-protected-configs"],
        by_hand: "set enable-protected-configs no and restart",
        wants: Wants::Instance(|p, _| directive(p, "enable-protected-configs", "no")),
        cases: &[
            passes(&[("CONFIG enable-protected-configs", "no")]),
            fails(&[("CONFIG enable-protected-configs", "yes")]),
        ],
    },
    Control {
        id: "config.debug-command",
        title: "DEBUG is off",
        severity: Severity::High,
        why: "DEBUG reads and writes the server's memory structures and can crash it.",
        references: &["redis.conf enable-debug-command"],
        by_hand: "set enable-debug-command no and restart",
        wants: Wants::Instance(|p, _| directive(p, "enable-debug-command", "no")),
        cases: &[
            passes(&[("CONFIG enable-debug-command", "no")]),
            fails(&[("CONFIG enable-debug-command", "local")]),
        ],
    },
    Control {
        id: "config.module-command",
        title: "modules cannot be loaded at run time",
        severity: Severity::Critical,
        why: "MODULE LOAD runs native code: it is the last step of the known attacks.",
        references: &[
            "redis.conf enable-module-command",
            "Redis Enterprise 6.x STIG RD6X-00-001100",
        ],
        by_hand: "set enable-module-command no and restart",
        wants: Wants::Instance(|p, _| directive(p, "enable-module-command", "no")),
        cases: &[
            passes(&[("CONFIG enable-module-command", "no")]),
            fails(&[("CONFIG enable-module-command", "yes")]),
        ],
    },
    Control {
        id: "config.sanitize-dump-payload",
        title: "RESTORE checks what it is given",
        severity: Severity::Medium,
        why: "Forged payloads were the way into the memory bugs of 2021 and 2026.",
        references: &["redis.conf sanitize-dump-payload"],
        by_hand: "CONFIG SET sanitize-dump-payload clients, and the same in redis.conf",
        wants: Wants::Instance(|p, _| {
            let rule = Rule::OneOf(vec![Value::text("clients"), Value::text("yes")]);
            vec![Want::by_restart(
                super::directive(p, "sanitize-dump-payload"),
                rule,
            )]
        }),
        cases: &[
            passes(&[("CONFIG sanitize-dump-payload", "clients")]),
            fails(&[("CONFIG sanitize-dump-payload", "no")]),
        ],
    },
    Control {
        id: "config.data-directory",
        title: "the running server keeps its data where the policy says",
        severity: Severity::Critical,
        why: "A dir that points at cron or .ssh is the trace of an attack; any other is data that no backup has.",
        references: &["redis issue 3594"],
        by_hand: "look at CONFIG GET dir and dbfilename, and at who changed them (ACL LOG)",
        wants: Wants::Instance(|p, _| {
            vec![
                Want::by_hand(
                    super::directive(p, "dir"),
                    Rule::Is(Value::text(p.data_dir().to_string_lossy())),
                    "find out who changed dir, then restart Redis",
                ),
                Want::by_hand(
                    super::directive(p, "dbfilename"),
                    Rule::Is(Value::text("dump.rdb")),
                    "find out who changed dbfilename, then restart Redis",
                ),
            ]
        }),
        cases: &[
            passes(&[
                ("CONFIG dir", "/var/lib/redis"),
                ("CONFIG dbfilename", "dump.rdb"),
            ]),
            fails(&[
                ("CONFIG dir", "/var/spool/cron/crontabs"),
                ("CONFIG dbfilename", "root"),
            ]),
        ],
    },
    running!(
        "config.query-buffer",
        Medium,
        "client-query-buffer-limit",
        Rule::AtMost(MOST_QUERY_BYTES),
        "one client's unread commands cannot fill the memory",
        "The query buffer is no part of maxmemory: a client that may send without bound takes the host down.",
        &["redis.conf client-query-buffer-limit"],
        "1073741824",
        "1099511627776"
    ),
    running!(
        "config.bulk-length",
        Low,
        "proto-max-bulk-len",
        Rule::AtMost(MOST_BULK_BYTES),
        "one argument of a command is at most 512 MiB",
        "Larger strings were the way into the integer overflows of 2021; Redis's own default is this limit.",
        &["redis.conf proto-max-bulk-len", "CVE-2021-21309"],
        "536870912",
        "17179869184"
    ),
    running!(
        "config.script-time-limit",
        Low,
        "busy-reply-threshold",
        Rule::AtLeast(1),
        "a script that runs too long can be killed",
        "With 0 the server never says BUSY, and SCRIPT KILL is not accepted while a script runs.",
        &["redis.conf busy-reply-threshold"],
        "5000",
        "0"
    ),
    running!(
        "config.process-title",
        Low,
        "set-proc-title",
        Rule::Is(Value::text("yes")),
        "the server hides its command line",
        "Options of the command line, a password among them, are in everybody's ps until the title replaces them.",
        &["redis.conf set-proc-title", "proc_pid_cmdline(5)"],
        "yes",
        "no"
    ),
    running!(
        "config.slow-log",
        Low,
        "slowlog-log-slower-than",
        Rule::AtLeast(0),
        "slow commands are recorded",
        "With -1 nothing tells, afterwards, which command held up all the others.",
        &["redis.conf slowlog-log-slower-than"],
        "10000",
        "-1"
    ),
    running!(
        "config.lazy-free",
        Low,
        "lazyfree-lazy-user-del",
        Rule::Is(Value::text("yes")),
        "large values are freed in the background",
        "A DEL of a large value stops the server for as long as the freeing takes.",
        &["redis.conf lazyfree-lazy-user-del"],
        "yes",
        "no"
    ),
    running!(
        "config.user-data-in-log",
        Medium,
        "hide-user-data-from-log",
        Rule::NoneOf(vec![Value::text("no")]),
        "clients' data does not get into the log",
        "The log is read by more people than the data; servers before 7.4 have no such directive.",
        &["redis.conf hide-user-data-from-log"],
        "yes",
        "no"
    ),
    running!(
        "config.idle-clients",
        Low,
        "timeout",
        Rule::NoneOf((1..30).map(Value::Int).collect()),
        "idle clients are not cut off after a few seconds",
        "Connection pools hold idle connections: a short timeout makes every pool fail in turn.",
        &["redis.conf timeout"],
        "0",
        "5"
    ),
    Control {
        id: "config.backlog",
        title: "the running server's listen backlog is the policy's",
        severity: Severity::Low,
        why: "It is fixed when Redis starts to listen: a later change reaches it only by a restart.",
        references: &["redis.conf tcp-backlog"],
        by_hand: "restart Redis",
        wants: Wants::Instance(|p, _| {
            let wanted = p.redis.tcp_backlog.into();
            vec![Want::by_restart(
                super::directive(p, "tcp-backlog"),
                Rule::Is(Value::Int(wanted)),
            )]
        }),
        cases: &[
            passes(&[("CONFIG tcp-backlog", "511")]),
            fails(&[("CONFIG tcp-backlog", "128")]),
        ],
    },
];

fn directive(policy: &Policy, name: &str, value: &str) -> Vec<Want> {
    // A directive that the policy sets by hand is the policy's decision, and judged as such.
    let wanted = match policy.redis.directives.get(name) {
        Some(crate::policy::DirectiveValue::Line(line)) => line.clone(),
        _ => value.to_owned(),
    };
    vec![Want::by_restart(
        super::directive(policy, name),
        Rule::Is(Value::text(wanted)),
    )]
}
