//! Three Sentinels and three servers, each in a sandbox of its own: a failover that was asked for, and one that was not.
//! Both write the servers' and the Sentinels' configuration files.

use super::instance::{Instance, redis, signal};
use super::watched::{Watched, refused_calls, strace};
use nix::sys::signal::Signal::SIGTERM;
use nix::unistd::{Uid, chown};
use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Below the ports that the kernel gives away, and not the cluster's.
const SERVERS: [u16; 3] = [21_100, 21_101, 21_102];
const SENTINELS: [u16; 3] = [21_110, 21_111, 21_112];

/// One Sentinel, run by `contain` as `redis-harden contain` would.
struct Sentinel {
    port: u16,
    instance: Instance,
    process: Child,
}

impl Sentinel {
    fn start(port: u16) -> Sentinel {
        let others: Vec<u16> = SERVERS.into_iter().chain(SENTINELS).collect();
        let contain = format!("{{ connect = {others:?} }}");
        let settings = [("port", port.to_string()), ("contain", contain)];
        let settings = settings
            .each_ref()
            .map(|(key, value)| (*key, value.as_str()));
        let instance = Instance::new(&settings, "");
        let (data, config) = (instance.path("data"), instance.path("data/sentinel.conf"));
        let primary = SERVERS[0];
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {primary} 2\n\
             sentinel auth-user main admin\nsentinel auth-pass main admin\n\
             sentinel down-after-milliseconds main 2000\nsentinel failover-timeout main 10000\n",
            data.display()
        );
        fs::write(&config, text).unwrap();
        chown(&config, Some(Uid::from_raw(redis().0)), None).unwrap();
        let mut program = Command::new(std::env::current_exe().unwrap());
        program
            .arg("--contain")
            .arg(instance.dir.path())
            .arg("/usr/bin/redis-server")
            .arg(&config)
            .arg("--sentinel");
        let process = strace(&instance, &program).spawn().unwrap();
        Sentinel {
            port,
            instance,
            process,
        }
    }

    fn cli(&self, words: &str) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(words.split(' '))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The port of the one that it takes for the primary.
    fn primary(&self) -> u16 {
        let address = self.cli("SENTINEL GET-MASTER-ADDR-BY-NAME main");
        let port = address.lines().nth(1).and_then(|port| port.parse().ok());
        port.unwrap_or(0)
    }

    fn ends_unharmed(mut self) {
        signal(self.process.id().cast_signed(), SIGTERM);
        self.process.wait().unwrap();
        let refused = refused_calls(&self.instance);
        assert!(refused.is_empty(), "{}", refused.join("\n"));
    }
}

fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !reached() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn servers() -> Vec<Watched> {
    let start = |port: &u16| {
        let settings = [("contain", format!("{{ connect = {SERVERS:?} }}"))];
        let settings = settings
            .each_ref()
            .map(|(key, value)| (*key, value.as_str()));
        Watched::start_with_own_config(*port, &settings, |port| {
            let primary = SERVERS[0];
            let replica = match port == primary {
                true => String::new(),
                false => format!("replicaof 127.0.0.1 {primary}\n"),
            };
            format!(
                "port {port}\nbind 127.0.0.1\nmasteruser admin\nmasterauth admin\nrepl-diskless-sync-delay 0\n{replica}"
            )
        })
    };
    SERVERS.iter().map(start).collect()
}

fn of(servers: &[Watched], port: u16) -> &Watched {
    servers.iter().find(|server| server.port == port).unwrap()
}

/// The configuration file as the server wrote it anew.
fn rewritten(server: &Watched) -> String {
    fs::read_to_string(server.instance.path("data/own.conf")).unwrap()
}

pub fn three_sentinels_fail_over_and_rewrite_the_configurations() {
    let mut servers = servers();
    let sentinels = SENTINELS.map(Sentinel::start);
    let knows_all = |sentinel: &Sentinel| {
        let said = sentinel.cli("SENTINEL CKQUORUM main");
        let replicas = sentinel
            .cli("SENTINEL REPLICAS main")
            .matches("flags\nslave\n")
            .count();
        said.starts_with("OK 3 usable Sentinels") && replicas == 2
    };
    until("three Sentinels that know each other", || {
        sentinels.iter().all(knows_all)
    });
    let agreed = |former: u16| {
        let primary = sentinels[0].primary();
        let all = sentinels
            .iter()
            .all(|sentinel| sentinel.primary() == primary);
        (all && primary != former && primary != 0).then_some(primary)
    };
    let tells = |server: &Watched| server.cli(&["INFO", "replication"]);
    let is_primary = |server: &Watched| tells(server).contains("role:master");

    let [first, ..] = SERVERS;
    assert_eq!(sentinels[1].cli("SENTINEL FAILOVER main").trim(), "OK");
    until("another primary, asked for", || agreed(first).is_some());
    let second = agreed(first).unwrap();
    let (former, promoted) = (of(&servers, first), of(&servers, second));
    until("a promotion", || is_primary(promoted));
    let follows = format!("replicaof 127.0.0.1 {second}");
    until("the former primary's new configuration", || {
        rewritten(former).contains(&follows)
    });
    until("the new primary's", || {
        !rewritten(promoted).contains("replicaof")
    });
    until("replicas that have followed", || {
        tells(promoted).matches("state=online").count() == 2
    });

    let (stopped, others): (Vec<Watched>, _) = servers.into_iter().partition(|s| s.port == second);
    servers = others;
    stopped.into_iter().for_each(Watched::ends_unharmed);
    until("another primary, unasked", || agreed(second).is_some());
    let third = agreed(second).unwrap();
    until("a second promotion", || is_primary(of(&servers, third)));
    for server in servers {
        server.ends_unharmed();
    }
    for sentinel in sentinels {
        sentinel.ends_unharmed();
    }
}
