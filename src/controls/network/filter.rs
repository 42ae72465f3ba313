//! What the packet filter is to be: from the policy of all instances, and from what runs here. Pure.

use crate::facts::{Facts, View};
use crate::policy::ports::{bus, listening};
use crate::policy::{Cidr, Per, Policies, Policy, PublishedPorts, Rate};
use crate::setting::firewall::{Networks, Outgoing, Table};
use crate::setting::peers::{beyond_peers, of_sentinel};
use std::collections::{BTreeMap, BTreeSet};

/// Sentinel's, unless its file says another: that file is its user's to write, and could name any port of this host.
pub(super) const SENTINEL: u16 = 26_379;

/// What the policy makes of the ports of all instances; nothing where no instance wants a firewall or listens on TCP.
/// A port that a server of ours still listens on is guarded until it has moved, and stays so when the move fails.
pub(in crate::controls) fn table(policies: &Policies, facts: &Facts) -> Option<Table> {
    let wanted: Vec<&Policy> = policies
        .instances
        .iter()
        .filter(|p| p.firewall.enabled && !p.ports().is_empty())
        .collect();
    let of = |ports: &dyn Fn(&Policy) -> Vec<u16>| {
        let all = wanted.iter().flat_map(|p| {
            let ports = ports(p).into_iter();
            ports.map(|port| (port, clients(p, facts, port)))
        });
        all.collect::<Vec<_>>()
    };
    let configured = of(&Policy::ports).into_iter();
    let running = of(&|p| ports_of_running(p, facts)).into_iter();
    // A server that the policy has forgotten may still listen: nobody but loopback reaches it.
    let forgotten = facts.orphans.iter().flat_map(|o| &o.ports);
    let forgotten = forgotten.map(|port| (*port, [].as_slice()));
    let sentinels = sentinels(&wanted, facts);
    let sentinels = sentinels
        .iter()
        .map(|networks| (SENTINEL, networks.as_slice()));
    let further = of(&|p| p.firewall.ports.clone()).into_iter();
    let ports = || {
        configured
            .chain(running)
            .chain(sentinels)
            .chain(further)
            .chain(forgotten)
    };
    (!wanted.is_empty()).then(|| Table {
        rate: wanted
            .iter()
            .filter_map(|p| p.firewall.connection_rate.limit())
            .min_by_key(rarity),
        forwards: wanted
            .iter()
            .any(|p| p.firewall.published_ports == PublishedPorts::Close),
        outgoing: outgoing(policies, facts),
        ..Table::of(ports())
    })
}

/// Who may reach a port of an instance; the bus of the running server too may be another than the policy's.
fn clients<'a>(policy: &'a Policy, facts: &Facts, port: u16) -> &'a [Cidr] {
    let known = facts.instances.get(policy.redis.name.as_str());
    let runs_its_bus_there = match known.map(|known| &known.view) {
        Some(View::Told(told)) => bus(|name| told.directives.get(name).cloned()) == port,
        _ => false,
    };
    match runs_its_bus_there && !policy.firewall.peers.is_empty() {
        true => &policy.firewall.peers,
        false => policy.clients_of(port),
    }
}

/// Who may reach a Sentinel of this host: clients ask it, and others like it. Where the policy leaves out whom it knows, its port is
/// left alone, as what its user sends is.
fn sentinels(wanted: &[&Policy], facts: &Facts) -> Option<Vec<Cidr>> {
    let guarded = facts.sentinels.iter().any(|sentinel| {
        let own = || wanted.iter().filter(|p| p.user() == sentinel.user);
        let knows_all = || own().all(|p| of_sentinel(p, &sentinel.others).is_empty());
        own().next().is_some() && (facts.filtered_users.contains(sentinel.user) || knows_all())
    });
    let firewalls = || wanted.iter().map(|p| &p.firewall);
    guarded.then(|| {
        firewalls()
            .flat_map(|f| f.allow.iter().chain(&f.peers))
            .copied()
            .collect()
    })
}

/// How many in two minutes: of two rates the rarer holds for all, since a source is counted once.
fn rarity(rate: &Rate) -> u32 {
    match rate.per {
        Per::Second => rate.count.saturating_mul(120),
        Per::Minute => rate.count.saturating_mul(2),
    }
}

/// Whom each user of servers may connect to. One whose server connects to somebody whom the policy leaves out is not held back before
/// a person has decided (control network.peers); once it is held back, what a server says opens nothing.
fn outgoing(policies: &Policies, facts: &Facts) -> BTreeMap<String, Outgoing> {
    let users: BTreeSet<&'static str> = policies.instances.iter().map(Policy::user).collect();
    let held = users.into_iter().filter(|user| {
        let mut own = policies.instances.iter().filter(|p| p.user() == *user);
        own.all(|p| {
            p.firewall.enabled && (facts.filtered_users.contains(*user) || is_alone(p, facts))
        })
    });
    held.map(|user| {
        let own = || policies.instances.iter().filter(|p| p.user() == user);
        let primary = |p: &Policy| p.primary().and_then(|host| host.parse::<Cidr>().ok());
        let peers = own().flat_map(|p| p.firewall.peers.iter().copied().chain(primary(p)));
        let resolvers = own().flat_map(|p| p.firewall.resolvers.iter().copied());
        let to = Outgoing {
            uid: facts.accounts.uid(user),
            peers: Networks::of(&peers.collect::<Vec<Cidr>>()),
            resolvers: Networks::of(&resolvers.collect::<Vec<Cidr>>()),
        };
        (user.to_owned(), to)
    })
    .collect()
}

/// Whether nobody is cut off from the server of an instance, or from a Sentinel of its user's.
fn is_alone(policy: &Policy, facts: &Facts) -> bool {
    let known = facts.instances.get(policy.redis.name.as_str());
    let told = match known.map(|known| &known.view) {
        Some(View::Told(told)) if told.info.contains_key("role") => Some(told.as_ref()),
        // It may replicate with anybody.
        Some(View::Told(_) | View::Silent(_)) => return false,
        Some(View::NotRunning) | None => None,
    };
    let mut sentinels = facts.sentinels.iter().filter(|s| s.user == policy.user());
    beyond_peers(policy, told).is_empty()
        && sentinels.all(|s| of_sentinel(policy, &s.others).is_empty())
}

/// Where the supervised server of an instance listens now.
fn ports_of_running(policy: &Policy, facts: &Facts) -> Vec<u16> {
    let known = facts.instances.get(policy.redis.name.as_str());
    match known.map(|known| (&known.report, &known.view)) {
        Some((Some(_), View::Told(told))) => listening(|name| told.directives.get(name).cloned()),
        _ => Vec::new(),
    }
}
