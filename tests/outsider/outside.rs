//! A hardened machine, and another host on its network.

use super::wire::Wire;
use crate::support::disk::Ran;
use crate::support::plain::Plain;
use nix::sched::{CloneFlags, setns};
use serde_json::Value;
use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub const BINARY: &str = "/usr/local/sbin/redis-harden";

/// The machine's, as it is seen from outside.
const ADDRESS: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 77, 0, 1)),
    6379,
);

pub struct Machine {
    pub plain: Plain,
    outside: Outside,
}

/// The network namespace of the other host; it goes with this value.
struct Outside(String);

impl Machine {
    /// Bound to an address that the other host reaches, and let in there.
    pub fn hardened(redis: &str) -> Machine {
        let plain = Plain::start();
        plain.install(Path::new(env!("CARGO_BIN_EXE_redis-harden")), BINARY, 0o755);
        let outside = Outside::beside(&plain);
        let policy = format!(
            "extends = \"production\"\n[redis]\nbind = [\"10.77.0.1\"]\n{redis}\n[firewall]\nallow = [\"10.77.0.0/24\"]\n"
        );
        plain.exec(&["mkdir", "-p", "/etc/redis-harden"]).ok();
        plain.write("/etc/redis-harden/policy.toml", policy.as_bytes(), 0o644);
        plain.exec(&["apt-get", "-qq", "update"]).ok();
        plain.exec(&[BINARY, "apply"]).ok();
        Machine { plain, outside }
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.plain.exec(&[&[BINARY], args].concat())
    }

    /// What `status` says, as a document.
    pub fn status(&self) -> Value {
        let ran = self.run(&["status", "--format", "json"]);
        let document: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        document.pointer("/instances/0").expect("default").clone()
    }

    pub fn wait_until(&self, what: &str, is: impl Fn(&Value) -> bool) -> Duration {
        let begun = Instant::now();
        while !is(&self.status()) {
            assert!(begun.elapsed() < Duration::from_secs(25), "{what}");
            std::thread::sleep(Duration::from_millis(200));
        }
        begun.elapsed()
    }

    /// In the network of the other host.
    pub fn outside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let network = File::open(Path::new("/run/netns").join(&self.outside.0)).expect("its own");
        std::thread::scope(|scope| {
            let inside = scope.spawn(move || {
                setns(network, CloneFlags::CLONE_NEWNET).expect("setns (run as root)");
                work()
            });
            inside
                .join()
                .unwrap_or_else(|e| std::panic::resume_unwind(e))
        })
    }

    /// A connection of the other host's, which has said nothing yet.
    pub fn connected(&self) -> Wire {
        self.outside(|| Wire::to(ADDRESS))
    }

    /// So many, of which nobody says a word.
    pub fn silent(&self, count: usize) -> Vec<TcpStream> {
        let connect = || TcpStream::connect(ADDRESS).expect("the kernel takes it");
        self.outside(|| (0..count).map(|_| connect()).collect())
    }

    /// One that has the application's password.
    pub fn application(&self) -> Wire {
        let password = self.plain.read("/etc/redis-harden/secrets/app");
        let mut wire = self.connected();
        assert_eq!(wire.ask(&["AUTH", "app", &password]), "OK");
        wire
    }
}

impl Outside {
    /// The leader's number, which is in the path of its root, is how `ip` is told of its network.
    fn beside(plain: &Plain) -> Outside {
        let root = plain.root();
        let leader = root.components().nth(2).expect("/proc/PID/root");
        let leader = leader.as_os_str().to_str().expect("a number").to_owned();
        let name = format!("rhout-{leader}");
        ip(&["netns", "add", &name]);
        let outside = Outside(name);
        let name = outside.0.as_str();
        let pair = ["type", "veth", "peer", "name", "eth9", "netns", &leader];
        ip(&[&["link", "add", "out0", "netns", name][..], &pair].concat());
        ip(&["-n", name, "addr", "add", "10.77.0.2/24", "dev", "out0"]);
        ip(&["-n", name, "link", "set", "out0", "up"]);
        plain
            .sh("ip addr add 10.77.0.1/24 dev eth9 && ip link set eth9 up")
            .ok();
        outside
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().expect("iproute2");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {args:?}: {said}");
}
