//! How often one source may connect.

use super::network::{Network, OTHER, REDIS, v4, v6};
use super::{echoes, friends, table};
use redis_harden::host::Host;
use redis_harden::setting::firewall::{self, Table};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

fn limited(rate: &str) -> Table {
    Table {
        rate: Some(rate.parse().unwrap()),
        ..table([REDIS], &super::cidrs(&["10.77.0.0/16", "fd77::/16"]))
    }
}

#[test]
fn a_source_that_connects_too_often_waits_and_others_do_not() {
    let net = Network::new();
    net.server.load(&limited("3/minute"));
    let to = SocketAddr::new(v4(1), REDIS);
    let mut first = net.friend.connect(to).unwrap();
    assert!(net.friend.reaches(to) && net.friend.reaches(to));
    assert!(!net.friend.reaches(to), "the fourth in a minute");
    assert!(echoes(&mut first), "what is connected stays so");
    assert!(
        net.stranger.reaches(SocketAddr::new(v4(2), REDIS)),
        "another source"
    );
    assert!(
        net.friend.reaches(SocketAddr::new(v4(1), OTHER)),
        "another port"
    );
    let loopback = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), REDIS);
    assert!((0..10).all(|_| net.server.reaches(loopback)), "loopback");
    let counts = net.server.counts();
    assert!(
        counts.limited.unwrap().packets > 0 && counts.refused.packets == 0,
        "{counts:?}"
    );
}

#[test]
fn an_ipv6_source_is_its_network_of_64_bits() {
    let net = Network::new();
    net.server.load(&limited("3/minute"));
    let to = SocketAddr::new(v6(1), REDIS);
    let mut served = 0;
    for host in 0x10..0x16 {
        let address = format!("fd77:1::{host:x}");
        net.friend.ip(&[
            "addr",
            "add",
            &format!("{address}/64"),
            "dev",
            "eth0",
            "nodad",
        ]);
        let from: IpAddr = address.parse().unwrap();
        served += u32::from(net.friend.reaches_from(from, to));
    }
    // A packet that the kernel repeats counts too.
    assert!((1..=3).contains(&served), "{served}");
    assert!(net.server.counts().limited.unwrap().packets >= 3);
}

#[test]
fn the_sources_of_the_moment_are_no_change_of_the_table() {
    let net = Network::new();
    let wanted = limited("100/second");
    net.server.load(&wanted);
    let save = || {
        net.server
            .enter(|| firewall::save_text(&Host::live().unwrap()).unwrap())
    };
    let before = save();
    assert!(net.friend.reaches(SocketAddr::new(v4(1), REDIS)));
    assert!(net.friend.reaches(SocketAddr::new(v6(1), REDIS)));
    let (_, listed) = net
        .server
        .run(&["nft", "list", "set", "inet", "redis_harden", "recent_ip"]);
    assert!(listed.contains("10.77.1.2 limit rate"), "{listed}");
    assert_eq!(net.server.read(), Some(wanted.clone()));
    assert_eq!(save(), before);
    net.server
        .nft("add element inet redis_harden recent_ip { 10.77.2.2 limit rate over 1/hour }");
    let foreign = net.server.read().unwrap().foreign.join("; ");
    assert!(
        foreign.contains("a source with a limit of its own"),
        "{foreign}"
    );
    net.server.load(&wanted);
    assert_eq!(net.server.read(), Some(wanted));
    net.server.load(&friends());
    assert_eq!(net.server.read(), Some(friends()), "off again");
}
