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
            View::Told(told) => match unlisted(&known.policy, told) {
                others if others.is_empty() => Reading::Absent,
                others => Reading::Value(Value::Words(others), None),
            },
        },
    }
}

/// Those of a server that has told of them. A name is in no network.
pub fn unlisted(policy: &Policy, told: &Told) -> Vec<String> {
    let (firewall, primary) = (&policy.firewall, policy.primary());
    let networks: Vec<&Cidr> = firewall.allow.iter().chain(&firewall.peers).collect();
    let is_listed = |host: &str| {
        host == "localhost"
            || primary.as_deref() == Some(host)
            || host.parse().is_ok_and(|address: IpAddr| {
                let address = address.to_canonical();
                address.is_loopback() || networks.iter().any(|network| network.contains(address))
            })
    };
    let others = others(told).into_iter();
    others.filter(|host| !is_listed(host)).collect()
}

/// `master_host`, and the `ip=` of each `slaveN`.
fn others(told: &Told) -> Vec<String> {
    let replica = told.info.get("role").is_some_and(|role| role == "slave");
    let primary = told.info.get("master_host").filter(|_| replica).cloned();
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
}
