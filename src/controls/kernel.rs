//! Kernel values: now, and after a reboot.

use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::facts::Facts;
use crate::facts::tuned::HUGE_PAGES;
use crate::policy::scalar::{Bound, SysctlRule};
use crate::policy::{HugePages, Policies};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::measure::Measure;
use crate::value::Value;

/// Above this a read of the clock has entered the kernel; through the vDSO it takes 20 to 60 ns.
const SLOW_CLOCK_NS: i64 = 250;

/// What apply writes, in the cases.
const OURS: &str = "net.core.somaxconn = 4096\nnet.ipv4.tcp_max_syn_backlog = 4096\nvm.overcommit_memory = 1\nvm.swappiness = 10\n";

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
        id: "kernel.other-applier",
        title: "`sysctl --system` by hand leaves the values that the boot leaves",
        severity: Severity::Low,
        why: "systemd-sysctl reads no /etc/sysctl.conf, sysctl(8) of procps reads it last: an admin who reloads undoes what the boot set, or the reverse.",
        references: &["sysctl.d(5)", "sysctl(8)"],
        by_hand: "move the line from the file named into /etc/sysctl.d, below the name of ours",
        wants: Wants::Host(|p, _| {
            let what = "move the line from the file named into /etc/sysctl.d, or remove it";
            let other = |(key, rule): (String, Rule)| {
                Want::by_hand(Setting::SysctlByOther(key), rule, what)
            };
            sysctls(p).into_iter().map(other).collect()
        }),
        cases: &[
            passes(&[
                ("/etc/sysctl.d/99-zz-redis-harden.conf", OURS),
                ("/etc/sysctl.conf", "vm.swappiness = 1\n"),
            ]),
            fails(&[
                ("/etc/sysctl.d/99-zz-redis-harden.conf", OURS),
                ("/etc/sysctl.conf", "vm.swappiness = 60\n"),
            ]),
        ],
    },
    Control {
        id: "kernel.tuned",
        title: "tuned does not undo the policy's kernel values",
        severity: Severity::Medium,
        why: "tuned applies its profile after sysctl.d whenever it starts: the mssql profile turns transparent huge pages to always.",
        references: &["tuned-profiles(7)", "tuned plugin_sysctl.py, plugin_vm.py"],
        by_hand: "choose another profile (tuned-adm profile), or one of your own that includes it and sets the values of the policy",
        wants: Wants::Host(tuned),
        cases: &[
            passes(&[
                ("/etc/tuned/active_profile", "throughput-performance\n"),
                (
                    "/etc/systemd/system/multi-user.target.wants/tuned.service -> /lib/systemd/system/tuned.service",
                    "",
                ),
                (
                    "/usr/lib/tuned/throughput-performance/tuned.conf",
                    "[sysctl]\nvm.swappiness=10\nnet.core.somaxconn=>2048\n",
                ),
            ]),
            fails(&[
                ("/etc/tuned/active_profile", "mssql\n"),
                (
                    "/etc/systemd/system/multi-user.target.wants/tuned.service -> /lib/systemd/system/tuned.service",
                    "",
                ),
                (
                    "/usr/lib/tuned/mssql/tuned.conf",
                    "[vm]\ntransparent_hugepages=always\n",
                ),
            ]),
            fails(&[
                ("/etc/tuned/active_profile", "own\n"),
                (
                    "/etc/systemd/system/multi-user.target.wants/tuned.service -> /lib/systemd/system/tuned.service",
                    "",
                ),
                ("/etc/tuned/own/tuned.conf", "[main]\ninclude=base\n"),
                (
                    "/usr/lib/tuned/base/tuned.conf",
                    "[sysctl]\nvm.swappiness = 60\n",
                ),
            ]),
        ],
    },
    Control {
        id: "kernel.scripts",
        title: "no script writes the policy's kernel values after the boot has",
        severity: Severity::Low,
        why: "ufw, /etc/rc.local and scripts that run when an interface comes up are later than sysctl.d: what they write is what counts.",
        references: &[
            "ufw(8) IPT_SYSCTL",
            "interfaces(5)",
            "NetworkManager-dispatcher(8)",
        ],
        by_hand: "take the key out of the file that is named, and leave it to sysctl.d",
        wants: Wants::Host(|p, _| {
            let keys = sysctls(p).into_iter().map(|(key, _)| key).collect();
            vec![Want::by_hand(
                Setting::SysctlByScripts(keys),
                Rule::Absent,
                "take the key out of the file that is named, and leave it to sysctl.d",
            )]
        }),
        cases: &[
            passes(&[("/etc/rc.local", "#!/bin/sh\nexit 0\n")]),
            fails(&[(
                "/etc/network/if-up.d/tuning 0755 root:root",
                "#!/bin/sh\nsysctl -w net.core.somaxconn=128\n",
            )]),
            passes(&[("/etc/ufw/sysctl.conf", "net/ipv4/tcp_max_syn_backlog=128\n")]),
            fails(&[
                ("/etc/ufw/ufw.conf", "ENABLED=yes\n"),
                ("/etc/ufw/sysctl.conf", "net/ipv4/tcp_max_syn_backlog=128\n"),
            ]),
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
            Phase::KernelAtBoot,
            &group,
            Setting::SysctlAtBoot(key.into()),
            rule,
        ),
    ]
}

/// All that the policy asks of the kernel.
fn sysctls(policies: &Policies) -> Vec<(String, Rule)> {
    let kernel = policies.kernel();
    let mut all = vec![
        (
            "vm.overcommit_memory".to_owned(),
            Rule::Is(Value::Int(kernel.overcommit_memory.into())),
        ),
        (
            "net.core.somaxconn".to_owned(),
            Rule::AtLeast(kernel.somaxconn.into()),
        ),
        (
            "net.ipv4.tcp_max_syn_backlog".to_owned(),
            Rule::AtLeast(kernel.tcp_max_syn_backlog.into()),
        ),
        (
            "vm.swappiness".to_owned(),
            Rule::AtMost(kernel.swappiness.into()),
        ),
    ];
    all.extend(
        kernel
            .sysctl
            .iter()
            .map(|(key, wanted)| (key.clone(), rule(wanted))),
    );
    all
}

fn rule(wanted: &SysctlRule) -> Rule {
    match wanted {
        SysctlRule::Number(n) => Rule::Is(Value::Int(*n)),
        SysctlRule::Text(text) => Rule::Is(crate::setting::kernel::typed(text)),
        SysctlRule::Bound(Bound::AtLeast(n)) => Rule::AtLeast(*n),
        SysctlRule::Bound(Bound::AtMost(n)) => Rule::AtMost(*n),
    }
}

fn policy_sysctls(policies: &Policies, _: &Facts) -> Vec<Want> {
    let all = &policies.kernel().sysctl;
    all.iter()
        .flat_map(|(key, wanted)| now_and_at_boot(key, rule(wanted)))
        .collect()
}

/// What tuned sets of it; what it leaves alone is no question.
fn tuned(policies: &Policies, facts: &Facts) -> Vec<Want> {
    let mut wanted = sysctls(policies);
    let modes = match policies.huge_pages() {
        HugePages::Never => vec![Value::text("never")],
        HugePages::Madvise => vec![Value::text("madvise"), Value::text("never")],
    };
    wanted.push((HUGE_PAGES.to_owned(), Rule::OneOf(modes)));
    wanted
        .into_iter()
        .filter(|(key, _)| facts.tuned.iter().any(|v| v.key == *key))
        .map(|(key, rule)| {
            let what = format!("choose another profile of tuned, or one of your own that sets {key} as the policy does");
            Want::by_hand(Setting::Tuned(key), rule, what)
        })
        .collect()
}
