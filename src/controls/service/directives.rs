//! How the unit, with all its drop-ins, has Redis started, stopped and brought back.

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::policy::Policy;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::value::Value;

/// What ending a background save and writing the last one may take, at the least.
const LEAST_STOP_S: i64 = 60;

pub const CONTROLS: &[Control] = &[
    Control {
        id: "service.stop-timeout",
        title: "the unit lets Redis save before it is killed",
        severity: Severity::High,
        why: "A stop that is cut short by SIGKILL loses what the last save and the last fsync have not.",
        references: &[
            "systemd.service(5) TimeoutStopSec",
            "Redis src/server.c prepareForShutdown",
        ],
        by_hand: "set TimeoutStopSec= to ten minutes or more in a drop-in of the unit",
        wants: Wants::Instance(|p, _| of_unit(p, "TimeoutStopSec", Rule::AtLeast(LEAST_STOP_S))),
        cases: &[
            passes(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nTimeoutStopSec=0\n",
            )]),
            passes(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nTimeoutStopSec=infinity\n",
            )]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nTimeoutStopSec=5\n",
            )]),
        ],
    },
    Control {
        id: "service.notifies",
        title: "systemd is told when Redis is ready",
        severity: Severity::Medium,
        why: "With another type what depends on Redis is started while it still loads.",
        references: &["systemd.service(5) Type", "sd_notify(3)"],
        by_hand: "set Type=notify in a drop-in of the unit, with supervised systemd in redis.conf or our supervisor",
        wants: Wants::Instance(|p, _| {
            of_unit(
                p,
                "Type",
                Rule::OneOf(vec![Value::text("notify"), Value::text("notify-reload")]),
            )
        }),
        cases: &[
            passes(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nType=notify\n",
            )]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nType=forking\n",
            )]),
        ],
    },
    Control {
        id: "service.comes-back",
        title: "systemd brings Redis back when it ends",
        severity: Severity::Medium,
        why: "A server that the kernel killed at night is missed in the morning.",
        references: &["systemd.service(5) Restart"],
        by_hand: "set Restart=always in a drop-in of the unit",
        wants: Wants::Instance(|p, _| {
            let good = ["always", "on-failure", "on-abnormal"].map(Value::text);
            of_unit(p, "Restart", Rule::OneOf(good.to_vec()))
        }),
        cases: &[
            passes(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nRestart=always\n",
            )]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nRestart=no\n",
            )]),
        ],
    },
    Control {
        id: "service.no-stop-command",
        title: "no stop command of the unit asks for a password that it has not",
        severity: Severity::Medium,
        why: "`ExecStop=redis-cli shutdown` is refused by a server with a password, and the stop ends in SIGKILL; SIGTERM alone saves and ends.",
        references: &[
            "systemd.service(5) ExecStop",
            "Redis src/server.c sigShutdownHandler",
        ],
        by_hand: "set ExecStop= (empty) in a drop-in of the unit",
        wants: Wants::Instance(|p, _| of_unit(p, "ExecStop", Rule::Absent)),
        cases: &[
            passes(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nType=notify\n",
            )]),
            fails(&[(
                "/lib/systemd/system/redis-server.service",
                "[Service]\nExecStop=/usr/bin/redis-cli shutdown\n",
            )]),
        ],
    },
];

/// A directive of the unit, with all its drop-ins.
fn of_unit(policy: &Policy, key: &str, rule: Rule) -> Vec<Want> {
    let setting = Setting::Unit {
        unit: policy.unit(),
        key: key.into(),
    };
    let what = format!(
        "change {key}= in a drop-in of {}, daemon-reload, restart",
        policy.unit()
    );
    vec![Want::by_hand(setting, rule, what)]
}
