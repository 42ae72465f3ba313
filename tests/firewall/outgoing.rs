//! Whom Redis's user may connect to: a user without a name here, so that nobody else's connections are judged.

use super::network::{Network, far_v4, far_v6, v4, v6};
use super::{cidrs, echoes, friends};
use nix::libc;
use redis_harden::setting::firewall::{Networks, Outgoing, Table};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::FromRawFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A number that no account of a machine has.
pub const REDIS_UID: u32 = 4_000_107;
const OTHER_UID: u32 = 4_000_108;
/// Where the others listen.
const PORT: u16 = 7379;
/// Longer than the kernel waits before it repeats the first packet of a connection.
const PATIENCE: Duration = Duration::from_millis(1900);

pub fn to(peers: &[&str], resolvers: &[&str]) -> BTreeMap<String, Outgoing> {
    let outgoing = Outgoing {
        uid: Some(REDIS_UID),
        peers: Networks::of(&cidrs(peers)),
        resolvers: Networks::of(&cidrs(resolvers)),
    };
    BTreeMap::from([("redis".to_owned(), outgoing)])
}

fn held(peers: &[&str]) -> Table {
    Table {
        outgoing: to(peers, &[]),
        ..friends()
    }
}

fn network() -> Network {
    let net = Network::new();
    net.friend.serve(0, PORT);
    net.stranger.serve(0, PORT);
    net
}

/// Why a user's connection is refused; `None` when it is answered.
fn refused(net: &Network, uid: u32, to: IpAddr) -> Option<i32> {
    let connected = net.server.enter_as(uid, || {
        TcpStream::connect_timeout(&SocketAddr::new(to, PORT), PATIENCE)
    });
    match connected {
        Ok(mut stream) => {
            assert!(echoes(&mut stream), "{to}");
            None
        }
        Err(e) => Some(e.raw_os_error().unwrap_or(0)),
    }
}

#[test]
fn redis_reaches_its_peers_and_nobody_else_and_others_reach_everybody() {
    let net = network();
    net.server.load(&held(&["10.77.1.0/24", "fd77:1::/64"]));
    for peer in [far_v4(1), far_v6(1)] {
        assert_eq!(refused(&net, REDIS_UID, peer), None, "{peer}");
    }
    for stranger in [far_v4(2), far_v6(2)] {
        // "No route to host", or of IPv6 "Permission denied": neither a time-out nor what a server that refuses would cause.
        let errno = refused(&net, REDIS_UID, stranger);
        assert!(
            [Some(libc::EHOSTUNREACH), Some(libc::EACCES)].contains(&errno),
            "{stranger}: {errno:?}"
        );
    }
    for uid in [0, OTHER_UID] {
        for anybody in [far_v4(1), far_v6(1), far_v4(2), far_v6(2)] {
            assert_eq!(refused(&net, uid, anybody), None, "user {uid}, {anybody}");
        }
    }
    let counted = net.server.counts().outgoing.unwrap();
    assert!((2..=8).contains(&counted.packets), "{counted:?}");
}

#[test]
fn redis_reaches_this_host_by_every_address_of_its() {
    let net = network();
    net.server.serve(0, PORT);
    net.server.load(&held(&[]));
    let own = [Ipv4Addr::LOCALHOST.into(), v4(1), v6(1), v4(2), v6(2)];
    for address in own {
        assert_eq!(refused(&net, REDIS_UID, address), None, "{address}");
    }
    assert!(refused(&net, REDIS_UID, far_v4(1)).is_some());
}

#[test]
fn neither_datagrams_nor_echo_requests_leave() {
    let net = network();
    net.server.load(&held(&["10.77.1.0/24"]));
    for (n, namespace, arrives) in [(1, &net.friend, true), (2, &net.stranger, false)] {
        let socket = namespace.enter(|| UdpSocket::bind(SocketAddr::new(far_v4(n), PORT)).unwrap());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        net.server.enter_as(REDIS_UID, || {
            let from = UdpSocket::bind("0.0.0.0:0").unwrap();
            let _ = from.send_to(b"data", SocketAddr::new(far_v4(n), PORT));
        });
        assert_eq!(
            socket.recv(&mut [0; 4]).is_ok(),
            arrives,
            "datagram, link {n}"
        );
        let uid = REDIS_UID.to_string();
        let ping = [
            "setpriv",
            "--reuid",
            &uid,
            "--clear-groups",
            "ping",
            "-c1",
            "-W2",
        ];
        // Unprivileged echo sockets are for every group here.
        net.server.sysctl("ipv4/ping_group_range", "0 2147483647");
        let (answered, said) = net
            .server
            .run(&[&ping[..], &[&far_v4(n).to_string()]].concat());
        assert_eq!(answered, arrives, "echo, link {n}: {said}");
    }
    let (answered, said) = net
        .server
        .run(&["ping", "-c1", "-W2", &far_v4(2).to_string()]);
    assert!(answered, "root's: {said}");
}

#[test]
fn another_protocol_over_tcps_is_no_way_round() {
    let net = network();
    net.server.load(&held(&[]));
    let connect = |uid: u32| {
        net.server.enter_as(uid, || {
            const IPPROTO_MPTCP: i32 = 262;
            let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, IPPROTO_MPTCP) };
            if fd < 0 {
                return None; // A kernel without it has no such way.
            }
            let _owned = unsafe { TcpStream::from_raw_fd(fd) };
            let IpAddr::V4(to) = far_v4(2) else {
                unreachable!()
            };
            let address = libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: PORT.to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from(to).to_be(),
                },
                sin_zero: [0; 8],
            };
            let size = size_of::<libc::sockaddr_in>() as u32;
            let connected = unsafe { libc::connect(fd, (&raw const address).cast(), size) };
            Some(connected == 0)
        })
    };
    assert_ne!(connect(REDIS_UID), Some(true));
    assert_ne!(connect(OTHER_UID), Some(false));
}

#[test]
fn clients_are_answered_and_connections_that_are_there_stay() {
    let net = network();
    net.server.serve(REDIS_UID, 6400);
    let mut inbound = net.friend.connect(SocketAddr::new(v4(1), 6400)).unwrap();
    let mut outbound = net.server.enter_as(REDIS_UID, || {
        TcpStream::connect_timeout(&SocketAddr::new(far_v4(1), PORT), PATIENCE).unwrap()
    });
    outbound.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(echoes(&mut inbound) && echoes(&mut outbound));
    net.server.load(&held(&[]));
    assert!(echoes(&mut inbound), "a client that was there");
    assert!(echoes(&mut outbound), "a connection to a former peer");
    for address in [v4(1), v6(1)] {
        let mut new = net.friend.connect(SocketAddr::new(address, 6400)).unwrap();
        assert!(echoes(&mut new), "a new client");
    }
    assert!(
        refused(&net, REDIS_UID, far_v4(1)).is_some(),
        "but no new connection"
    );
}

#[test]
fn peers_that_come_and_go_are_one_refill_of_the_sets() {
    let net = network();
    net.server.load(&held(&[]));
    assert!(refused(&net, REDIS_UID, far_v4(2)).is_some());
    net.server.load(&held(&["10.77.2.2", "::ffff:10.77.1.2"]));
    assert_eq!(refused(&net, REDIS_UID, far_v4(2)), None);
    assert_eq!(
        refused(&net, REDIS_UID, far_v4(1)),
        None,
        "a mapped peer is the IPv4 one"
    );
    let counted = net.server.counts().outgoing.unwrap().packets;
    assert!(counted > 0, "a refill keeps the counts");
    net.server.load(&friends());
    assert_eq!(
        refused(&net, REDIS_UID, far_v6(2)),
        None,
        "and without the user in the policy nothing is held back"
    );
    assert_eq!(net.server.counts().outgoing, None);
}

#[test]
fn a_resolver_is_asked_for_names_and_reached_at_no_other_port() {
    let net = network();
    let resolver = net
        .stranger
        .enter(|| UdpSocket::bind(SocketAddr::new(far_v4(2), 53)).unwrap());
    resolver.set_read_timeout(Some(PATIENCE)).unwrap();
    net.stranger.serve(0, 53);
    let table = Table {
        outgoing: to(&[], &["10.77.2.2"]),
        ..friends()
    };
    net.server.load(&table);
    net.server.enter_as(REDIS_UID, || {
        let from = UdpSocket::bind("0.0.0.0:0").unwrap();
        from.send_to(b"name", SocketAddr::new(far_v4(2), 53))
            .unwrap();
        let tcp = TcpStream::connect_timeout(&SocketAddr::new(far_v4(2), 53), PATIENCE);
        assert!(tcp.is_ok(), "a long answer comes by TCP");
    });
    assert_eq!(resolver.recv(&mut [0; 4]).unwrap(), 4);
    assert!(refused(&net, REDIS_UID, far_v4(2)).is_some());
    assert_eq!(net.server.read(), Some(table));
}

/// A real server, told to replicate by whoever has its password.
struct Server(Child, tempfile::TempDir);

impl Server {
    fn start(net: &Network) -> Server {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(dir.path(), Some(REDIS_UID), None).unwrap();
        let socket = dir.path().join("s");
        let child = Command::new("ip")
            .args([
                "netns",
                "exec",
                net.server.name(),
                "setpriv",
                "--clear-groups",
                "--reuid",
            ])
            .arg(REDIS_UID.to_string())
            .args(["redis-server", "--port", "0", "--save", "", "--dir"])
            .arg(dir.path())
            .arg("--unixsocket")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < until, "redis-server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Server(child, dir)
    }

    fn tell(&self, command: &str) {
        let mut client = std::os::unix::net::UnixStream::connect(self.1.path().join("s")).unwrap();
        client
            .write_all(format!("{command}\r\n").as_bytes())
            .unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_rogue_primary_waits_for_ever_and_a_peer_is_followed() {
    let net = network();
    net.server.load(&held(&["10.77.1.0/24"]));
    let server = Server::start(&net);
    for (n, namespace, comes) in [(2, &net.stranger, false), (1, &net.friend, true)] {
        let primary = namespace
            .enter(|| std::net::TcpListener::bind(SocketAddr::new(far_v4(n), 7001)).unwrap());
        primary.set_nonblocking(true).unwrap();
        server.tell(&format!("REPLICAOF {} 7001", far_v4(n)));
        // A replica tries once a second.
        let until = Instant::now() + Duration::from_millis(2500);
        let mut came = false;
        while Instant::now() < until && !came {
            came = primary.accept().is_ok();
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(came, comes, "link {n}");
    }
}
