//! The table's one shape: as the file that nft loads, and as the objects that nft's JSON lists (libnftables-json(5)).

use super::Table;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::{Display, Write};

/// The table's name, of family inet.
pub(super) const TABLE: &str = "redis_harden";

/// Removes the table whether it is there or not; nft 1.0.6 has no `destroy`.
pub(super) const CLEAR: &str = "table inet redis_harden { }\ndelete table inet redis_harden\n";

const HEADER: &str = "\
# Made by redis-harden from its policy; edit the policy, not this file.
# Who may reach Redis's TCP ports. No other port is touched: what is not sent to them leaves the first chain unjudged.
# Each port has networks of its own.
# There is no rule for established connections, so that taking a network out of the sets cuts its connections too.
";

/// A rule: its chain, as written, and as the `expr` of its JSON.
pub(super) struct Line {
    pub chain: String,
    pub text: String,
    pub json: Value,
}

impl Line {
    fn of(chain: impl Into<String>, text: impl Into<String>, json: Value) -> Line {
        Line {
            chain: chain.into(),
            text: text.into(),
            json,
        }
    }
}

/// The file that makes the table.
pub(super) fn file(table: &Table) -> String {
    let mut file = format!("{HEADER}{CLEAR}table inet {TABLE} {{\n");
    if !table.ports.is_empty() {
        body(&mut file, table);
    }
    file.push_str("}\n");
    file
}

/// What fills the sets of a table with the same ports anew, in one transaction.
pub(super) fn refill(table: &Table) -> String {
    let mut file = String::new();
    for (port, networks) in &table.ports {
        for (family, networks) in [("ip", &networks.v4), ("ip6", &networks.v6)] {
            let set = format!("set inet {TABLE} {}", set_of(family, *port));
            let _ = writeln!(file, "flush {set}");
            if !networks.is_empty() {
                let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
                let set = format!("inet {TABLE} {}", set_of(family, *port));
                let _ = writeln!(file, "add element {set} {{ {} }}", networks.join(", "));
            }
        }
    }
    file
}

/// The rules of a table with these ports, in order.
pub(super) fn rules(ports: &BTreeSet<u16>) -> Vec<Line> {
    let mut rules = vec![
        Line::of(
            "input",
            "iif \"lo\" accept",
            json!([is(json!({"meta": {"key": "iif"}}), json!("lo")), {"accept": null}]),
        ),
        Line::of(
            "input",
            "tcp dport @ports jump clients",
            json!([is(field("tcp", "dport"), json!("@ports")), {"jump": {"target": "clients"}}]),
        ),
        // Not from the loopback interface, so forged; the kernel stops these too, unless route_localnet is set.
        Line::of(
            "clients",
            "ip saddr 127.0.0.0/8 counter name \"refused\" drop",
            refuse(Some(is(
                field("ip", "saddr"),
                json!({"prefix": {"addr": "127.0.0.0", "len": 8}}),
            ))),
        ),
        Line::of(
            "clients",
            "ip6 saddr ::1 counter name \"refused\" drop",
            refuse(Some(is(field("ip6", "saddr"), json!("::1")))),
        ),
    ];
    rules.extend(ports.iter().map(|port| {
        let own = chain_of(*port);
        Line::of(
            "clients",
            format!("tcp dport {port} jump {own}"),
            json!([is(field("tcp", "dport"), json!(port)), {"jump": {"target": own}}]),
        )
    }));
    rules.push(Line::of(
        "clients",
        "counter name \"refused\" drop",
        refuse(None),
    ));
    rules.extend(ports.iter().flat_map(|port| {
        ["ip", "ip6"].map(|family| {
            let set = format!("@{}", set_of(family, *port));
            Line::of(
                chain_of(*port),
                format!("{family} saddr {set} accept"),
                json!([is(field(family, "saddr"), json!(set)), {"accept": null}]),
            )
        })
    }));
    rules
}

/// Everything in the table but its rules, elements and counts, without handles.
pub(super) fn objects(ports: &BTreeSet<u16>) -> Vec<Value> {
    let chain = |name: &str| json!({"chain": {"family": "inet", "table": TABLE, "name": name}});
    let mut objects = vec![
        table_object(),
        json!({"counter": {"family": "inet", "table": TABLE, "name": "refused"}}),
        json!({"set": {"family": "inet", "table": TABLE, "name": "ports", "type": "inet_service"}}),
        json!({"chain": {"family": "inet", "table": TABLE, "name": "input",
            "type": "filter", "hook": "input", "prio": -5, "policy": "accept"}}),
        chain("clients"),
    ];
    for port in ports {
        for (family, kind) in [("ip", "ipv4_addr"), ("ip6", "ipv6_addr")] {
            let name = set_of(family, *port);
            objects.push(
                json!({"set": {"family": "inet", "table": TABLE, "name": name,
                "type": kind, "flags": ["interval"]}}),
            );
        }
        objects.push(chain(&chain_of(*port)));
    }
    objects
}

/// The set of the networks of a family that may reach a port.
pub(super) fn set_of(family: &str, port: u16) -> String {
    format!("{family}_{port}")
}

/// The chain that lets a port's networks in. One set of pairs (network and port) would do with fewer rules, but the kernel
/// fills such a set only after it has switched to the new table: measured, a reload then drops packets of allowed clients.
fn chain_of(port: u16) -> String {
    format!("port_{port}")
}

/// The table itself.
pub(super) fn table_object() -> Value {
    json!({"table": {"family": "inet", "name": TABLE}})
}

fn body(file: &mut String, table: &Table) {
    file.push_str("\tcounter refused {\n\t}\n\n");
    set(file, "ports", "type inet_service", table.ports.keys());
    for (port, networks) in &table.ports {
        let (v4, v6) = (set_of("ip", *port), set_of("ip6", *port));
        set(
            file,
            &v4,
            "type ipv4_addr\n\t\tflags interval",
            &networks.v4,
        );
        set(
            file,
            &v6,
            "type ipv6_addr\n\t\tflags interval",
            &networks.v6,
        );
    }
    let ports = table.ports.keys().copied().collect();
    let rules = rules(&ports);
    // What is jumped to stands before.
    for port in ports {
        let own = chain_of(port);
        let _ = writeln!(file, "\tchain {own} {{");
        chain(file, &rules, &own);
    }
    file.push_str("\tchain clients {\n");
    chain(file, &rules, "clients");
    // Before the usual priority 0, so that its counter sees what the host's own filter would drop as well.
    file.push_str(
        "\tchain input {\n\t\ttype filter hook input priority filter - 5; policy accept;\n",
    );
    chain(file, &rules, "input");
}

fn set<'a, T: Display + 'a>(
    file: &mut String,
    name: &str,
    kind: &str,
    elements: impl IntoIterator<Item = &'a T>,
) {
    let elements: Vec<String> = elements.into_iter().map(T::to_string).collect();
    let _ = write!(file, "\tset {name} {{\n\t\t{kind}\n");
    if !elements.is_empty() {
        let _ = writeln!(
            file,
            "\t\telements = {{\n\t\t\t{}\n\t\t}}",
            elements.join(",\n\t\t\t")
        );
    }
    file.push_str("\t}\n\n");
}

fn chain(file: &mut String, rules: &[Line], name: &str) {
    for rule in rules.iter().filter(|rule| rule.chain == name) {
        let _ = writeln!(file, "\t\t{}", rule.text);
    }
    file.push_str("\t}\n");
}

fn is(left: Value, right: Value) -> Value {
    json!({"match": {"op": "==", "left": left, "right": right}})
}

fn field(protocol: &str, field: &str) -> Value {
    json!({"payload": {"protocol": protocol, "field": field}})
}

fn refuse(matching: Option<Value>) -> Value {
    matching
        .into_iter()
        .chain([json!({"counter": "refused"}), json!({"drop": null})])
        .collect()
}
