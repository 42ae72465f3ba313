//! What the table has beside its rules: chains, sets of networks, counters.

use super::TABLE;
use super::names::{
    chain_of, chain_of_published, chain_of_user, peers_of, recent, resolvers_of, set_of,
};
use crate::policy::Cidr;
use crate::setting::firewall::{Networks, Table};
use serde_json::{Value, json};

/// How many sources are counted at once; a further one is not limited, and nobody's memory is filled. Those of `check` neither.
pub(super) const SOURCES: u32 = 16_384;

/// Seconds after which a silent source is forgotten: not before its allowance is whole again, whatever the rate's unit.
pub(super) const FORGOTTEN: u32 = 120;

/// A set of networks, and those in it.
pub(super) struct Filled<'a> {
    pub name: String,
    pub kind: &'static str,
    pub networks: &'a [Cidr],
}

/// Everything in the table but its rules, elements and counts, without handles.
pub(in crate::setting::firewall) fn objects(table: &Table) -> Vec<Value> {
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
pub(super) fn bases(table: &Table) -> impl Iterator<Item = &'static str> {
    let forward = table.forwards.then_some("forward");
    let output = table.users().next().map(|_| "output");
    ["input"].into_iter().chain(forward).chain(output)
}

pub(super) fn counters(table: &Table) -> impl Iterator<Item = &'static str> {
    let limited = table.rate.map(|_| "limited");
    let outgoing = table.users().next().map(|_| "outgoing");
    ["refused"].into_iter().chain(limited).chain(outgoing)
}

/// Every set of networks.
pub(super) fn filled(table: &Table) -> Vec<Filled<'_>> {
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

pub(super) fn addresses(family: &str) -> &'static str {
    match family {
        "ip" => "ipv4_addr",
        _ => "ipv6_addr",
    }
}

/// The table itself.
pub(in crate::setting::firewall) fn table_object() -> Value {
    json!({"table": {"family": "inet", "name": TABLE}})
}
