//! The table in a real kernel: network namespaces made here, veth pairs, real connections. Needs root, nft and ip; fails without.
//! The machine's own namespace is never written to.
#![allow(
    // A user of one thread's alone, and raw sockets.
    unsafe_code,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing
)]

mod fragments;
mod network;
mod outgoing;
mod published;
mod random;
mod rate;

use network::{Namespace, Network, OTHER, REDIS, v4, v6};
use random::Random;
use redis_harden::host::Host;
use redis_harden::policy::scalar::Cidr;
use redis_harden::setting::firewall::{self, Table};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

fn cidrs(texts: &[&str]) -> Vec<Cidr> {
    texts.iter().map(|t| t.parse().unwrap()).collect()
}

/// A table whose ports all have the same networks.
fn table(ports: impl IntoIterator<Item = u16>, allow: &[Cidr]) -> Table {
    Table::of(ports.into_iter().map(|port| (port, allow)))
}

fn friends() -> Table {
    table([REDIS], &cidrs(&["10.77.1.0/24", "fd77:1::/64"]))
}

const EVERYONE: [&str; 6] = [
    "friend v4",
    "friend v6",
    "stranger v4",
    "stranger v6",
    "loopback v4",
    "loopback v6",
];

fn echoes(stream: &mut TcpStream) -> bool {
    let mut word = [0; 4];
    stream.write_all(b"ping").is_ok() && stream.read_exact(&mut word).is_ok()
}

#[test]
fn only_allowed_networks_and_loopback_reach_redis_and_every_other_port_is_untouched() {
    let net = Network::new();
    assert_eq!(net.open(REDIS), EVERYONE, "before");
    net.server.load(&friends());
    assert_eq!(
        net.open(REDIS),
        ["friend v4", "friend v6", "loopback v4", "loopback v6"]
    );
    assert_eq!(net.open(OTHER), EVERYONE);
    assert!(net.server.refused() >= 2);
    net.server.load(&table([REDIS], &[]));
    assert_eq!(net.open(REDIS), ["loopback v4", "loopback v6"]);
    assert_eq!(net.open(OTHER), EVERYONE);
}

#[test]
fn a_client_of_one_port_is_none_of_another() {
    let net = Network::new();
    let (friend, stranger) = (
        cidrs(&["10.77.1.0/24", "fd77:1::/64"]),
        cidrs(&["10.77.2.0/24", "fd77:2::/64"]),
    );
    let both = [(REDIS, friend.as_slice()), (OTHER, &stranger)];
    net.server.load(&Table::of(both));
    assert_eq!(
        net.open(REDIS),
        ["friend v4", "friend v6", "loopback v4", "loopback v6"]
    );
    assert_eq!(
        net.open(OTHER),
        ["stranger v4", "stranger v6", "loopback v4", "loopback v6"]
    );
}

#[test]
fn a_reload_under_traffic_refuses_no_friend_and_lets_no_stranger_in() {
    let net = Network::new();
    let more = table(
        [REDIS],
        &cidrs(&["10.77.1.0/24", "fd77:1::/64", "10.99.0.0/16"]),
    );
    let tables = [friends(), more];
    net.server.load(&friends());
    let traffic_while_reloaded = |times: usize, traffic: &dyn Fn()| {
        let mut count: u64 = 0;
        std::thread::scope(|scope| {
            let loading = scope.spawn(|| {
                let tables = tables.iter().cycle().take(times);
                tables.for_each(|table| net.server.load(table));
            });
            while !loading.is_finished() {
                traffic();
                count += 1;
            }
            loading.join().unwrap();
        });
        count
    };
    let served = traffic_while_reloaded(40, &|| {
        // A lost packet would be sent again after a second: longer than a client of these tests waits.
        assert!(net.friend.reaches(SocketAddr::new(v4(1), REDIS)));
        assert!(net.friend.reaches(SocketAddr::new(v6(1), REDIS)));
    });
    assert!(served > 40, "{served}");
    assert_eq!(net.server.refused(), 0);
    let refused = traffic_while_reloaded(20, &|| {
        assert!(!net.stranger.reaches(SocketAddr::new(v4(2), REDIS)));
        assert!(!net.stranger.reaches(SocketAddr::new(v6(2), REDIS)));
    });
    println!("{served} pairs of connections during 40 reloads, {refused} refused during 20");
    assert!(net.server.refused() >= 2 * refused);
}

#[test]
fn other_protocols_pass() {
    let net = Network::new();
    net.server.load(&table([REDIS], &[]));
    assert!(net.stranger.pings(v4(2)), "ICMP");
    assert!(net.stranger.pings(v6(2)), "ICMPv6");
    let socket = net
        .server
        .enter(|| std::net::UdpSocket::bind(SocketAddr::new(v4(2), REDIS)).unwrap());
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    net.stranger.enter(|| {
        let from = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        from.send_to(b"ping", SocketAddr::new(v4(2), REDIS))
            .unwrap();
    });
    let mut word = [0; 4];
    assert_eq!(socket.recv(&mut word).unwrap(), 4, "UDP to the same number");
}

#[test]
fn prefix_zero_lets_everyone_of_its_family_in() {
    let net = Network::new();
    net.server.load(&table([REDIS], &cidrs(&["0.0.0.0/0"])));
    assert_eq!(
        net.open(REDIS),
        ["friend v4", "stranger v4", "loopback v4", "loopback v6"]
    );
    net.server.load(&table([REDIS], &cidrs(&["::/0"])));
    assert_eq!(
        net.open(REDIS),
        ["friend v6", "stranger v6", "loopback v4", "loopback v6"]
    );
}

#[test]
fn an_ipv4_client_of_a_dual_stack_listener_is_judged_as_ipv4() {
    let net = Network::new();
    let _listener = net.server.enter(|| TcpListener::bind("[::]:6400").unwrap());
    let mapped = table([6400], &cidrs(&["::ffff:10.77.1.0/120"]));
    assert_eq!(mapped, table([6400], &cidrs(&["10.77.1.0/24"])));
    net.server.load(&mapped);
    assert!(net.friend.reaches(SocketAddr::new(v4(1), 6400)));
    assert!(!net.stranger.reaches(SocketAddr::new(v4(2), 6400)));
    net.server.load(&table([6400], &cidrs(&["::/0"])));
    assert!(!net.friend.reaches(SocketAddr::new(v4(1), 6400)));
    assert!(net.friend.reaches(SocketAddr::new(v6(1), 6400)));
}

#[test]
fn removing_a_network_cuts_the_connections_that_it_has() {
    let net = Network::new();
    net.server.load(&friends());
    let mut connections =
        [v4(1), v6(1)].map(|at| net.friend.connect(SocketAddr::new(at, REDIS)).unwrap());
    assert!(connections.iter_mut().all(echoes));
    net.server.load(&friends());
    assert!(
        connections.iter_mut().all(echoes),
        "the same table again cuts nobody"
    );
    net.server.load(&table([REDIS], &cidrs(&["10.99.0.0/16"])));
    assert!(!connections.iter_mut().any(echoes));
}

#[test]
fn a_forged_loopback_source_is_dropped_even_where_the_kernel_would_route_it() {
    let net = Network::new();
    for (namespace, device) in [(&net.server, "veth1"), (&net.friend, "eth0")] {
        for device in ["all", device] {
            namespace.sysctl(&format!("ipv4/conf/{device}/route_localnet"), "1");
            namespace.sysctl(&format!("ipv4/conf/{device}/rp_filter"), "0");
            namespace.sysctl(&format!("ipv4/conf/{device}/accept_local"), "1");
        }
    }
    net.friend
        .ip(&["addr", "add", "127.9.9.9/32", "dev", "eth0"]);
    net.friend.ip(&[
        "route",
        "replace",
        "10.77.1.1/32",
        "dev",
        "eth0",
        "src",
        "127.9.9.9",
    ]);
    net.server
        .load(&table([REDIS], &cidrs(&["0.0.0.0/0", "127.0.0.0/8"])));
    assert!(!net.friend.reaches(SocketAddr::new(v4(1), REDIS)));
    assert!(
        net.server.refused() >= 1,
        "the forged packet did not get as far as our chain"
    );
    assert!(net.stranger.reaches(SocketAddr::new(v4(2), REDIS)));
}

#[test]
fn what_the_kernel_lists_is_what_was_rendered_for_any_list_of_networks() {
    let server = Namespace::new("server");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for case in 0..40 {
        let wanted = random.table();
        server.load(&wanted);
        assert_eq!(server.read(), Some(wanted), "case {case}");
    }
    for edge in [
        &["0.0.0.0/0", "::/0"][..],
        &["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"],
        &[
            "255.255.255.255",
            "0.0.0.0",
            "::",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ],
        &[
            "10.0.0.0/24",
            "10.0.1.0/24",
            "10.0.1.0/25",
            "10.0.2.0/24",
            "10.0.3.1",
        ],
        &["::ffff:1.2.3.4", "::fffe:0:0/95", "::1", "127.0.0.0/8"],
    ] {
        let wanted = table([REDIS, 65535], &cidrs(edge));
        server.load(&wanted);
        assert_eq!(server.read(), Some(wanted), "{edge:?}");
    }
}

#[test]
fn a_table_without_ports_holds_no_rule_and_reads_back() {
    let server = Namespace::new("server");
    assert_eq!(server.read(), None);
    server.load(&friends());
    let none = table([0], &cidrs(&["10.0.0.0/8"]));
    server.load(&none);
    assert_eq!(server.read(), Some(none));
}

#[test]
fn ten_thousand_networks_load_at_once_and_fast() {
    let server = Namespace::new("server");
    let mut random = Random(7);
    let networks: Vec<Cidr> = (0..10_000u32)
        .map(|n| Cidr {
            // Every other /28 at most, so that none merge.
            address: Ipv4Addr::from_bits(0x0b00_0000 + n * 32 + (random.next() as u32 & 15)).into(),
            prefix: 32,
        })
        .collect();
    let wanted = table([REDIS, 16379], &networks);
    assert_eq!(
        wanted.ports.values().next().map(|n| n.v4.len()),
        Some(10_000)
    );
    let start = Instant::now();
    server.load(&wanted);
    let loaded = start.elapsed();
    let start = Instant::now();
    assert_eq!(server.read(), Some(wanted));
    println!(
        "10,000 networks: load {loaded:?}, read {:?}",
        start.elapsed()
    );
    // A second where nothing else runs.
    assert!(loaded < Duration::from_secs(8), "{loaded:?}");
    // One comes, one goes: the sets are filled anew in one transaction.
    let mut changed = networks.clone();
    changed[5_000].address = Ipv4Addr::new(198, 51, 100, 7).into();
    let changed = table([REDIS, 16379], &changed);
    let start = Instant::now();
    server.load(&changed);
    println!("one of them another: {:?}", start.elapsed());
    assert_eq!(server.read(), Some(changed));
}

#[test]
fn any_tampering_makes_the_table_another() {
    let ours = "inet redis_harden";
    for (what, script, said) in [
        (
            "a rule",
            format!("insert rule {ours} clients ip saddr 6.6.6.6 accept"),
            "unexpected rule in chain clients",
        ),
        (
            "a rule in input",
            format!("insert rule {ours} input accept"),
            "unexpected rule in chain input",
        ),
        (
            "a rule again",
            format!("add rule {ours} input iif lo accept"),
            "in another order, or twice",
        ),
        (
            "no rules",
            format!("flush chain {ours} clients"),
            "chain clients lacks",
        ),
        (
            "a new chain",
            format!("add chain {ours} other"),
            "unexpected chain other",
        ),
        (
            "a hooked chain",
            format!("add chain {ours} other {{ type filter hook output priority 0; }}"),
            "unexpected chain other",
        ),
        (
            "another policy",
            format!("chain {ours} input {{ policy drop; }}"),
            "unexpected chain input",
        ),
        (
            "a new set",
            format!("add set {ours} other {{ type inet_service; }}"),
            "unexpected set other",
        ),
        (
            "no ports",
            format!("flush set {ours} ports"),
            "set ports is empty",
        ),
        (
            "dormant",
            format!("add table {ours} {{ flags dormant; }}"),
            "the table has flags",
        ),
        (
            "a counter",
            format!("add counter {ours} other"),
            "unexpected counter other",
        ),
        (
            "a new map",
            format!("add map {ours} other {{ type inet_service : verdict; }}"),
            "unexpected map other",
        ),
    ] {
        let server = Namespace::new("server");
        server.load(&friends());
        server.nft(&script);
        let table = server.read().unwrap();
        assert_ne!(table, friends(), "{what}");
        let foreign = table.foreign.join("; ");
        assert!(foreign.contains(said), "{what}: {foreign}");
        server.load(&friends());
        assert_eq!(
            server.read(),
            Some(friends()),
            "{what}: loading again heals it"
        );
    }
}

#[test]
fn a_changed_rule_priority_or_element_makes_the_table_another() {
    let file = friends().render();
    for (from, to) in [
        ("filter - 5", "filter - 6"),
        ("hook input", "hook output"),
        ("policy accept", "policy drop"),
        ("drop\n\t}", "accept\n\t}"),
        ("10.77.1.0/24", "10.77.1.0/23"),
        ("10.77.1.0/24", "10.77.1.0-10.77.1.254"),
        ("\t\t\t6379\n", "\t\t\t6380\n"),
        ("tcp dport 6379 jump", "tcp dport 6380 jump"),
        ("iif \"lo\" accept", "iifname \"lo\" accept"),
        ("ip saddr @ip_6379 accept", "ip saddr != @ip_6379 accept"),
        ("ip saddr @ip_6379 accept", "ip daddr @ip_6379 accept"),
        (
            "ip saddr @ip_6379 accept",
            "ip saddr @ip_6379 accept comment \"x\"",
        ),
        ("tcp dport @ports jump", "tcp sport @ports jump"),
        ("tcp dport @ports jump", "tcp dport @ports goto"),
        ("type inet_service", "type inet_service; size 99"),
        (
            "type ipv4_addr\n\t\tflags interval",
            "type ipv4_addr; flags interval, timeout",
        ),
    ] {
        let server = Namespace::new("server");
        assert!(file.contains(from), "{from}");
        server.enter(|| {
            firewall::restore(&Host::live().unwrap(), Some(&file.replacen(from, to, 1))).unwrap()
        });
        let table = server.read().unwrap();
        assert_ne!(table, friends(), "{from} -> {to}");
    }
}

/// Everything that a table can have.
fn whole() -> Table {
    Table {
        rate: "100/second".parse().ok(),
        forwards: true,
        outgoing: outgoing::to(&["10.77.3.0/24", "fd77:3::/64"], &["10.77.3.53"]),
        ..friends()
    }
}

#[test]
fn a_change_by_hand_in_any_chain_or_set_is_seen_and_a_rollback_puts_it_back() {
    let ours = "inet redis_harden";
    for (what, script) in [
        (
            "a peer",
            format!("add element {ours} peers_ip_redis {{ 6.6.6.6 }}"),
        ),
        (
            "a peer less",
            format!("delete element {ours} peers_ip6_redis {{ fd77:3::/64 }}"),
        ),
        (
            "a resolver",
            format!("add element {ours} resolvers_ip6_redis {{ ::/0 }}"),
        ),
        (
            "a client",
            format!("add element {ours} ip_6379 {{ 6.6.6.6 }}"),
        ),
        (
            "a way out",
            format!("insert rule {ours} from_redis ip daddr 6.6.6.6 accept"),
        ),
        (
            "a way out before",
            format!("insert rule {ours} output accept"),
        ),
        (
            "another user",
            format!("add rule {ours} output meta skuid 0 jump from_redis"),
        ),
        ("no user", format!("flush chain {ours} output")),
        ("no end", format!("flush chain {ours} from_redis")),
        (
            "the order",
            format!("add rule {ours} from_redis ip daddr @peers_ip_redis accept"),
        ),
        ("no limit", format!("flush chain {ours} admitted")),
        (
            "a way through",
            format!("insert rule {ours} forward accept"),
        ),
        (
            "a way through for one",
            format!("insert rule {ours} published_6379 accept"),
        ),
        (
            "no way through is closed",
            format!("flush chain {ours} forward"),
        ),
        (
            "a policy",
            format!("chain {ours} output {{ policy drop; }}"),
        ),
    ] {
        let server = Namespace::new("server");
        server.load(&whole());
        assert_eq!(server.read(), Some(whole()));
        server.nft(&script);
        let changed = server.read().unwrap();
        assert_ne!(changed, whole(), "{what}");
        server.enter(|| {
            let host = Host::live().unwrap();
            let before = firewall::save_text(&host).unwrap();
            firewall::load(&host, &whole()).unwrap();
            assert_eq!(
                firewall::read(&host).unwrap(),
                Some(whole()),
                "{what} is healed"
            );
            firewall::restore(&host, before.as_deref()).unwrap();
            assert_eq!(
                firewall::save_text(&host).unwrap(),
                before,
                "{what} is put back"
            );
            assert_eq!(firewall::read(&host).unwrap(), Some(changed), "{what}");
        });
    }
}

#[test]
fn a_rule_of_the_outgoing_chains_that_differs_makes_the_table_another() {
    let file = whole().render();
    for (from, to) in [
        ("(syn | ack) != syn accept", "(syn | ack) == syn accept"),
        ("(syn | ack) != syn accept", "(syn | rst) != syn accept"),
        ("meta skuid 4000107", "meta skuid 4000108"),
        ("meta skuid", "meta skgid"),
        ("oif \"lo\"", "oifname \"lo\""),
        (
            "ip daddr @peers_ip_redis accept",
            "ip saddr @peers_ip_redis accept",
        ),
        ("udp dport 53", "udp dport 54"),
        ("reject with icmpx admin-prohibited", "accept"),
        ("reject with icmpx admin-prohibited", "drop"),
        (
            "hook output priority filter - 5; policy accept;",
            "hook output priority filter - 4; policy accept;",
        ),
        ("hook forward", "hook input"),
        ("ct status dnat", "ct status snat"),
        ("ct direction original", "ct direction reply"),
        ("proto-dst 6379", "proto-dst 6380"),
        ("over 100/second burst 100", "over 100/minute burst 100"),
        ("over 100/second burst 100", "over 100/second burst 5"),
        ("size 16384", "size 16"),
        ("timeout 120s", "timeout 1s"),
        ("ffff:ffff:ffff:ffff:: limit", "ffff:ffff:: limit"),
    ] {
        let server = Namespace::new("server");
        assert!(file.contains(from), "{from}");
        server.enter(|| {
            firewall::restore(&Host::live().unwrap(), Some(&file.replacen(from, to, 1))).unwrap()
        });
        assert_ne!(server.read(), Some(whole()), "{from} -> {to}");
    }
}

#[test]
fn rollback_puts_back_what_was_there_whoever_made_it() {
    let server = Namespace::new("server");
    server.enter(|| {
        let host = Host::live().unwrap();
        assert_eq!(firewall::save_text(&host).unwrap(), None);
        firewall::load(&host, &friends()).unwrap();
        firewall::restore(&host, None).unwrap();
        assert_eq!(firewall::read(&host).unwrap(), None);
        firewall::delete(&host).unwrap();
    });
    server.nft("table inet redis_harden { chain other { type filter hook forward priority 3; tcp dport 1 drop; }; }");
    server.enter(|| {
        let host = Host::live().unwrap();
        let before = firewall::save_text(&host).unwrap();
        firewall::load(&host, &friends()).unwrap();
        assert_eq!(firewall::read(&host).unwrap(), Some(friends()));
        firewall::restore(&host, before.as_deref()).unwrap();
        assert_eq!(firewall::save_text(&host).unwrap(), before);
    });
}

#[test]
fn another_table_is_neither_read_nor_touched() {
    let server = Namespace::new("server");
    server.nft("table inet filter { chain input { type filter hook input priority 0; policy accept; tcp dport 22 accept; }; }");
    let list = || {
        server.enter(|| {
            let output = Command::new("nft")
                .args(["list", "table", "inet", "filter"])
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        })
    };
    let before = list();
    assert_eq!(server.read(), None);
    server.load(&friends());
    server.enter(|| firewall::delete(&Host::live().unwrap()).unwrap());
    assert_eq!(list(), before);
}

#[test]
fn the_kernel_tells_whether_there_is_a_table_without_nft() {
    let server = Namespace::new("server");
    let told = || server.enter(|| Host::live().unwrap().has_inet_table("redis_harden"));
    assert_eq!(told(), Some(false));
    server.nft("table ip redis_harden { }; table inet redis_hardens { }");
    assert_eq!(told(), Some(false));
    server.load(&friends());
    assert_eq!(told(), Some(true));
}

#[test]
fn a_user_without_rights_is_denied_not_told_that_there_is_no_table() {
    let output = Command::new("setpriv")
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--bounding-set=-all",
            "--",
        ])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "reads_as_whoever_runs_it",
            "--nocapture",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("denied: true"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "the body of a_user_without_rights_is_denied_not_told_that_there_is_no_table"]
fn reads_as_whoever_runs_it() {
    let read = firewall::read(&Host::live().unwrap());
    println!("denied: {}", read.is_err_and(|e| e.is_denied()));
}
