//! What the merged unit runs, as whom, and whether it holds: a drop-in of somebody's may be later than ours.

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::facts::{Facts, Init};
use crate::policy::Policy;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::value::Value;

const SHOW: &str =
    "remove the drop-in that sets it (systemctl cat shows which), daemon-reload, restart";

/// Debian's unit, with our main process.
const OURS: &str = "[Service]\nType=notify\nExecStart=/usr/local/sbin/redis-harden supervise default\nUser=redis\nGroup=redis\nMemoryMax=infinity\n";

pub const CONTROLS: &[Control] = &[
    Control {
        id: "unit.main-process",
        title: "the unit runs our supervisor and nothing else",
        severity: Severity::Critical,
        why: "With another ExecStart= a reboot starts another configuration: the stock one has no password.",
        references: &["systemd.service(5) ExecStart", "systemd.unit(5), drop-ins"],
        by_hand: SHOW,
        wants: Wants::Instance(|p, f| {
            let main = [
                f.exe.display().to_string(),
                "supervise".into(),
                p.redis.name.to_string(),
            ];
            of(p, f, "ExecStart", Rule::Is(Value::Words(main.to_vec())))
        }),
        cases: &[
            passes(&[("/lib/systemd/system/redis-server.service", OURS)]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nExecStart=/usr/bin/redis-server /etc/redis/redis.conf\nUser=redis\n",
            )]),
        ],
    },
    Control {
        id: "unit.user",
        title: "the unit runs as the service user",
        severity: Severity::Critical,
        why: "Redis never drops root by itself: as root every hole in it is the host's.",
        references: &["systemd.exec(5) User"],
        by_hand: SHOW,
        wants: Wants::Instance(|p, f| {
            let is = |name: &str| Rule::Is(Value::text(name));
            [
                of(p, f, "User", is(p.user())),
                of(p, f, "Group", is(p.group())),
            ]
            .concat()
        }),
        cases: &[
            passes(&[("/lib/systemd/system/redis-server.service", OURS)]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nExecStart=/usr/local/sbin/redis-harden supervise default\nUser=root\nGroup=redis\n",
            )]),
        ],
    },
    Control {
        id: "unit.no-escape",
        title: "nothing in the unit goes around its sandbox",
        severity: Severity::High,
        why: "A command with + or !, a forced library, a mount or an ambient capability undoes what the other directives promise.",
        references: &[
            "systemd.service(5), special executable prefixes",
            "systemd.exec(5) BindPaths, AmbientCapabilities",
            "ld.so(8) LD_PRELOAD",
        ],
        by_hand: SHOW,
        wants: Wants::Instance(|p, _| {
            vec![Want::by_hand(
                Setting::UnitEscapes(p.unit()),
                Rule::Absent,
                SHOW,
            )]
        }),
        cases: &[
            passes(&[("/lib/systemd/system/redis-server.service", OURS)]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nExecStart=/usr/bin/redis-server\nExecStartPre=+/tmp/x.sh\n",
            )]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nExecStart=/usr/bin/redis-server\nEnvironment=LD_PRELOAD=/tmp/x.so\n",
            )]),
        ],
    },
    Control {
        id: "unit.memory",
        title: "the unit's memory limit leaves room for maxmemory",
        severity: Severity::High,
        why: "The kernel kills what goes over MemoryMax, at the latest during the first background save.",
        references: &["systemd.resource-control(5) MemoryMax"],
        by_hand: "raise MemoryMax= in the drop-in that sets it, or lower redis.maxmemory",
        wants: Wants::Instance(|p, f| {
            let Some(bytes) = f.maxmemory.get(p.redis.name.as_str()) else {
                return Vec::new();
            };
            let most = i64::try_from(bytes / 10 * 11).unwrap_or(i64::MAX);
            of(p, f, "MemoryMax", Rule::UnsetOrAtLeast(most))
        }),
        cases: &[
            passes(&[("/lib/systemd/system/redis-server.service", OURS)])
                .under("[redis]\nmaxmemory = \"1gb\""),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nExecStart=/usr/bin/redis-server\nMemoryMax=64M\n",
            )])
            .under("[redis]\nmaxmemory = \"1gb\""),
            passes(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nExecStart=/usr/bin/redis-server\nMemoryMax=80%\n",
            )])
            .under("[redis]\nmaxmemory = \"100mb\""),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nExecStart=/usr/bin/redis-server\nMemoryMax=1%\n",
            )])
            .under("[redis]\nmaxmemory = \"100mb\""),
        ],
    },
];

/// A directive of the merged unit.
fn of(policy: &Policy, facts: &Facts, key: &str, rule: Rule) -> Vec<Want> {
    if facts.init != Init::Systemd {
        return Vec::new();
    }
    let setting = Setting::Unit {
        unit: policy.unit(),
        key: key.into(),
    };
    vec![Want::by_hand(setting, rule, SHOW)]
}
