//! The table's one shape: as the file that nft loads, and as the objects that nft's JSON lists (libnftables-json(5)).

use super::Table;
use serde_json::{Value, json};
use std::fmt::{Display, Write};

/// The table's name, of family inet.
pub(super) const TABLE: &str = "redis_harden";

/// Removes the table whether it is there or not; nft 1.0.6 has no `destroy`.
pub(super) const CLEAR: &str = "table inet redis_harden { }\ndelete table inet redis_harden\n";

const HEADER: &str = "\
# Made by redis-harden from its policy; edit the policy, not this file.
# Who may reach Redis's TCP ports. No other port is touched: what is not sent to them leaves the first chain unjudged.
# There is no rule for established connections, so that taking a network out of the sets cuts its connections too.
";

/// A rule: its chain, as written, and as the `expr` of its JSON.
pub(super) struct Line {
    pub chain: &'static str,
    pub text: &'static str,
    pub json: Value,
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

/// The rules, in order.
pub(super) fn rules() -> [Line; 7] {
    [
        Line {
            chain: "input",
            text: "iif \"lo\" accept",
            json: json!([is(json!({"meta": {"key": "iif"}}), json!("lo")), {"accept": null}]),
        },
        Line {
            chain: "input",
            text: "tcp dport @ports jump clients",
            json: json!([is(field("tcp", "dport"), json!("@ports")), {"jump": {"target": "clients"}}]),
        },
        // Not from the loopback interface, so forged; the kernel stops these too, unless route_localnet is set.
        Line {
            chain: "clients",
            text: "ip saddr 127.0.0.0/8 counter name \"refused\" drop",
            json: refuse(Some(is(
                field("ip", "saddr"),
                json!({"prefix": {"addr": "127.0.0.0", "len": 8}}),
            ))),
        },
        Line {
            chain: "clients",
            text: "ip6 saddr ::1 counter name \"refused\" drop",
            json: refuse(Some(is(field("ip6", "saddr"), json!("::1")))),
        },
        Line {
            chain: "clients",
            text: "ip saddr @allow4 accept",
            json: json!([is(field("ip", "saddr"), json!("@allow4")), {"accept": null}]),
        },
        Line {
            chain: "clients",
            text: "ip6 saddr @allow6 accept",
            json: json!([is(field("ip6", "saddr"), json!("@allow6")), {"accept": null}]),
        },
        Line {
            chain: "clients",
            text: "counter name \"refused\" drop",
            json: refuse(None),
        },
    ]
}

/// Everything in the table but its rules, elements and counts, without handles.
pub(super) fn objects() -> Vec<Value> {
    vec![
        table_object(),
        json!({"counter": {"family": "inet", "table": TABLE, "name": "refused"}}),
        json!({"set": {"family": "inet", "table": TABLE, "name": "ports", "type": "inet_service"}}),
        json!({"set": {"family": "inet", "table": TABLE, "name": "allow4", "type": "ipv4_addr", "flags": ["interval"]}}),
        json!({"set": {"family": "inet", "table": TABLE, "name": "allow6", "type": "ipv6_addr", "flags": ["interval"]}}),
        json!({"chain": {"family": "inet", "table": TABLE, "name": "input",
            "type": "filter", "hook": "input", "prio": -5, "policy": "accept"}}),
        json!({"chain": {"family": "inet", "table": TABLE, "name": "clients"}}),
    ]
}

/// The table itself.
pub(super) fn table_object() -> Value {
    json!({"table": {"family": "inet", "name": TABLE}})
}

fn body(file: &mut String, table: &Table) {
    file.push_str("\tcounter refused {\n\t}\n\n");
    set(file, "ports", "type inet_service", &table.ports);
    set(
        file,
        "allow4",
        "type ipv4_addr\n\t\tflags interval",
        &table.allow_v4,
    );
    set(
        file,
        "allow6",
        "type ipv6_addr\n\t\tflags interval",
        &table.allow_v6,
    );
    file.push_str("\tchain clients {\n");
    chain(file, "clients");
    // Before the usual priority 0, so that its counter sees what the host's own filter would drop as well.
    file.push_str(
        "\tchain input {\n\t\ttype filter hook input priority filter - 5; policy accept;\n",
    );
    chain(file, "input");
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

fn chain(file: &mut String, name: &str) {
    for rule in rules().iter().filter(|rule| rule.chain == name) {
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
