//! What has to be there before something goes wrong, so that it can be found out why.

mod rotation;

use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::rule::Rule;
use crate::setting::Setting;
use std::path::PathBuf;

pub const CONTROLS: &[Control] = &[
    running!(
        "monitoring.latency",
        Low,
        "latency-monitor-threshold",
        Rule::AtLeast(1),
        "Redis keeps the moments when it was slow",
        "With 0 LATENCY DOCTOR has nothing to tell: whether a stall was the disk, a fork or a command stays unknown.",
        &["Redis latency-monitor.md"],
        "100",
        "0"
    ),
    Control {
        id: "monitoring.password-in-arguments",
        title: "no program shows a Redis password in its command line",
        severity: Severity::High,
        why: "Every user of the host reads /proc/PID/cmdline; so do process lists in logs and support bundles.",
        references: &[
            "proc_pid_cmdline(5)",
            "redis-cli REDISCLI_AUTH",
            "redis_exporter redis.password-file",
            "Redis Enterprise 6.x STIG RD6X-00-009400",
        ],
        by_hand: "give it by REDISCLI_AUTH, --askpass or a file (redis_exporter: --redis.password-file), and change the password that was shown",
        wants: Wants::Host(|_, f| match f.offline {
            true => Vec::new(),
            false => vec![Want::by_hand(
                Setting::PasswordsInArguments,
                Rule::Absent,
                "give it by a file or the environment, and change the password that was shown",
            )],
        }),
        cases: &[
            passes(&[
                ("/proc/78/comm", "redis_exporter\n"),
                ("/proc/78/exe -> /usr/bin/redis_exporter", ""),
                (
                    "/proc/78/cmdline",
                    "redis_exporter\0--redis.password-file=/etc/x\0",
                ),
            ]),
            fails(&[
                ("/proc/78/comm", "redis_exporter\n"),
                ("/proc/78/exe -> /usr/bin/redis_exporter", ""),
                ("/proc/78/cmdline", "redis_exporter\0--redis.password=s3\0"),
            ]),
        ],
    },
    Control {
        id: "monitoring.refused-clients",
        title: "no client was refused in the last day",
        severity: Severity::Low,
        why: "A refused password or command is somebody who tries, or an application that does not work; nobody else tells you.",
        references: &["https://redis.io/docs/latest/commands/acl-log/"],
        by_hand: "ACL LOG names user, client and command of each; ACL LOG RESET once they are explained",
        wants: Wants::Told(|p, _| {
            vec![Want::by_hand(
                Setting::Refusals(p.redis.name.to_string()),
                Rule::Absent,
                "ACL LOG names user, client and command of each; ACL LOG RESET once they are explained",
            )]
        }),
        cases: &[
            passes(&[("INFO role", "master")]),
            passes(&[("REFUSED auth", "90000")]),
            fails(&[("REFUSED auth", "12.5")]),
        ],
    },
    Control {
        id: "monitoring.log-rotation",
        title: "the log is rotated",
        severity: Severity::Low,
        why: "A log that grows for ever fills the disk, and a full disk stops saves and then writes.",
        references: &[
            "logrotate.conf(5)",
            "Redis src/server.c serverLogRaw",
            "Redis Enterprise 6.x STIG RD6X-00-006000",
        ],
        by_hand: "a stanza in /etc/logrotate.d; neither copytruncate nor a signal is needed, Redis opens its log for each line",
        wants: Wants::Instance(|p, _| {
            let want = |log: PathBuf| {
                let what = format!("a stanza for {} in /etc/logrotate.d", log.display());
                Want::by_hand(Setting::LogRotation(log), Rule::Present, what)
            };
            p.log_file().into_iter().map(want).collect()
        }),
        cases: &[
            passes(&[(
                "/etc/logrotate.d/redis-server",
                "/var/log/redis/redis-server*.log {\n\tweekly\n}\n",
            )]),
            fails(&[(
                "/etc/logrotate.d/redis-server",
                "/var/log/dpkg.log {\n\tmonthly\n}\n",
            )]),
        ],
    },
    Control {
        id: "monitoring.own-log-rotation",
        title: "logs that the package's stanza does not name are rotated by ours",
        severity: Severity::Low,
        why: "A log that grows for ever fills the disk; one that two stanzas name is an error to logrotate, and neither rotates it.",
        references: &["logrotate.conf(5)", "Redis src/server.c serverLogRaw"],
        by_hand: "a stanza in /etc/logrotate.d with `su redis redis` where the directory is the server's",
        wants: Wants::Host(|policies, facts| {
            vec![Want::write(
                Phase::Files,
                "log rotation",
                Setting::File(rotation::FILE.into()),
                rotation::rule(policies, facts),
            )]
        }),
        cases: &[
            passes(&[]),
            fails(&[(
                "/etc/logrotate.d/redis-harden",
                "/var/log/redis/redis-server.log {\n\tdaily\n}\n",
            )]),
        ],
    },
];
