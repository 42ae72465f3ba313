//! Kernel values: now, and after a reboot.

use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::policy::Policies;
use crate::policy::scalar::{Bound, SysctlRule};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::measure::Measure;
use crate::value::Value;

/// Above this a read of the clock has entered the kernel; through the vDSO it takes 20 to 60 ns.
const SLOW_CLOCK_NS: i64 = 250;

pub const CONTROLS: &[Control] = &[
    Control {
        id: "kernel.overcommit-memory",
        title: "vm.overcommit_memory lets Redis fork with most of the memory in use",
        severity: Severity::High,
        why: "With 0 or 2 the kernel may refuse the fork of a background save although copy-on-write needs little: \
              snapshots fail, and with stop-writes-on-bgsave-error writes do too.",
        references: &[
            "Redis src/syscheck.c checkOvercommit",
            "https://docs.kernel.org/mm/overcommit-accounting.html",
        ],
        by_hand: "sysctl -w vm.overcommit_memory=1, and the same line in a file of /etc/sysctl.d",
        wants: Wants::Host(|p, _| {
            now_and_at_boot(
                "vm.overcommit_memory",
                Rule::Is(Value::Int(p.kernel().overcommit_memory.into())),
            )
        }),
        cases: &[
            passes(&[
                ("/proc/sys/vm/overcommit_memory", "1\n"),
                (
                    "/etc/sysctl.d/99-zz-redis-harden.conf",
                    "vm.overcommit_memory = 1\n",
                ),
            ]),
            fails(&[("/proc/sys/vm/overcommit_memory", "0\n")]),
            fails(&[
                ("/proc/sys/vm/overcommit_memory", "1\n"),
                (
                    "/etc/sysctl.d/99-zz-redis-harden.conf",
                    "vm.overcommit_memory = 1\n",
                ),
                ("/etc/sysctl.d/zz-local.conf", "vm.overcommit_memory = 2\n"),
            ]),
        ],
    },
    Control {
        id: "kernel.somaxconn",
        title: "net.core.somaxconn holds Redis's whole listen backlog",
        severity: Severity::Medium,
        why: "The kernel cuts tcp-backlog down to somaxconn without a word; in a burst of connections clients are then turned away.",
        references: &[
            "Redis src/server.c checkTcpBacklogSettings",
            "https://docs.kernel.org/admin-guide/sysctl/net.html",
        ],
        by_hand: "sysctl -w net.core.somaxconn=4096, the same line in /etc/sysctl.d, and restart Redis",
        wants: Wants::Host(|p, _| {
            let backlog = p
                .instances
                .iter()
                .map(|i| i.redis.tcp_backlog)
                .max()
                .unwrap_or(0);
            now_and_at_boot(
                "net.core.somaxconn",
                Rule::AtLeast(p.kernel().somaxconn.max(backlog).into()),
            )
        }),
        cases: &[
            passes(&[
                ("/proc/sys/net/core/somaxconn", "4096\n"),
                (
                    "/etc/sysctl.d/99-zz-redis-harden.conf",
                    "net.core.somaxconn = 4096\n",
                ),
            ]),
            fails(&[("/proc/sys/net/core/somaxconn", "128\n")]),
        ],
    },
    Control {
        id: "kernel.tcp-max-syn-backlog",
        title: "net.ipv4.tcp_max_syn_backlog holds as many half-open connections",
        severity: Severity::Low,
        why: "Connections wait there until their handshake is done; below the listen backlog it is the shorter queue of the two.",
        references: &[
            "redis.conf tcp-backlog",
            "https://docs.kernel.org/networking/ip-sysctl.html",
        ],
        by_hand: "sysctl -w net.ipv4.tcp_max_syn_backlog=4096, and the same line in /etc/sysctl.d",
        wants: Wants::Host(|p, _| {
            now_and_at_boot(
                "net.ipv4.tcp_max_syn_backlog",
                Rule::AtLeast(p.kernel().tcp_max_syn_backlog.into()),
            )
        }),
        cases: &[
            passes(&[
                ("/proc/sys/net/ipv4/tcp_max_syn_backlog", "4096\n"),
                (
                    "/etc/sysctl.d/99-zz-redis-harden.conf",
                    "net.ipv4.tcp_max_syn_backlog = 4096\n",
                ),
            ]),
            fails(&[("/proc/sys/net/ipv4/tcp_max_syn_backlog", "256\n")]),
        ],
    },
    Control {
        id: "kernel.swappiness",
        title: "vm.swappiness keeps Redis's pages in memory",
        severity: Severity::Medium,
        why: "A page of the dataset that was swapped out makes the one command thread wait for the disk, and every client with it.",
        references: &[
            "Redis latency.md, swapping",
            "https://docs.kernel.org/admin-guide/sysctl/vm.html",
        ],
        by_hand: "sysctl -w vm.swappiness=10, and the same line in /etc/sysctl.d",
        wants: Wants::Host(|p, _| {
            now_and_at_boot("vm.swappiness", Rule::AtMost(p.kernel().swappiness.into()))
        }),
        cases: &[
            passes(&[
                ("/proc/sys/vm/swappiness", "1\n"),
                (
                    "/etc/sysctl.d/99-zz-redis-harden.conf",
                    "vm.swappiness = 10\n",
                ),
            ]),
            fails(&[("/proc/sys/vm/swappiness", "60\n")]),
        ],
    },
    Control {
        id: "kernel.sysctl",
        title: "the other sysctls of the policy hold",
        severity: Severity::Medium,
        why: "The policy asks for them in [kernel.sysctl].",
        references: &["sysctl.d(5)"],
        by_hand: "sysctl -w KEY=VALUE, and the same line in /etc/sysctl.d",
        wants: Wants::Host(policy_sysctls),
        cases: &[
            passes(&[
                ("/proc/sys/kernel/yama/ptrace_scope", "2\n"),
                (
                    "/etc/sysctl.d/99-zz-redis-harden.conf",
                    "kernel.yama.ptrace_scope = 2\n",
                ),
            ])
            .under("[kernel.sysctl]\n\"kernel.yama.ptrace_scope\" = { at-least = 1 }"),
            fails(&[("/proc/sys/kernel/yama/ptrace_scope", "0\n")])
                .under("[kernel.sysctl]\n\"kernel.yama.ptrace_scope\" = { at-least = 1 }"),
        ],
    },
    Control {
        id: "kernel.clocksource",
        title: "the clock source is not Xen's",
        severity: Severity::Low,
        why: "Redis reads the clock for every command; Xen's source enters the kernel each time.",
        references: &["Redis src/syscheck.c checkXenClocksource"],
        by_hand: "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource if it is available, and clocksource=tsc on the kernel's command line",
        wants: Wants::Host(|_, _| {
            let rule = Rule::NoneOf(vec![Value::text("xen")]);
            vec![Want::by_machine(
                Setting::Measure(Measure::ClockSource),
                rule,
                "boot with clocksource=tsc, where the machine offers it",
            )]
        }),
        cases: &[
            passes(&[(
                "/sys/devices/system/clocksource/clocksource0/current_clocksource",
                "tsc\n",
            )]),
            fails(&[(
                "/sys/devices/system/clocksource/clocksource0/current_clocksource",
                "xen\n",
            )]),
        ],
    },
    Control {
        id: "kernel.clock-cost",
        title: "reading the clock does not enter the kernel",
        severity: Severity::Low,
        why: "A clock that costs a system call costs Redis a good part of its throughput; `redis-server --check-system` calls it slow-clocksource.",
        references: &["Redis src/syscheck.c checkClocksource", "vdso(7)"],
        by_hand: "choose a clock source of available_clocksource that the vDSO serves (tsc, kvm-clock with a stable TSC)",
        wants: Wants::Host(|_, _| {
            let what = "choose a faster clock source on the machine's kernel command line (clocksource=tsc)";
            vec![Want::by_machine(
                Setting::Measure(Measure::ClockCost),
                Rule::AtMost(SLOW_CLOCK_NS),
                what,
            )]
        }),
        // Its value is measured on the machine that runs the tests: no fake host can make it slow.
        cases: &[],
    },
];

/// The value of the running kernel, and the one after a reboot.
fn now_and_at_boot(key: &str, rule: Rule) -> Vec<Want> {
    let group = format!("sysctl {key}");
    vec![
        Want::write(
            Phase::Kernel,
            &group,
            Setting::Sysctl(key.into()),
            rule.clone(),
        ),
        Want::write(
            Phase::Kernel,
            &group,
            Setting::SysctlAtBoot(key.into()),
            rule,
        ),
    ]
}

fn policy_sysctls(policies: &Policies, _: &crate::facts::Facts) -> Vec<Want> {
    let rule = |rule: &SysctlRule| match rule {
        SysctlRule::Number(n) => Rule::Is(Value::Int(*n)),
        SysctlRule::Text(text) => Rule::Is(crate::setting::kernel::typed(text)),
        SysctlRule::Bound(Bound::AtLeast(n)) => Rule::AtLeast(*n),
        SysctlRule::Bound(Bound::AtMost(n)) => Rule::AtMost(*n),
    };
    policies
        .kernel()
        .sysctl
        .iter()
        .flat_map(|(key, wanted)| now_and_at_boot(key, rule(wanted)))
        .collect()
}
