//! The unit's sandbox: what a compromised Redis cannot do. Judged on the unit with all its drop-ins. What is said by one word is in `switches`.

pub(super) mod switches;

use crate::control::{Control, Remedy, Severity, Want, Wants, fails, passes};
use crate::facts::Facts;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::value::Value;

/// Sets of calls that no server makes, and that a filter is there to keep away. Source: systemd-analyze syscall-filter.
const ROOTS_CALLS: [&str; 22] = [
    "@known",
    "@privileged",
    "@clock",
    "@cpu-emulation",
    "@debug",
    "@module",
    "@mount",
    "@obsolete",
    "@raw-io",
    "@reboot",
    "@swap",
    "bpf",
    "finit_module",
    "init_module",
    "kexec_load",
    "mount",
    "open_by_handle_at",
    "perf_event_open",
    "pivot_root",
    "ptrace",
    "setns",
    "unshare",
];

pub const CONTROLS: &[Control] = &[
    Control {
        id: "sandbox.capabilities",
        title: "the unit can hold no capability",
        severity: Severity::High,
        why: "Redis needs none; each one that it may have is one that an attacker may have.",
        references: &["systemd.exec(5) CapabilityBoundingSet", "capabilities(7)"],
        by_hand: "set CapabilityBoundingSet= (empty) in a drop-in of the unit",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Unit {
                unit: p.unit(),
                key: "CapabilityBoundingSet".into(),
            };
            vec![Want::by_hand(
                setting,
                Rule::Is(Value::Words(Vec::new())),
                "set CapabilityBoundingSet= (empty) in a drop-in of the unit",
            )]
        }),
        cases: &[
            passes(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nCapabilityBoundingSet=\n",
            )]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nCapabilityBoundingSet=CAP_SYS_ADMIN\n",
            )]),
        ],
    },
    Control {
        id: "sandbox.no-write-to-configuration",
        title: "the unit cannot write the package's configuration directory",
        severity: Severity::Medium,
        why: "Debian leaves /etc/redis writable for clusters: a compromised server could change the file that it is started with.",
        references: &[
            "Debian redis-server.service",
            "systemd.exec(5) ReadWritePaths",
        ],
        by_hand: "reset ReadWritePaths= in a drop-in and list the data, log and run directories only",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Unit {
                unit: p.unit(),
                key: "ReadWritePaths".into(),
            };
            let rule = Rule::Is(Value::Words(super::service::writable(p)));
            vec![Want::by_hand(
                setting,
                rule,
                "remove the drop-in that adds to ReadWritePaths (systemctl cat shows it)",
            )]
        }),
        cases: &[
            passes(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nReadWritePaths=-/var/lib/redis\nReadWritePaths=-/var/log/redis\n",
            )]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nReadWritePaths=-/var/lib/redis\nReadWritePaths=-/var/log/redis\nReadWriteDirectories=-/etc/redis\n",
            )]),
        ],
    },
    Control {
        id: "sandbox.proc-not-hidden",
        title: "the unit still sees /proc/sys",
        severity: Severity::Medium,
        why: "ProcSubset=pid hides it: Redis then cannot see overcommit_memory and takes the wrong decisions about memory.",
        references: &["Debian bug 1055039", "systemd.exec(5) ProcSubset"],
        by_hand: "remove ProcSubset=pid from the unit's drop-ins",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Unit {
                unit: p.unit(),
                key: "ProcSubset".into(),
            };
            vec![Want::by_hand(
                setting,
                Rule::NoneOf(vec![Value::text("pid")]),
                "remove ProcSubset=pid from the unit's drop-ins",
            )]
        }),
        cases: &[
            passes(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nProcSubset=all\n",
            )]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nProcSubset=pid\n",
            )]),
        ],
    },
    Control {
        id: "sandbox.umask",
        title: "files that the unit makes are not readable by everybody",
        severity: Severity::Medium,
        why: "Snapshots and append-only files follow the umask.",
        references: &["systemd.exec(5) UMask", "Redis src/rdb.c"],
        by_hand: "set UMask=0027 in a drop-in of the unit",
        wants: Wants::Instance(|p, _| vec![list(p, "UMask", Rule::AllBits(0o007))]),
        cases: &[
            passes(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nUMask=007\n",
            )]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nUMask=0022\n",
            )]),
        ],
    },
    Control {
        id: "sandbox.address-families",
        title: "the unit has IP and unix sockets only",
        severity: Severity::Medium,
        why: "Packet, netlink and vsock sockets are kernel code that Redis never needs.",
        references: &["systemd.exec(5) RestrictAddressFamilies"],
        by_hand: "set RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX in a drop-in of the unit",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Unit {
                unit: p.unit(),
                key: "RestrictAddressFamilies".into(),
            };
            // The first is what is said to be wanted; each that lacks one of the three is stricter.
            let fine = [
                "AF_INET AF_INET6 AF_UNIX",
                "AF_INET AF_INET6",
                "AF_INET AF_UNIX",
                "AF_INET6 AF_UNIX",
                "AF_INET",
                "AF_INET6",
                "AF_UNIX",
                "none",
            ];
            let rule = Rule::OneOf(fine.iter().map(|all| Value::words(all)).collect());
            vec![Want::by_hand(
                setting,
                rule,
                "set RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX in a drop-in of the unit",
            )]
        }),
        cases: &[
            passes(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nRestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n",
            )]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nRestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_PACKET\n",
            )]),
        ],
    },
    Control {
        id: "sandbox.private-users",
        title: "the unit has a user namespace of its own",
        severity: Severity::Low,
        why: "A capability that an attacker gains there is none over what belongs to the host's users.",
        references: &["systemd.exec(5) PrivateUsers", "namespaces(7) max_user_namespaces"],
        by_hand: "set PrivateUsers= in a drop-in of the unit, daemon-reload, restart; not where user.max_user_namespaces is 0: it would not start",
        wants: Wants::Instance(private_users),
        cases: &[
            passes(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nPrivateUsers=true\n",
            )]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nPrivateUsers=false\n",
            )]),
            fails(&[
                ("/proc/sys/user/max_user_namespaces", "0\n"),
                (
                    "/lib/systemd/system/redis-server.service",
                    "[Service]\nPrivateUsers=no\n",
                ),
            ]),
        ],
    },
    Control {
        id: "sandbox.system-calls",
        title: "the unit's system calls are filtered",
        severity: Severity::Medium,
        why: "Most of the kernel's privileged bugs are in calls that Redis never makes.",
        references: &["systemd.exec(5) SystemCallFilter"],
        by_hand: "set SystemCallFilter=@system-service in a drop-in of the unit",
        wants: Wants::Instance(|p, _| vec![list(p, "SystemCallFilter", Rule::AllowList(&ROOTS_CALLS))]),
        cases: &[
            passes(&[("/lib/systemd/system/redis-server.service", "[Service]\nSystemCallFilter=@system-service\n")]),
            passes(&[("/lib/systemd/system/redis-server.service", "[Service]\nSystemCallFilter=@system-service @mount\nSystemCallFilter=~@mount @debug\n")]),
            fails(&[("/lib/systemd/system/redis-server.service", "[Service]\nSystemCallFilter=@system-service @mount\n")]),
            fails(&[("/lib/systemd/system/redis-server.service", "[Service]\nSystemCallFilter=@known\n")]),
            fails(&[("/lib/systemd/system/redis-server.service", "[Service]\nSystemCallFilter=@system-service @privileged\n")]),
            fails(&[("/lib/systemd/system/redis-server.service", "[Service]\nSystemCallFilter=@system-service init_module\n")]),
            fails(&[("/lib/systemd/system/redis-server.service", "[Service]\nSystemCallFilter=@system-service\nSystemCallFilter=\n")]),
        ],
    },
    Control {
        id: "sandbox.executables",
        title: "the unit can run Redis and nothing else",
        severity: Severity::Medium,
        why: "What is dropped into the data directory cannot be run there.",
        references: &["systemd.exec(5) NoExecPaths"],
        by_hand: "set NoExecPaths=/ and ExecPaths= to the server, the supervisor and the library directories in a drop-in of the unit",
        wants: Wants::Instance(|p, _| {
            vec![list(p, "NoExecPaths", Rule::LastWord("/".into()))]
        }),
        cases: &[
            passes(&[("/lib/systemd/system/redis-server.service", "[Service]\nNoExecPaths=/\n")]),
            fails(&[("/lib/systemd/system/redis-server.service", "[Service]\nNoExecPaths=\nNoExecPaths=/tmp\n")]),
        ],
    },
    Control {
        id: "sandbox.processor-lists",
        title: "the unit allows the processor lists that redis.conf asks for",
        severity: Severity::Medium,
        why: "server-cpulist and its like call sched_setaffinity, which Debian's filter (~@resources) kills the server for.",
        references: &["redis.conf server-cpulist", "systemd.exec(5) SystemCallFilter"],
        by_hand: "add SystemCallFilter=sched_setaffinity in a drop-in of the unit, or remove the lists",
        wants: Wants::Instance(|p, _| {
            let lists = ["server-cpulist", "bio-cpulist", "aof-rewrite-cpulist", "bgsave-cpulist"];
            if !lists.iter().any(|name| p.redis.directives.contains_key(*name)) {
                return Vec::new();
            }
            vec![list(p, "SystemCallFilter", Rule::LastWord("sched_setaffinity".into()))]
        }),
        cases: &[
            passes(&[("/lib/systemd/system/redis-server.service", "[Service]\nSystemCallFilter=@system-service\nSystemCallFilter=~ @privileged @resources\nSystemCallFilter=sched_setaffinity\n")])
                .under("[redis.directives]\nserver-cpulist = \"0-1\""),
            fails(&[("/lib/systemd/system/redis-server.service", "[Service]\nSystemCallFilter=@system-service\nSystemCallFilter=~ @privileged @resources\n")])
                .under("[redis.directives]\nserver-cpulist = \"0-1\""),
        ],
    },
];

/// A list of the unit, with all its drop-ins.
fn list(policy: &Policy, key: &str, rule: Rule) -> Want {
    let setting = Setting::Unit {
        unit: policy.unit(),
        key: key.into(),
    };
    let what = format!(
        "set {key}= in a drop-in of {}, daemon-reload, restart",
        policy.unit()
    );
    Want::by_hand(setting, rule, what)
}

fn private_users(policy: &Policy, facts: &Facts) -> Vec<Want> {
    let mut wants = unit(policy, "PrivateUsers", &["yes"]);
    if !facts.user_namespaces {
        // Its drop-in leaves it out, for the unit to start at all.
        let raise = "raise user.max_user_namespaces, and apply".to_owned();
        wants
            .iter_mut()
            .for_each(|want| want.remedy = Remedy::Machine(raise.clone()));
    }
    wants
}

fn unit(policy: &Policy, key: &str, good: &[&str]) -> Vec<Want> {
    let setting = Setting::Unit {
        unit: policy.unit(),
        key: key.into(),
    };
    let value = |word: &&str| crate::setting::unit::value_of(key, word);
    let rule = Rule::OneOf(good.iter().map(value).collect());
    let what = format!(
        "set {key}={} in a drop-in of {}",
        good.first().unwrap_or(&""),
        policy.unit()
    );
    vec![Want::by_hand(setting, rule, what)]
}
