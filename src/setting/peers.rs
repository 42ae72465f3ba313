//! Whom a server exchanges packets with beyond its clients: its primary, and its replicas.

use super::{Reading, Sight};
use crate::facts::View;
use crate::policy::{Cidr, Policy};
use crate::redis::Told;
use crate::value::Value;
use std::net::IpAddr;

/// The others of the running server that the policy's networks leave out. Words, or nothing.
pub(super) fn read(sight: Sight, instance: &str) -> Reading {
    match sight.facts.instances.get(instance) {
        None => Reading::NotApplicable(format!("{instance} is not running")),
        Some(known) => match &known.view {
            View::NotRunning => Reading::NotApplicable(format!("{instance} is not running")),
            View::Silent(why) => Reading::Unknown(why.clone()),
            View::Told(told) if !told.info.contains_key("role") => {
                Reading::Unknown("INFO does not tell with whom it replicates".to_owned())
            }
            View::Told(told) => match every(sight, &known.policy, told) {
                others if others.is_empty() => Reading::Absent,
                others => Reading::Value(Value::Words(others), None),
            },
        },
    }
}

fn every(sight: Sight, policy: &Policy, told: &Told) -> Vec<String> {
    let mut all = unlisted(policy, told);
    all.extend(beyond_peers(policy, Some(told)));
    let sentinels = sight
        .facts
        .sentinels
        .iter()
        .filter(|s| s.user == policy.user());
    all.extend(sentinels.flat_map(|s| of_sentinel(policy, &s.others)));
    all.sort();
    all.dedup();
    all
}

/// To whom its server connects, or would, and the policy's peers leave out.
pub fn beyond_peers(policy: &Policy, told: Option<&Told>) -> Vec<String> {
    let firewall = &policy.firewall;
    let named = policy.primary();
    let of_policy = named.as_deref();
    // A name can be anybody's address: only peers say whose.
    let is_known = |host: &str| host.parse::<IpAddr>().is_ok() || !firewall.peers.is_empty();
    let is_expected = |host: &String| {
        is_among(host, &firewall.peers) || of_policy == Some(host) && is_known(host)
    };
    let follows = told.and_then(primary).or(named.clone()).into_iter();
    let mut others: Vec<String> = follows.filter(|host| !is_expected(host)).collect();
    let has_nodes = told.map_or_else(|| policy.is_clustered(), may_have_nodes);
    if has_nodes && firewall.peers.is_empty() {
        others.push("the-other-nodes-of-its-cluster".to_owned());
    }
    others
}

/// Whether others are in its cluster, or it does not tell.
fn may_have_nodes(told: &Told) -> bool {
    let Ok(cluster) = &told.cluster.0 else {
        return true;
    };
    let known = cluster.get("cluster_known_nodes").map(|n| n.parse::<u32>());
    // Outside of a cluster there is no such field.
    known.is_some_and(|nodes| nodes != Ok(1) && nodes != Ok(0))
}

/// Those of a Sentinel's.
pub fn of_sentinel(policy: &Policy, others: &[String]) -> Vec<String> {
    let others = others
        .iter()
        .filter(|host| !is_among(host, &policy.firewall.peers));
    others.cloned().collect()
}

fn is_among(host: &str, networks: &[Cidr]) -> bool {
    host == "localhost"
        || host.parse().is_ok_and(|address: IpAddr| {
            let address = address.to_canonical();
            address.is_loopback() || networks.iter().any(|network| network.contains(address))
        })
}

/// Those of a server that has told of them. A name is in no network.
pub fn unlisted(policy: &Policy, told: &Told) -> Vec<String> {
    let (firewall, primary) = (&policy.firewall, policy.primary());
    let is_listed = |host: &str| {
        primary.as_deref() == Some(host)
            || is_among(host, &firewall.allow)
            || is_among(host, &firewall.peers)
    };
    let others = others(told).into_iter();
    others.filter(|host| !is_listed(host)).collect()
}

/// `master_host`, and the `ip=` of each `slaveN`.
fn others(told: &Told) -> Vec<String> {
    let primary = primary(told);
    let is_replica = |name: &str| {
        let number = name.strip_prefix("slave");
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let replicas = told.info.iter().filter(|(name, _)| is_replica(name));
    let replicas = replicas.filter_map(|(_, value)| {
        let mut fields = value.split(',');
        fields
            .find_map(|field| field.strip_prefix("ip="))
            .map(str::to_owned)
    });
    primary.into_iter().chain(replicas).collect()
}

/// `master_host` of a replica.
fn primary(told: &Told) -> Option<String> {
    let replica = told.info.get("role").is_some_and(|role| role == "slave");
    told.info.get("master_host").filter(|_| replica).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policies;

    #[test]
    fn who_is_in_no_network_of_the_policy_is_named() {
        let text = "[firewall]\nallow = [\"10.1.0.0/16\"]\npeers = [\"fd00::/64\", \"10.2.0.7\"]\n";
        let policies = Policies::parse("test.toml", text).unwrap();
        let unlisted = |info: &[(&str, &str)]| {
            let pair = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
            let told = Told {
                info: info.iter().map(pair).collect(),
                ..Told::default()
            };
            unlisted(&policies.instances[0], &told)
        };
        let primary = |host| unlisted(&[("role", "slave"), ("master_host", host)]);
        for listed in [
            "10.1.255.1",
            "::ffff:10.1.0.1",
            "10.2.0.7",
            "fd00::9",
            "127.0.0.1",
            "::1",
        ] {
            assert!(primary(listed).is_empty(), "{listed}");
        }
        for other in ["10.2.0.8", "fd00:0:0:1::1", "redis-1.example"] {
            assert_eq!(primary(other), [other]);
        }
        let replicas = [
            ("role", "master"),
            (
                "slave0",
                "ip=10.1.0.2,port=6379,state=online,offset=1,lag=0",
            ),
            (
                "slave1",
                "ip=192.0.2.1,port=6379,state=online,offset=1,lag=0",
            ),
            ("slave_expires_tracked_keys", "0"),
        ];
        assert_eq!(unlisted(&replicas), ["192.0.2.1"]);
    }

    #[test]
    fn to_whom_it_connects_is_covered_by_peers_or_by_the_policys_own_address() {
        let follows = |host: &str, firewall: &str, primary: &str| {
            let text = format!("[firewall]\n{firewall}\n[redis.directives]\n{primary}\n");
            let policies = Policies::parse("test.toml", &text).unwrap();
            let info = [("role", "slave"), ("master_host", host)];
            let told = Told {
                info: info.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
                ..Told::default()
            };
            beyond_peers(&policies.instances[0], Some(&told))
        };
        let (of_ip, of_name) = (
            "replicaof = \"10.2.0.7 6379\"",
            "replicaof = \"redis-1.example 6379\"",
        );
        let none = Vec::<String>::new();
        assert_eq!(
            follows("10.2.0.7", "allow = [\"10.2.0.0/16\"]", ""),
            ["10.2.0.7"],
            "who may come in is not whom it goes to"
        );
        assert_eq!(follows("10.2.0.7", "peers = [\"10.2.0.0/16\"]", ""), none);
        assert_eq!(follows("10.2.0.7", "", of_ip), none);
        assert_eq!(follows("192.0.2.1", "", of_ip), ["192.0.2.1"]);
        assert_eq!(follows("redis-1.example", "", of_name), ["redis-1.example"]);
        assert_eq!(
            follows("redis-1.example", "peers = [\"10.2.0.7\"]", of_name),
            none
        );
        assert_eq!(follows("127.0.0.1", "", ""), none);
    }

    #[test]
    fn a_node_that_does_not_tell_of_its_cluster_may_be_one_of_several() {
        let beyond = |policy: &str, told: Option<Told>| {
            let policies = Policies::parse("test.toml", policy).unwrap();
            beyond_peers(&policies.instances[0], told.as_ref()).len()
        };
        let told = |cluster: Result<&str, &str>| {
            let fields = |n: &str| [("cluster_known_nodes".to_owned(), n.to_owned())].into();
            let cluster = cluster.map(fields).map_err(str::to_owned);
            Some(Told {
                cluster: crate::redis::Answer(cluster),
                ..Told::default()
            })
        };
        let clustered = "[redis.directives]\ncluster-enabled = \"yes\"\n";
        assert_eq!(beyond(clustered, told(Ok("6"))), 1);
        assert_eq!(beyond(clustered, told(Ok("1"))), 0);
        assert_eq!(beyond(clustered, told(Ok("many"))), 1);
        assert_eq!(beyond(clustered, told(Err("NOPERM"))), 1);
        assert_eq!(beyond(clustered, None), 1, "one that does not run");
        assert_eq!(beyond("", None), 0);
        assert_eq!(beyond("", Some(Told::default())), 0);
        let named = format!("[firewall]\npeers = [\"10.2.0.0/16\"]\n{clustered}");
        assert_eq!(beyond(&named, told(Err("NOPERM"))), 0);
    }
}
