//! The table's one shape: as the file that nft loads, and as the objects that nft's JSON lists (libnftables-json(5)).
//! Rules and objects depend on the table's ports, users, rate and whether it guards what is published; networks are elements of sets.

mod words;

use super::{Networks, Rate, Table};
use serde_json::{Value, json};
use std::fmt::{Display, Write};
use words::{field, first_packet, is, jump, meta, refuse};

/// The table's name, of family inet.
pub const TABLE: &str = "redis_harden";

/// Removes the table whether it is there or not; nft 1.0.6 has no `destroy`.
pub(super) const CLEAR: &str = "table inet redis_harden { }\ndelete table inet redis_harden\n";

/// How many sources are counted at once; a further one is not limited, and nobody's memory is filled. Those of `check` neither.
const SOURCES: u32 = 16_384;

/// Seconds after which a silent source is forgotten: not before its allowance is whole again, whatever the rate's unit.
const FORGOTTEN: u32 = 120;

const HEADER: &str = "\
# Made by redis-harden from its policy; edit the policy, not this file.
# Who may reach Redis's TCP ports. No other port is touched: what is not sent to them leaves the first chain unjudged.
# Each port has networks of its own.
# There is no rule for established connections, so that taking a network out of the sets cuts its connections too.
# Whom Redis's user may connect to. Of TCP only the first packet of a connection is judged, so that no connection need be tracked.
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

/// A set of networks, and those in it.
struct Filled<'a> {
    name: String,
    kind: &'static str,
    networks: &'a [super::Cidr],
}

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

/// The rules of the table, in order.
pub(super) fn rules(table: &Table) -> Vec<Line> {
    let mut rules = inbound(table);
    if let Some(rate) = table.rate {
        rules.extend(limits(rate));
    }
    if table.forwards {
        rules.extend(table.ports.keys().flat_map(|port| published(*port)));
    }
    if table.users().next().is_some() {
        rules.push(Line::of(
            "output",
            "oif \"lo\" accept",
            json!([is(meta("oif"), json!("lo")), {"accept": null}]),
        ));
        rules.extend(table.users().map(|(user, uid, _)| {
            let own = chain_of_user(user);
            Line::of(
                "output",
                format!("meta skuid {uid} jump {own}"),
                json!([is(meta("skuid"), json!(uid)), jump(&own)]),
            )
        }));
        rules.extend(table.users().flat_map(|(user, ..)| outbound(user)));
    }
    rules
}

/// From other hosts to the ports.
fn inbound(table: &Table) -> Vec<Line> {
    let mut rules = vec![
        Line::of(
            "input",
            "iif \"lo\" accept",
            json!([is(meta("iif"), json!("lo")), {"accept": null}]),
        ),
        Line::of(
            "input",
            "tcp dport @ports jump clients",
            json!([is(field("tcp", "dport"), json!("@ports")), jump("clients")]),
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
    rules.extend(table.ports.keys().map(|port| {
        let own = chain_of(*port);
        Line::of(
            "clients",
            format!("tcp dport {port} jump {own}"),
            json!([is(field("tcp", "dport"), json!(port)), jump(&own)]),
        )
    }));
    rules.push(Line::of(
        "clients",
        "counter name \"refused\" drop",
        refuse(None),
    ));
    let (verdict, json) = match table.rate {
        None => ("accept", json!({"accept": null})),
        Some(_) => ("jump admitted", jump("admitted")),
    };
    rules.extend(table.ports.keys().flat_map(|port| {
        ["ip", "ip6"].map(|family| {
            let set = format!("@{}", set_of(family, *port));
            Line::of(
                chain_of(*port),
                format!("{family} saddr {set} {verdict}"),
                json!([is(field(family, "saddr"), json!(set)), json]),
            )
        })
    }));
    rules
}

/// Of those who may connect, how often. An IPv6 source is a network of 64 bits: one host has as many addresses as it likes.
fn limits(rate: Rate) -> Vec<Line> {
    let sources = [
        ("ip", "ip saddr", field("ip", "saddr")),
        (
            "ip6",
            "ip6 saddr & ffff:ffff:ffff:ffff::",
            json!({"&": [field("ip6", "saddr"), "ffff:ffff:ffff:ffff::"]}),
        ),
    ];
    let mut rules: Vec<Line> = sources
        .map(|(family, text, source)| {
            let set = recent(family);
            Line::of(
                "admitted",
                format!(
                    "{} update @{set} {{ {text} limit rate over {rate} burst {} packets }} counter name \"limited\" drop",
                    first_packet("==").0,
                    rate.count
                ),
                json!([
                    first_packet("==").1,
                    {"set": {"op": "update", "elem": source, "set": format!("@{set}"), "stmt": [{"limit": limit(rate)}]}},
                    {"counter": "limited"},
                    {"drop": null}
                ]),
            )
        })
        .into();
    rules.push(Line::of("admitted", "accept", json!([{"accept": null}])));
    rules
}

/// The limit that each source has, in a rule and in an element.
pub(super) fn limit(rate: Rate) -> Value {
    json!({"rate": rate.count, "burst": rate.count, "per": rate.per.word(), "inv": true})
}

/// What is sent to a port of this host and given to a container or another host by address translation: it passes no input chain.
fn published(port: u16) -> Vec<Line> {
    let (own, clients) = (chain_of_published(port), chain_of(port));
    let original = json!({"ct": {"key": "proto-dst", "dir": "original"}});
    let status = json!({"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}});
    vec![
        Line::of(
            "forward",
            format!(
                "meta l4proto tcp ct status dnat ct direction original ct original proto-dst {port} jump {own}"
            ),
            json!([
                is(meta("l4proto"), json!("tcp")),
                status,
                is(json!({"ct": {"key": "direction"}}), json!("original")),
                is(original, json!(port)),
                jump(&own)
            ]),
        ),
        Line::of(&own, format!("jump {clients}"), json!([jump(&clients)])),
        Line::of(&own, "counter name \"refused\" drop", refuse(None)),
    ]
}

/// From a user of this host to others. No other packet of TCP begins a connection, and only root makes packets by hand.
fn outbound(user: &str) -> Vec<Line> {
    let own = chain_of_user(user);
    let (text, first) = first_packet("!=");
    let mut rules = vec![Line::of(
        &own,
        format!("{text} accept"),
        json!([first, {"accept": null}]),
    )];
    rules.extend(["ip", "ip6"].map(|family| {
        let set = format!("@{}", peers_of(family, user));
        Line::of(
            &own,
            format!("{family} daddr {set} accept"),
            json!([is(field(family, "daddr"), json!(set)), {"accept": null}]),
        )
    }));
    for family in ["ip", "ip6"] {
        rules.extend(["udp", "tcp"].map(|protocol| {
            let set = format!("@{}", resolvers_of(family, user));
            Line::of(
                &own,
                format!("{family} daddr {set} {protocol} dport 53 accept"),
                json!([
                    is(field(family, "daddr"), json!(set)),
                    is(field(protocol, "dport"), json!(53)),
                    {"accept": null}
                ]),
            )
        }));
    }
    // Not dropped: whoever connects is told within a second (when the kernel repeats the packet: the first answer comes while connect(2)
    // holds the socket), and by another error (EHOSTUNREACH, of IPv6 EACCES) than that of a server which refuses.
    rules.push(Line::of(
        &own,
        "counter name \"outgoing\" reject with icmpx admin-prohibited",
        json!([
            {"counter": "outgoing"},
            {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}
        ]),
    ));
    rules
}

/// Everything in the table but its rules, elements and counts, without handles.
pub(super) fn objects(table: &Table) -> Vec<Value> {
    let chain = |name: &str| json!({"chain": {"family": "inet", "table": TABLE, "name": name}});
    let hooked = |hook: &str| {
        json!({"chain": {"family": "inet", "table": TABLE, "name": hook,
            "type": "filter", "hook": hook, "prio": -5, "policy": "accept"}})
    };
    let mut objects = vec![
        table_object(),
        json!({"set": {"family": "inet", "table": TABLE, "name": "ports", "type": "inet_service"}}),
        chain("clients"),
    ];
    objects.extend(
        counters(table)
            .map(|name| json!({"counter": {"family": "inet", "table": TABLE, "name": name}})),
    );
    objects.extend(bases(table).map(hooked));
    objects.extend(table.ports.keys().map(|port| chain(&chain_of(*port))));
    if table.forwards {
        let published = table.ports.keys().map(|port| chain_of_published(*port));
        objects.extend(published.map(|name| chain(&name)));
    }
    objects.extend(table.users().map(|(user, ..)| chain(&chain_of_user(user))));
    objects.extend(filled(table).into_iter().map(|set| {
        json!({"set": {"family": "inet", "table": TABLE, "name": set.name,
            "type": set.kind, "flags": ["interval"]}})
    }));
    if table.rate.is_some() {
        objects.push(chain("admitted"));
        objects.extend(["ip", "ip6"].map(|family| {
            json!({"set": {"family": "inet", "table": TABLE, "name": recent(family),
                "type": addresses(family), "size": SOURCES, "flags": ["timeout"], "timeout": FORGOTTEN}})
        }));
    }
    objects
}

/// The base chains.
fn bases(table: &Table) -> impl Iterator<Item = &'static str> {
    let forward = table.forwards.then_some("forward");
    let output = table.users().next().map(|_| "output");
    ["input"].into_iter().chain(forward).chain(output)
}

fn counters(table: &Table) -> impl Iterator<Item = &'static str> {
    let limited = table.rate.map(|_| "limited");
    let outgoing = table.users().next().map(|_| "outgoing");
    ["refused"].into_iter().chain(limited).chain(outgoing)
}

/// Every set of networks.
fn filled(table: &Table) -> Vec<Filled<'_>> {
    fn both<'a>(name: impl Fn(&str) -> String, networks: &'a Networks) -> [Filled<'a>; 2] {
        [("ip", &networks.v4), ("ip6", &networks.v6)].map(|(family, networks)| Filled {
            name: name(family),
            kind: addresses(family),
            networks,
        })
    }
    let ports = table.ports.iter();
    let ports = ports.flat_map(|(port, from)| both(|family| set_of(family, *port), from));
    let users = table.users().flat_map(|(user, _, to)| {
        let peers = both(|family| peers_of(family, user), &to.peers);
        peers
            .into_iter()
            .chain(both(|family| resolvers_of(family, user), &to.resolvers))
    });
    ports.chain(users).collect()
}

fn addresses(family: &str) -> &'static str {
    match family {
        "ip" => "ipv4_addr",
        _ => "ipv6_addr",
    }
}

/// The set of the networks of a family that may reach a port.
pub(super) fn set_of(family: &str, port: u16) -> String {
    format!("{family}_{port}")
}

/// The set of the networks of a family that a user may connect to.
pub(super) fn peers_of(family: &str, user: &str) -> String {
    format!("peers_{family}_{user}")
}

/// The set of those that it may ask for names.
pub(super) fn resolvers_of(family: &str, user: &str) -> String {
    format!("resolvers_{family}_{user}")
}

/// The set of the sources that have connected of late.
pub(super) fn recent(family: &str) -> String {
    format!("recent_{family}")
}

/// The chain that lets a port's networks in. One set of pairs (network and port) would do with fewer rules, but the kernel
/// fills such a set only after it has switched to the new table: measured, a reload then drops packets of allowed clients.
fn chain_of(port: u16) -> String {
    format!("port_{port}")
}

fn chain_of_published(port: u16) -> String {
    format!("published_{port}")
}

/// The chain of what a user sends.
pub(super) fn chain_of_user(user: &str) -> String {
    format!("from_{user}")
}

/// The table itself.
pub(super) fn table_object() -> Value {
    json!({"table": {"family": "inet", "name": TABLE}})
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
