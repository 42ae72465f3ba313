//! Network namespaces with veth pairs between them, and listeners inside; nothing of the machine's own namespace.

use nix::libc;
use nix::sched::{CloneFlags, setns};
use redis_harden::host::Host;
use redis_harden::setting::firewall::{self, Counts, Table};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Long enough for a handshake on a busy machine, short enough to wait for a dropped one.
const PATIENCE: Duration = Duration::from_millis(700);
/// The port that is guarded in the tests.
pub const REDIS: u16 = 6379;
/// A port that must never be touched.
pub const OTHER: u16 = 22222;

/// A network namespace, removed when dropped; its processes and interfaces go with it.
pub struct Namespace(String);

impl Namespace {
    pub fn new(role: &str) -> Namespace {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rhfw-{}-{count}-{role}", std::process::id());
        ip(&["netns", "add", &name]);
        let namespace = Namespace(name);
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// Runs `work` in a thread that lives in this namespace; programs started there do so too.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.0)).unwrap();
        std::thread::scope(|scope| {
            let inside = scope.spawn(move || {
                setns(file, CloneFlags::CLONE_NEWNET).expect("setns (run as root)");
                work()
            });
            match inside.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    pub fn ip(&self, args: &[&str]) {
        ip(&[&["-n", &self.0], args].concat());
    }

    pub fn nft(&self, script: &str) {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.0, "nft", script])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "nft {script}: {said}");
    }

    pub fn sysctl(&self, key: &str, value: &str) {
        self.enter(|| std::fs::write(format!("/proc/sys/net/{key}"), value).unwrap());
    }

    pub fn load(&self, table: &Table) {
        self.enter(|| firewall::load(&Host::live().unwrap(), table).unwrap());
    }

    pub fn read(&self) -> Option<Table> {
        self.enter(|| firewall::read(&Host::live().unwrap()).unwrap())
    }

    pub fn refused(&self) -> u64 {
        self.counts().refused.packets
    }

    pub fn counts(&self) -> Counts {
        self.enter(|| firewall::counts(&Host::live().unwrap()).unwrap().unwrap())
    }

    /// As `enter`, as a user: only this thread changes.
    pub fn enter_as<T: Send>(&self, uid: u32, work: impl FnOnce() -> T + Send) -> T {
        self.enter(move || {
            let done = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
            assert_eq!(done, 0, "setresuid (run as root)");
            work()
        })
    }

    /// An echo server of a user's on both families, until the test ends.
    pub fn serve(&self, uid: u32, port: u16) {
        let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
        let listeners = self.enter_as(uid, || {
            [TcpListener::bind(v4).unwrap(), socket_v6_only(port)]
        });
        for listener in listeners {
            std::thread::spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    std::thread::spawn(move || {
                        let mut word = [0; 4];
                        while stream.read_exact(&mut word).is_ok()
                            && stream.write_all(&word).is_ok()
                        {}
                    });
                }
            });
        }
    }

    /// What `ip netns exec` prints, and whether it succeeded.
    pub fn run(&self, program: &[&str]) -> (bool, String) {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.0])
            .args(program)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether a connection to `to` is answered from inside this namespace.
    pub fn reaches(&self, to: SocketAddr) -> bool {
        self.connect(to).is_some()
    }

    /// The same from one of its addresses.
    pub fn reaches_from(&self, from: IpAddr, to: SocketAddr) -> bool {
        use nix::sys::socket::*;
        use nix::sys::time::TimeVal;
        use std::os::fd::AsRawFd;
        self.enter(|| {
            let family = if to.is_ipv4() {
                AddressFamily::Inet
            } else {
                AddressFamily::Inet6
            };
            let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
            bind(
                fd.as_raw_fd(),
                &SockaddrStorage::from(SocketAddr::new(from, 0)),
            )
            .unwrap();
            // A connect waits as long as a send.
            let patience = TimeVal::new(0, PATIENCE.subsec_micros().into());
            setsockopt(&fd, sockopt::SendTimeout, &patience).unwrap();
            connect(fd.as_raw_fd(), &SockaddrStorage::from(to)).is_ok()
        })
    }

    /// Whether an ICMP echo is answered.
    pub fn pings(&self, to: IpAddr) -> bool {
        let output = Command::new("ip")
            .args([
                "netns",
                "exec",
                &self.0,
                "ping",
                "-c1",
                "-W2",
                &to.to_string(),
            ])
            .output();
        output.unwrap().status.success()
    }

    pub fn connect(&self, to: SocketAddr) -> Option<TcpStream> {
        self.enter(|| {
            let stream = match TcpStream::connect_timeout(&to, PATIENCE) {
                Ok(stream) => stream,
                Err(e) if e.kind() == ErrorKind::TimedOut => return None,
                Err(e) => panic!("connecting to {to}: {e}"),
            };
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            Some(stream)
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn ip(args: &[&str]) {
    let output = Command::new("ip")
        .args(args)
        .output()
        .expect("ip (iproute2)");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ip {}: {said}", args.join(" "));
}

/// A server with a friend in `10.77.1.0/24`, `fd77:1::/64` and a stranger in `10.77.2.0/24`, `fd77:2::/64`, each on its own link.
pub struct Network {
    pub server: Namespace,
    pub friend: Namespace,
    pub stranger: Namespace,
}

impl Network {
    pub fn new() -> Network {
        let (server, friend) = (Namespace::new("server"), Namespace::new("friend"));
        let network = Network {
            server,
            friend,
            stranger: Namespace::new("stranger"),
        };
        network.link(&network.friend, 1);
        network.link(&network.stranger, 2);
        for port in [REDIS, OTHER] {
            network.server.serve(0, port);
        }
        // A link that has just come up answers no neighbour of IPv6 for a moment, and a first packet that is lost comes again after a second.
        for (client, n) in [(&network.friend, 1), (&network.stranger, 2)] {
            let met = (0..10).any(|_| client.reaches(SocketAddr::new(v6(n), OTHER)));
            assert!(met, "link {n} does not come up");
        }
        network
    }

    pub fn link(&self, client: &Namespace, n: u8) {
        let (near, far) = (format!("veth{n}"), "eth0");
        self.server.ip(&[
            "link", "add", &near, "type", "veth", "peer", "name", far, "netns", &client.0,
        ]);
        for (namespace, device, host) in [(&self.server, near.as_str(), 1), (client, far, 2)] {
            namespace.ip(&[
                "addr",
                "add",
                &format!("10.77.{n}.{host}/24"),
                "dev",
                device,
            ]);
            namespace.ip(&[
                "addr",
                "add",
                &format!("fd77:{n}::{host}/64"),
                "dev",
                device,
                "nodad",
            ]);
            namespace.ip(&["link", "set", device, "up"]);
        }
    }

    /// Every way in: over each link, by each family.
    fn ways(&self, port: u16) -> Vec<(&'static str, bool)> {
        let all: [(&'static str, &Namespace, IpAddr); 6] = [
            ("friend v4", &self.friend, v4(1)),
            ("friend v6", &self.friend, v6(1)),
            ("stranger v4", &self.stranger, v4(2)),
            ("stranger v6", &self.stranger, v6(2)),
            ("loopback v4", &self.server, Ipv4Addr::LOCALHOST.into()),
            ("loopback v6", &self.server, Ipv6Addr::LOCALHOST.into()),
        ];
        std::thread::scope(|scope| {
            let tries: Vec<_> = all
                .iter()
                .map(|(name, from, to)| {
                    let to = SocketAddr::new(*to, port);
                    (*name, scope.spawn(move || from.reaches(to)))
                })
                .collect();
            tries
                .into_iter()
                .map(|(name, t)| (name, t.join().unwrap()))
                .collect()
        })
    }

    pub fn open(&self, port: u16) -> Vec<&'static str> {
        let ways = self.ways(port).into_iter();
        ways.filter(|(_, open)| *open)
            .map(|(name, _)| name)
            .collect()
    }
}

/// `::` without IPv4, so that both families have a listener of their own.
fn socket_v6_only(port: u16) -> TcpListener {
    use nix::sys::socket::*;
    let fd = socket(
        AddressFamily::Inet6,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    setsockopt(&fd, sockopt::Ipv6V6Only, &true).unwrap();
    let address = SockaddrIn6::from(std::net::SocketAddrV6::new(
        Ipv6Addr::UNSPECIFIED,
        port,
        0,
        0,
    ));
    bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &address).unwrap();
    // As std's: of a shorter queue a busy machine loses connections, whatever the table says.
    listen(&fd, Backlog::MAXCONN).unwrap();
    TcpListener::from(fd)
}

/// The client's address on link `n`.
pub fn far_v4(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 77, n, 2).into()
}

pub fn far_v6(n: u8) -> IpAddr {
    Ipv6Addr::new(0xfd77, n.into(), 0, 0, 0, 0, 0, 2).into()
}

/// The server's address on link `n`.
pub fn v4(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 77, n, 1).into()
}

pub fn v6(n: u8) -> IpAddr {
    Ipv6Addr::new(0xfd77, n.into(), 0, 0, 0, 0, 0, 1).into()
}
