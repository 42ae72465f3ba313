//! Memory: huge pages, maxmemory against what there is, swap.

mod huge_pages;

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::facts::Facts;
use crate::policy::{Policies, Policy};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::measure::Measure;
use crate::setting::server::ProcessFact;
use crate::value::Value;

/// Less swapped out than this is what the start of a process leaves behind.
const SWAPPED_BYTES: i64 = 4 << 20;

pub const CONTROLS: &[Control] = &[
    huge_pages::CONTROL,
    Control {
        id: "memory.maxmemory-headroom",
        title: "the maxmemory of all instances leaves room for a background save",
        severity: Severity::High,
        why: "Fragmentation and copy-on-write come on top of maxmemory: measured, a full server that is overwritten while it saves takes 2.5 times as much. \
              Without that room the kernel's OOM killer decides.",
        references: &[
            "Redis admin.md",
            "https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/memory-optimization/",
        ],
        by_hand: "lower redis.maxmemory, or give the machine more memory",
        wants: Wants::Host(headroom),
        cases: &[
            passes(&[("/proc/meminfo", "MemTotal: 4194304 kB\n")])
                .under("[redis]\nmaxmemory = \"1gb\""),
            fails(&[("/proc/meminfo", "MemTotal: 4194304 kB\n")])
                .under("[redis]\nmaxmemory = \"4gb\""),
        ],
    },
    Control {
        id: "memory.maxmemory-set",
        title: "the running server has a memory limit",
        severity: Severity::High,
        why: "Without maxmemory Redis grows until the kernel kills it, or something else on the host.",
        references: &["redis.conf maxmemory"],
        by_hand: "set redis.maxmemory in the policy; CONFIG SET maxmemory for now",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Directive {
                instance: p.redis.name.to_string(),
                name: "maxmemory".into(),
            };
            vec![Want::by_restart(setting, Rule::AtLeast(1))]
        }),
        cases: &[
            passes(&[("CONFIG maxmemory", "1073741824")]),
            fails(&[("CONFIG maxmemory", "0")]),
        ],
    },
    Control {
        id: "memory.swapped-out",
        title: "nothing of the running server is swapped out",
        severity: Severity::Medium,
        why: "A command that touches a swapped page waits for the disk, and so do all clients behind it.",
        references: &["Redis latency.md, swapping", "proc_pid_status(5) VmSwap"],
        by_hand: "find what takes the memory (INFO memory, free -m); a restart brings the pages back",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::Swapped,
            };
            vec![Want::by_hand(
                setting,
                Rule::AtMost(SWAPPED_BYTES),
                "free memory on this host, then restart Redis",
            )]
        }),
        cases: &[
            passes(&[
                ("INFO process_id", "77"),
                ("/proc/77/status", "@proc/status-resident"),
            ]),
            fails(&[
                ("INFO process_id", "77"),
                ("/proc/77/status", "@proc/status-swapped"),
            ]),
        ],
    },
    Control {
        id: "memory.process-huge-pages",
        title: "the running server is not given huge pages",
        severity: Severity::Low,
        why: "disable-thp asks the kernel for it at start; where it failed, forks are slow although the host's setting is right.",
        references: &["redis.conf disable-thp", "prctl(2) PR_SET_THP_DISABLE"],
        by_hand: "set disable-thp yes (the default) and restart Redis",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Directive {
                instance: p.redis.name.to_string(),
                name: "disable-thp".into(),
            };
            vec![Want::by_restart(setting, Rule::Is(Value::text("yes")))]
        }),
        cases: &[
            passes(&[("CONFIG disable-thp", "yes")]),
            fails(&[("CONFIG disable-thp", "no")]),
        ],
    },
    Control {
        id: "memory.oom-child-first",
        title: "when memory runs out, the child that saves dies before the server",
        severity: Severity::Medium,
        why: "Measured: with oom-score-adj no, a background save that exceeds a memory limit gets the server killed; with relative 0 200 800, the child.",
        references: &["redis.conf oom-score-adj"],
        by_hand: "CONFIG SET oom-score-adj relative, and the same in redis.conf",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Directive {
                instance: p.redis.name.to_string(),
                name: "oom-score-adj".into(),
            };
            vec![Want::by_restart(
                setting,
                Rule::OneOf(vec![
                    Value::text("relative"),
                    Value::text("yes"),
                    Value::text("absolute"),
                ]),
            )]
        }),
        cases: &[
            passes(&[("CONFIG oom-score-adj", "relative")]),
            fails(&[("CONFIG oom-score-adj", "no")]),
        ],
    },
    running!(
        "memory.clients-bounded",
        Medium,
        "maxmemory-clients",
        Rule::NoneOf(vec![Value::Int(0)]),
        "the buffers of all clients together are bounded",
        "They are no part of maxmemory: many slow clients take the host's memory although the dataset fits.",
        &["redis.conf maxmemory-clients"],
        "10%",
        "0"
    ),
    Control {
        id: "memory.output-buffers",
        title: "one client's unread replies cannot fill the memory",
        severity: Severity::Medium,
        why: "With `normal 0 0 0` a client that asks and does not read grows without bound, before it has logged in too (CVE-2025-21605).",
        references: &["redis.conf client-output-buffer-limit", "CVE-2025-21605"],
        by_hand: "CONFIG SET client-output-buffer-limit \"normal 256mb 64mb 60\", and the same in redis.conf",
        wants: Wants::Instance(|p, f| {
            let limits =
                super::told(p, f).and_then(|t| t.directives.get("client-output-buffer-limit"));
            // What the other classes may have is the policy's: the whole value, but for an unbounded first class.
            let rule = match limits.is_some_and(|v| v.starts_with("normal 0 0 ")) {
                true => Rule::NoneOf(limits.iter().map(|v| Value::text(v.as_str())).collect()),
                false => Rule::Present,
            };
            vec![Want::by_restart(
                super::directive(p, "client-output-buffer-limit"),
                rule,
            )]
        }),
        cases: &[
            passes(&[(
                "CONFIG client-output-buffer-limit",
                "normal 268435456 67108864 60 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
            )]),
            fails(&[(
                "CONFIG client-output-buffer-limit",
                "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
            )]),
        ],
    },
    Control {
        id: "memory.policy",
        title: "the running server evicts as the policy says",
        severity: Severity::Medium,
        why: "A store that evicts loses data; a cache that does not stops taking writes.",
        references: &["redis.conf maxmemory-policy"],
        by_hand: "CONFIG SET maxmemory-policy, and the same in redis.conf",
        wants: Wants::Instance(|p, _| {
            let wanted = Rule::Is(Value::text(p.redis.maxmemory_policy.as_str()));
            vec![Want::by_restart(
                super::directive(p, "maxmemory-policy"),
                wanted,
            )]
        }),
        cases: &[
            passes(&[("CONFIG maxmemory-policy", "noeviction")])
                .under("[redis]\nmaxmemory-policy = \"noeviction\""),
            fails(&[("CONFIG maxmemory-policy", "allkeys-lru")])
                .under("[redis]\nmaxmemory-policy = \"noeviction\""),
        ],
    },
    Control {
        id: "memory.server-not-first",
        title: "the server is not the first that the kernel kills when memory runs out",
        severity: Severity::Low,
        why: "A raised oom_score_adj of the server itself, not of its children, makes it the victim of every other program's leak.",
        references: &["proc_pid_oom_score_adj(5)"],
        by_hand: "remove OOMScoreAdjust= from the unit, or the first of oom-score-adj-values",
        wants: Wants::Instance(|p, f| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::OomScoreAdj,
            };
            vec![Want::by_hand(
                setting,
                Rule::AtMost(most_readily(p, f)),
                "remove what raises it: OOMScoreAdjust= in the unit, or oom-score-adj-values (master, replica, child)",
            )]
        }),
        cases: &[
            passes(&[("INFO process_id", "77"), ("/proc/77/oom_score_adj", "0\n")]),
            fails(&[
                ("INFO process_id", "77"),
                ("/proc/77/oom_score_adj", "200\n"),
            ]),
        ],
    },
    Control {
        id: "memory.killed",
        title: "the kernel has killed nothing of the server's for want of memory",
        severity: Severity::High,
        why: "A background save that was killed leaves an old snapshot; a server that was killed comes back with what the disk had.",
        references: &["https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files"],
        by_hand: "lower redis.maxmemory or raise the unit's MemoryMax; the count starts anew with the service",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::OomKills,
            };
            vec![Want::by_hand(
                setting,
                Rule::AtMost(0),
                "lower redis.maxmemory or raise the unit's MemoryMax; the count starts anew with the service",
            )]
        }),
        cases: &[
            passes(&[
                ("INFO process_id", "77"),
                ("/proc/77/cgroup", "0::/system.slice/redis-server.service\n"),
                (
                    "/sys/fs/cgroup/system.slice/redis-server.service/memory.events",
                    "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n",
                ),
            ]),
            fails(&[
                ("INFO process_id", "77"),
                ("/proc/77/cgroup", "0::/system.slice/redis-server.service\n"),
                (
                    "/sys/fs/cgroup/system.slice/redis-server.service/memory.events",
                    "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n",
                ),
            ]),
        ],
    },
    Control {
        id: "memory.maxmemory-in-ram",
        title: "swap space is no part of the memory that Redis counts on",
        severity: Severity::Low,
        why: "Redis's documentation wants swap so that running out becomes slow instead of deadly; orchestrators want none. \
              What must not be is a maxmemory that needs it.",
        references: &["Redis admin.md"],
        by_hand: "lower redis.maxmemory below the RAM",
        wants: Wants::Host(|_, f| {
            let rule = Rule::AtMost(i64::try_from(f.memory).unwrap_or(i64::MAX));
            if f.memory == 0 {
                return Vec::new();
            }
            vec![Want::by_hand(
                Setting::Measure(Measure::MaxmemorySum),
                rule,
                "lower redis.maxmemory below the RAM",
            )]
        }),
        cases: &[
            passes(&[("/proc/meminfo", "MemTotal: 4194304 kB\n")])
                .under("[redis]\nmaxmemory = \"1gb\""),
            fails(&[("/proc/meminfo", "MemTotal: 4194304 kB\n")])
                .under("[redis]\nmaxmemory = \"8gb\""),
        ],
    },
];

/// A tenth more than maxmemory is the least that can work at all; the policy's headroom is what `auto` leaves.
fn headroom(_: &Policies, facts: &Facts) -> Vec<Want> {
    if facts.memory_limit == 0 {
        return Vec::new();
    }
    let most = i64::try_from(facts.memory_limit / 11 * 10).unwrap_or(i64::MAX);
    let what = "lower redis.maxmemory, or give the machine (or the container) more memory";
    vec![Want::by_hand(
        Setting::Measure(Measure::MaxmemorySum),
        Rule::AtMost(most),
        what,
    )]
}

/// A replica is meant to be killed before a master: it has the second of oom-score-adj-values.
fn most_readily(policy: &Policy, facts: &Facts) -> i64 {
    let second = || {
        let told = super::told(policy, facts)?;
        let replica = told.info.get("role").is_some_and(|role| role == "slave");
        let values = told.directives.get("oom-score-adj-values")?;
        let second = values.split_whitespace().nth(1)?;
        second.parse().ok().filter(|_| replica)
    };
    second().unwrap_or(0)
}
