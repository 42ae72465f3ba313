//! Limits of the server's process.

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::facts::Facts;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::measure::Measure;
use crate::setting::server::ProcessFact;

pub const CONTROLS: &[Control] = &[
    Control {
        id: "limits.nofile-reachable",
        title: "this host allows as many open files as maxclients needs",
        severity: Severity::High,
        why: "Redis lowers maxclients without stopping when it cannot have maxclients + 32 descriptors; clients are then refused long before the limit that was set.",
        references: &["Redis src/server.c adjustOpenFilesLimit", "getrlimit(2)"],
        by_hand: "raise the hard limit of open files of the machine or container, or lower redis.maxclients",
        wants: Wants::Instance(reachable),
        cases: &[
            passes(&[("/proc/sys/fs/nr_open", "1048576\n")]).under("[redis]\nmaxclients = 100"),
            fails(&[("/proc/sys/fs/nr_open", "4096\n")]),
        ],
    },
    Control {
        id: "limits.nofile-unit",
        title: "the unit grants as many open files as maxclients needs",
        severity: Severity::High,
        why: "A service has the limits of its unit: limits.d and ULIMIT in /etc/default do not reach it.",
        references: &[
            "systemd.exec(5) LimitNOFILE",
            "Redis src/server.c adjustOpenFilesLimit",
        ],
        by_hand: "set LimitNOFILE= in a drop-in of the unit, daemon-reload, restart",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Unit {
                unit: p.unit(),
                key: "LimitNOFILE".into(),
            };
            let what = format!(
                "set LimitNOFILE to at least {} in a drop-in of {}",
                p.nofile_needed(),
                p.unit()
            );
            vec![Want::by_hand(
                setting,
                Rule::AtLeast(i64::from(p.nofile_needed())),
                what,
            )]
        }),
        cases: &[
            passes(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nLimitNOFILE=65535\n",
            )]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nLimitNOFILE=1024\n",
            )]),
        ],
    },
    Control {
        id: "limits.nofile-process",
        title: "the running server has as many open files as maxclients needs",
        severity: Severity::High,
        why: "What counts is the process: a limit that was raised after it started does not reach it.",
        references: &[
            "Redis src/server.c adjustOpenFilesLimit",
            "proc_pid_limits(5)",
        ],
        by_hand: "raise the unit's LimitNOFILE and restart",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::Nofile,
            };
            vec![Want::by_restart(
                setting,
                Rule::AtLeast(i64::from(p.nofile_needed())),
            )]
        }),
        cases: &[
            passes(&[
                ("INFO process_id", "77"),
                ("/proc/77/limits", "@proc/limits-65535"),
            ]),
            fails(&[
                ("INFO process_id", "77"),
                ("/proc/77/limits", "@proc/limits-1024"),
            ]),
        ],
    },
    Control {
        id: "limits.maxclients-kept",
        title: "the running server has the policy's maxclients",
        severity: Severity::High,
        why: "Redis lowers it without stopping when it has too few descriptors.",
        references: &[
            "Redis src/server.c adjustOpenFilesLimit",
            "Redis Enterprise 6.x STIG RD6X-00-000100",
        ],
        by_hand: "raise the limit of open files and restart",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Directive {
                instance: p.redis.name.to_string(),
                name: "maxclients".into(),
            };
            let wanted = crate::value::Value::Int(p.redis.maxclients.into());
            vec![Want::by_restart(setting, Rule::Is(wanted))]
        }),
        cases: &[
            passes(&[("CONFIG maxclients", "10000")]),
            fails(&[("CONFIG maxclients", "992")]),
        ],
    },
    Control {
        id: "limits.no-client-rejected",
        title: "no client was refused for want of connections",
        severity: Severity::Medium,
        why: "At maxclients everybody else is locked out, an admin too.",
        references: &["Redis INFO rejected_connections"],
        by_hand: "find who opens so many connections (CLIENT LIST), or raise redis.maxclients and the limit of open files with it; CONFIG RESETSTAT counts anew",
        wants: Wants::Instance(|p, _| {
            let what = "find who opens so many connections (CLIENT LIST), or raise redis.maxclients; CONFIG RESETSTAT counts anew";
            vec![Want::by_hand(
                super::info(p, "rejected_connections"),
                Rule::Is(crate::value::Value::Int(0)),
                what,
            )]
        }),
        cases: &[
            passes(&[("INFO rejected_connections", "0")]),
            fails(&[("INFO rejected_connections", "12")]),
        ],
    },
    Control {
        id: "limits.clients-headroom",
        title: "connections are left for more clients",
        severity: Severity::Medium,
        why: "Above four fifths of maxclients the next burst is refused.",
        references: &["Redis INFO connected_clients"],
        by_hand: "find who opens so many connections (CLIENT LIST), or raise redis.maxclients",
        wants: Wants::Instance(|p, f| {
            let told = super::told(p, f);
            let most = told.and_then(|t| {
                let directive = t.directives.get("maxclients");
                directive.or_else(|| t.info.get("maxclients"))
            });
            let most: i64 = most
                .and_then(|n| n.parse().ok())
                .unwrap_or(p.redis.maxclients.into());
            let what =
                "find who opens so many connections (CLIENT LIST), or raise redis.maxclients";
            vec![Want::by_hand(
                super::info(p, "connected_clients"),
                Rule::AtMost(most / 5 * 4),
                what,
            )]
        }),
        cases: &[
            passes(&[
                ("CONFIG maxclients", "10000"),
                ("INFO connected_clients", "120"),
            ]),
            fails(&[
                ("CONFIG maxclients", "10000"),
                ("INFO connected_clients", "9000"),
            ]),
        ],
    },
    Control {
        id: "limits.core",
        title: "the running server writes no core file",
        severity: Severity::Medium,
        why: "A core file holds the whole dataset and every password, readable by whoever may read crash reports.",
        references: &["systemd.exec(5) LimitCORE", "core(5)"],
        by_hand: "set LimitCORE=0 in a drop-in of the unit and restart",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::Core,
            };
            vec![Want::by_restart(setting, Rule::AtMost(0))]
        }),
        cases: &[
            passes(&[
                ("INFO process_id", "77"),
                ("/proc/77/limits", "@proc/limits-65535"),
            ]),
            fails(&[
                ("INFO process_id", "77"),
                ("/proc/77/limits", "@proc/limits-1024"),
            ]),
        ],
    },
];

/// Two ceilings: the hard limit of this process tree, and the kernel's own.
fn reachable(policy: &Policy, facts: &Facts) -> Vec<Want> {
    let needed = policy.nofile_needed();
    let allows = facts.reachable_nofile().saturating_sub(32).max(0);
    let what = format!(
        "{needed} open files are needed for maxclients {}; this process may have {allows} clients' worth: \
         raise the hard limit where this machine or container is started, or lower redis.maxclients",
        policy.redis.maxclients
    );
    let rule = Rule::AtLeast(i64::from(needed));
    vec![
        Want::by_machine(
            Setting::Measure(Measure::ReachableNofile),
            rule.clone(),
            what.clone(),
        ),
        Want::by_machine(Setting::Measure(Measure::NrOpen), rule, what),
    ]
}
