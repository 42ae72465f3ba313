//! The rules of the table: who may come in, how often, through to a container, and out.

use super::names::{
    chain_of, chain_of_published, chain_of_user, peers_of, recent, resolvers_of, set_of,
};
use super::words::{field, first_packet, is, jump, meta, refuse};
use crate::policy::Rate;
use crate::setting::firewall::Table;
use serde_json::{Value, json};

/// A rule: its chain, as written, and as the `expr` of its JSON.
pub(in crate::setting::firewall) struct Line {
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

/// The rules of the table, in order.
pub(in crate::setting::firewall) fn rules(table: &Table) -> Vec<Line> {
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
pub(in crate::setting::firewall) fn limit(rate: Rate) -> Value {
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
