//! The table's one shape: as the file that nft loads, and as the `objects` that nft's JSON lists (libnftables-json(5)).
//! Rules and objects depend on the table's ports, users, rate and whether it guards what is published; networks are elements of sets.

mod names;
mod objects;
mod rules;
mod words;

pub(super) use names::{chain_of_user, peers_of, recent, resolvers_of, set_of};
pub(super) use objects::{objects, table_object};
pub(super) use rules::{Line, limit, rules};

use super::Table;
use names::{chain_of, chain_of_published};
use objects::{FORGOTTEN, Filled, SOURCES, addresses, bases, counters, filled};
use std::fmt::{Display, Write};

/// The table's name, of family inet.
pub const TABLE: &str = "redis_harden";

/// Removes the table whether it is there or not; nft 1.0.6 has no `destroy`.
pub(super) const CLEAR: &str = "table inet redis_harden { }\ndelete table inet redis_harden\n";

const HEADER: &str = "\
# Made by redis-harden from its policy; edit the policy, not this file.
# Who may reach Redis's TCP ports. No other port is touched: what is not sent to them leaves the first chain unjudged.
# Each port has networks of its own.
# There is no rule for established connections, so that taking a network out of the sets cuts its connections too.
# Whom Redis's user may connect to. Of TCP only the first packet of a connection is judged, so that no connection need be tracked.
";

/// The file that makes the table.
pub(super) fn file(table: &Table) -> String {
    let mut file = format!("{HEADER}{CLEAR}table inet {TABLE} {{\n");
    if !table.is_empty() {
        body(&mut file, table);
    }
    file.push_str("}\n");
    file
}

/// What fills the sets of a table of the same shape anew, in one transaction.
pub(super) fn refill(table: &Table) -> String {
    let mut file = String::new();
    for Filled { name, networks, .. } in filled(table) {
        let _ = writeln!(file, "flush set inet {TABLE} {name}");
        if !networks.is_empty() {
            let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
            let networks = networks.join(", ");
            let _ = writeln!(file, "add element inet {TABLE} {name} {{ {networks} }}");
        }
    }
    file
}

fn body(file: &mut String, table: &Table) {
    for counter in counters(table) {
        let _ = writeln!(file, "\tcounter {counter} {{\n\t}}\n");
    }
    set(file, "ports", "type inet_service", table.ports.keys());
    for each in filled(table) {
        let kind = format!("type {}\n\t\tflags interval", each.kind);
        set(file, &each.name, &kind, each.networks);
    }
    if table.rate.is_some() {
        for family in ["ip", "ip6"] {
            let kind = format!(
                "type {}\n\t\tsize {SOURCES}\n\t\tflags dynamic,timeout\n\t\ttimeout {FORGOTTEN}s",
                addresses(family)
            );
            set::<u16>(file, &recent(family), &kind, []);
        }
    }
    let rules = rules(table);
    // What is jumped to stands before.
    let admitted = table.rate.map(|_| "admitted".to_owned());
    let ports = table.ports.keys().map(|port| chain_of(*port));
    let published = table.ports.keys().filter(|_| table.forwards);
    let published = published.map(|port| chain_of_published(*port));
    let users = table.users().map(|(user, ..)| chain_of_user(user));
    let called = admitted
        .into_iter()
        .chain(ports)
        .chain(published)
        .chain(users);
    for name in called.chain(["clients".to_owned()]) {
        let _ = writeln!(file, "\tchain {name} {{");
        chain(file, &rules, &name);
    }
    // Before the usual priority 0, so that its counter sees what the host's own filter would drop as well.
    for hook in bases(table) {
        let _ = writeln!(
            file,
            "\tchain {hook} {{\n\t\ttype filter hook {hook} priority filter - 5; policy accept;"
        );
        chain(file, &rules, hook);
    }
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
