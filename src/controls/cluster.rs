//! Redis Cluster: judged where the running server is part of one.

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::facts::Facts;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::value::Value;

/// All slots of a cluster. Source: Redis's cluster.h, CLUSTER_SLOTS.
const SLOTS: i64 = 16384;
/// The bus listens at port + 10000, which must be a port. Source: Redis's cluster.c.
const HIGHEST_PORT: i64 = 55535;

pub const CONTROLS: &[Control] = &[
    Control {
        id: "cluster.state",
        title: "the cluster is up",
        severity: Severity::High,
        why: "In state fail the node refuses its clients.",
        references: &["Redis CLUSTER INFO cluster_state"],
        by_hand: "CLUSTER NODES shows which node is missing; bring it back, or fail over to its replica",
        wants: Wants::Told(|p, f| state(p, f, "cluster_state", Rule::Is(Value::text("ok")))),
        cases: &[
            passes(&[
                ("INFO cluster_enabled", "1"),
                ("CLUSTER cluster_state", "ok"),
            ]),
            fails(&[
                ("INFO cluster_enabled", "1"),
                ("CLUSTER cluster_state", "fail"),
            ]),
        ],
    },
    Control {
        id: "cluster.slots",
        title: "every slot has a node",
        severity: Severity::High,
        why: "Keys of a slot without node can be neither read nor written.",
        references: &["Redis CLUSTER INFO cluster_slots_assigned"],
        by_hand: "redis-cli --cluster check, then --cluster fix",
        wants: Wants::Told(|p, f| {
            state(p, f, "cluster_slots_assigned", Rule::Is(Value::Int(SLOTS)))
        }),
        cases: &[
            passes(&[
                ("INFO cluster_enabled", "1"),
                ("CLUSTER cluster_slots_assigned", "16384"),
            ]),
            fails(&[
                ("INFO cluster_enabled", "1"),
                ("CLUSTER cluster_slots_assigned", "10923"),
            ]),
        ],
    },
    Control {
        id: "cluster.failing-slots",
        title: "no slot's node is failing",
        severity: Severity::High,
        why: "A node that some already believe dead is about to be failed over, or to take its slots down.",
        references: &["Redis CLUSTER INFO cluster_slots_pfail, cluster_slots_fail"],
        by_hand: "CLUSTER NODES shows which node is marked fail? or fail",
        wants: Wants::Told(|p, f| {
            let none = || Rule::Is(Value::Int(0));
            let mut wants = state(p, f, "cluster_slots_pfail", none());
            wants.extend(state(p, f, "cluster_slots_fail", none()));
            wants
        }),
        cases: &[
            passes(&[
                ("INFO cluster_enabled", "1"),
                ("CLUSTER cluster_slots_pfail", "0"),
                ("CLUSTER cluster_slots_fail", "0"),
            ]),
            fails(&[
                ("INFO cluster_enabled", "1"),
                ("CLUSTER cluster_slots_pfail", "0"),
                ("CLUSTER cluster_slots_fail", "5461"),
            ]),
        ],
    },
    Control {
        id: "cluster.node-timeout",
        title: "a short stall does not cost a failover",
        severity: Severity::Medium,
        why: "A fork or a slow disk stops a node for seconds: with a short cluster-node-timeout its replica takes over each time.",
        references: &["redis.conf cluster-node-timeout"],
        by_hand: "CONFIG SET cluster-node-timeout 15000 on all nodes, and the same in their configuration",
        wants: Wants::Told(|p, f| directive(p, f, "cluster-node-timeout", Rule::AtLeast(5000))),
        cases: &[
            passes(&[
                ("INFO cluster_enabled", "1"),
                ("CONFIG cluster-node-timeout", "15000"),
            ]),
            fails(&[
                ("INFO cluster_enabled", "1"),
                ("CONFIG cluster-node-timeout", "1000"),
            ]),
        ],
    },
    Control {
        id: "cluster.bus-port",
        title: "the cluster bus has a port",
        severity: Severity::High,
        why: "It listens at the port plus 10000: above 55535 there is none, and the server does not start.",
        references: &["Redis src/cluster.c", "redis.conf cluster-port"],
        by_hand: "choose a port below 55536, or set cluster-port",
        wants: Wants::Told(|p, f| directive(p, f, "port", Rule::AtMost(HIGHEST_PORT))),
        cases: &[
            passes(&[("INFO cluster_enabled", "1"), ("CONFIG port", "6379")]),
            fails(&[("INFO cluster_enabled", "1"), ("CONFIG port", "60000")]),
        ],
    },
    Control {
        id: "cluster.encrypted",
        title: "the cluster bus is encrypted and authenticated",
        severity: Severity::High,
        why: "Without tls-cluster the bus knows no password at all: whoever reaches its port can join, and read every key.",
        references: &[
            "redis.conf tls-cluster",
            "CVE-2026-21863",
            "Redis scaling.md, cluster bus port",
        ],
        by_hand: "set tls-cluster yes with certificates for all nodes, or let only the nodes reach the bus port",
        wants: Wants::Told(|p, f| directive(p, f, "tls-cluster", Rule::Is(Value::text("yes")))),
        cases: &[
            passes(&[("INFO cluster_enabled", "1"), ("CONFIG tls-cluster", "yes")]),
            fails(&[("INFO cluster_enabled", "1"), ("CONFIG tls-cluster", "no")]),
        ],
    },
    Control {
        id: "cluster.stale-replicas",
        title: "a replica that is far behind does not become master",
        severity: Severity::Medium,
        why: "With cluster-replica-validity-factor 0 any replica may be elected, however old its data.",
        references: &["redis.conf cluster-replica-validity-factor"],
        by_hand: "CONFIG SET cluster-replica-validity-factor 10, and the same in the configuration",
        wants: Wants::Told(|p, f| {
            directive(p, f, "cluster-replica-validity-factor", Rule::AtLeast(1))
        }),
        cases: &[
            passes(&[
                ("INFO cluster_enabled", "1"),
                ("CONFIG cluster-replica-validity-factor", "10"),
            ]),
            fails(&[
                ("INFO cluster_enabled", "1"),
                ("CONFIG cluster-replica-validity-factor", "0"),
            ]),
        ],
    },
];

fn is_member(policy: &Policy, facts: &Facts) -> bool {
    let enabled = super::told(policy, facts).and_then(|told| told.info.get("cluster_enabled"));
    enabled.is_some_and(|v| v == "1")
}

fn state(policy: &Policy, facts: &Facts, field: &str, rule: Rule) -> Vec<Want> {
    let setting = Setting::Cluster {
        instance: policy.redis.name.to_string(),
        field: field.into(),
    };
    of_member(policy, facts, setting, rule)
}

fn directive(policy: &Policy, facts: &Facts, name: &str, rule: Rule) -> Vec<Want> {
    of_member(policy, facts, super::directive(policy, name), rule)
}

fn of_member(policy: &Policy, facts: &Facts, setting: Setting, rule: Rule) -> Vec<Want> {
    match is_member(policy, facts) {
        true => vec![Want::by_hand(
            setting,
            rule,
            "look at CLUSTER NODES and the configuration of all nodes",
        )],
        false => Vec::new(),
    }
}
