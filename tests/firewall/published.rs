//! Ports that are published from a container: translated before the input chain, they are found, and closed where the policy says so.

use super::friends;
use super::network::{Namespace, Network, OTHER, REDIS, v4};
use redis_harden::host::Host;
use redis_harden::setting::Reading;
use redis_harden::setting::firewall::{self, Table};
use redis_harden::value::Value;
use std::net::{Ipv4Addr, SocketAddr};

/// As Docker lays it out: a bridge's network behind the host, and two ports of the host's that are the container's.
fn with_container() -> (Network, Namespace) {
    let net = Network::new();
    let container = Namespace::new("container");
    net.link(&container, 9);
    container.ip(&["route", "add", "default", "via", "10.77.9.1"]);
    container.serve(0, REDIS);
    container.serve(0, OTHER);
    net.server.sysctl("ipv4/ip_forward", "1");
    for (client, n) in [(&net.friend, 1), (&net.stranger, 2)] {
        client.ip(&["route", "add", "default", "via", &format!("10.77.{n}.1")]);
    }
    net.server.nft(
        "table ip nat { chain prerouting { type nat hook prerouting priority dstnat; policy accept; \
         iifname != \"veth9\" tcp dport 6379 dnat to 10.77.9.2:6379; \
         iifname != \"veth9\" tcp dport 8080 dnat to 10.77.9.2:22222; \
         ip daddr 127.0.0.1 tcp dport 6380 dnat to 10.77.9.2:6379; }; }",
    );
    (net, container)
}

fn found(net: &Network, guarded: &[u16]) -> Reading {
    net.server
        .enter(|| firewall::read_published(&Host::live().unwrap(), &[REDIS, 6380], guarded))
}

#[test]
fn a_published_port_passes_the_input_chain_and_is_found() {
    let (net, _container) = with_container();
    net.server.load(&friends());
    assert!(
        net.stranger.reaches(SocketAddr::new(v4(2), REDIS)),
        "the hole"
    );
    let words = Value::Words(vec!["6379→10.77.9.2:6379".to_owned()]);
    assert_eq!(found(&net, &[]), Reading::Value(words, None));
    assert_eq!(found(&net, &[REDIS]), Reading::Absent);
    let open = found(&net, &[]);
    net.server.sysctl("ipv4/ip_forward", "0");
    assert_eq!(found(&net, &[]), Reading::Absent, "nothing is sent on");
    net.server.sysctl("ipv4/conf/veth2/forwarding", "1");
    assert_eq!(found(&net, &[]), open, "what arrives at one interface is");
}

#[test]
fn closed_it_is_for_the_same_networks_as_the_port_itself_and_nothing_else_is_touched() {
    let (net, _container) = with_container();
    net.server.load(&Table {
        forwards: true,
        ..friends()
    });
    assert!(net.friend.reaches(SocketAddr::new(v4(1), REDIS)));
    assert!(!net.stranger.reaches(SocketAddr::new(v4(2), REDIS)));
    assert!(net.server.refused() > 0);
    assert!(
        net.stranger.reaches(SocketAddr::new(v4(2), 8080)),
        "another published port"
    );
    let routed = Ipv4Addr::new(10, 77, 9, 2).into();
    for port in [REDIS, OTHER] {
        assert!(
            net.stranger.reaches(SocketAddr::new(routed, port)),
            "what is routed, not published"
        );
    }
    // Taking the network out cuts what is connected.
    let mut connected = net.friend.connect(SocketAddr::new(v4(1), REDIS)).unwrap();
    assert!(super::echoes(&mut connected));
    net.server.load(&Table {
        forwards: true,
        ..super::table([REDIS], &[])
    });
    assert!(!super::echoes(&mut connected));
}
