//! What a contained program may reach: the instance's own files, ports and peers, and what any program needs of the system.

use super::seccomp::Seccomp;
use crate::policy::Policy;
use crate::redis::config::directives;
use crate::supervise::settings::Settings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Files whose place in the file system the server must read, besides its configuration; each may be replaced while it runs.
const FILES: [&str; 8] = [
    "tls-cert-file",
    "tls-key-file",
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-dh-params-file",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
    "loadmodule",
];

/// The part of an instance's settings that widens its sandbox, as apply rendered it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Contain {
    /// Of system calls.
    pub seccomp: Seccomp,
    /// Whether redis.conf has processor lists.
    pub cpu_lists: bool,
    /// TCP ports that it listens on, besides its own.
    pub listen: Vec<u16>,
    /// TCP ports that it may connect to, in this role and in a later one.
    pub connect: Vec<u16>,
    /// Directories that it reads, besides those of its configuration.
    pub read: Vec<PathBuf>,
}

impl Contain {
    /// Whether nothing is widened.
    pub fn is_default(&self) -> bool {
        *self == Contain::default()
    }

    /// What a policy's redis.conf needs.
    pub fn of(policy: &Policy) -> Contain {
        let lines = directives(policy, 0, None);
        let value = |name: &str| {
            let mut found = lines.iter().rev().filter(|(n, _)| n == name);
            found.next().map(|(_, v)| unquoted(v))
        };
        let ports = policy.ports();
        let primary = value("replicaof").or_else(|| value("slaveof"));
        let primary = primary.and_then(|p| p.split_whitespace().nth(1)?.parse::<u16>().ok());
        // Who serves a network may have replicas there, and Sentinel may make it one of theirs.
        let has_peers = primary.is_some()
            || !policy.firewall.peers.is_empty()
            || !policy.firewall.allow.is_empty()
            || value("cluster-enabled").as_deref() == Some("yes");
        let mut connect: BTreeSet<u16> = primary.into_iter().collect();
        if has_peers {
            connect.extend(&ports);
        }
        if !policy.firewall.resolvers.is_empty() {
            // A long answer comes by TCP.
            connect.insert(53);
        }
        Contain {
            seccomp: policy.service.seccomp,
            cpu_lists: lines.iter().any(|(name, _)| name.ends_with("cpulist")),
            listen: (ports.into_iter())
                .filter(|port| *port != policy.plain_port())
                .collect(),
            connect: connect.into_iter().collect(),
            read: directories(&lines),
        }
    }
}

/// The directories of the files that redis.conf names: a renewed certificate is another file of the same name.
fn directories(lines: &[(String, String)]) -> Vec<PathBuf> {
    let named = lines.iter().filter(|(n, _)| FILES.contains(&n.as_str()));
    let places = named.filter_map(|(name, value)| {
        let path = PathBuf::from(unquoted(value).split_whitespace().next()?);
        match name.as_str() {
            "tls-ca-cert-dir" => Some(path),
            _ => path.parent().map(Path::to_path_buf),
        }
    });
    // What is not absolute lies beside the data.
    let absolute = places.filter(|path| path.is_absolute());
    absolute.collect::<BTreeSet<_>>().into_iter().collect()
}

fn unquoted(value: &str) -> String {
    value.trim_matches(['"', '\'']).to_owned()
}

/// Everything that is allowed, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The only program that may be run.
    pub program: PathBuf,
    /// Read and written, with everything below: the data.
    pub data: Vec<PathBuf>,
    /// Where files are made, read, appended to and removed: sockets, pid files.
    pub run: Vec<PathBuf>,
    /// Where files are made and appended to: logs.
    pub logs: Vec<PathBuf>,
    /// Read, with everything below.
    pub read: Vec<PathBuf>,
    /// Ports that may be listened on.
    pub listen: Vec<u16>,
    /// Ports that may be connected to.
    pub connect: Vec<u16>,
    /// The filter's mode.
    pub seccomp: Seccomp,
    /// Whether it may pick its processors.
    pub cpu_lists: bool,
    /// Whether it is to see no process but its own and its supervisor.
    pub pid_namespace: bool,
}

impl Plan {
    /// For the server of an instance.
    pub fn of(settings: &Settings) -> Plan {
        let contain = &settings.contain;
        let parent = |path: &Path| path.parent().map(Path::to_path_buf);
        let own_port = Some(settings.port).filter(|port| *port != 0);
        let configuration = [&settings.config, &settings.acl_file];
        Plan {
            program: settings.server.clone(),
            data: vec![settings.data_dir.clone()],
            run: vec![settings.run_dir.clone()],
            logs: settings
                .log_file
                .as_deref()
                .and_then(parent)
                .into_iter()
                .collect(),
            read: configuration
                .into_iter()
                .filter_map(|path| parent(path))
                .chain(contain.read.iter().cloned())
                .collect(),
            listen: own_port
                .into_iter()
                .chain(contain.listen.iter().copied())
                .collect(),
            connect: contain.connect.clone(),
            seccomp: contain.seccomp,
            cpu_lists: contain.cpu_lists,
            pid_namespace: settings.pid_namespace,
        }
    }

    /// For another program in the place of the server.
    pub fn of_program(settings: &Settings, program: &Path) -> Plan {
        Plan {
            program: program.to_path_buf(),
            ..Plan::of(settings)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policies;

    fn of(policy: &str) -> Contain {
        let policies = Policies::parse("test.toml", policy).unwrap();
        Contain::of(&policies.instances[0])
    }

    #[test]
    fn a_server_alone_connects_to_nothing() {
        assert_eq!(of(""), Contain::default());
    }

    #[test]
    fn peers_are_reached_on_the_ports_that_this_one_serves_also_before_it_is_a_replica() {
        let contain = of("[firewall]\npeers = [\"10.0.0.0/24\"]");
        assert_eq!((contain.listen, contain.connect), (vec![], vec![6379]));
        assert_eq!(of("[firewall]\nallow = [\"10.0.0.0/24\"]").connect, [6379]);
        let contain = of("[redis.directives]\nreplicaof = \"10.0.0.9 6390\"");
        assert_eq!(contain.connect, [6379, 6390]);
    }

    #[test]
    fn a_cluster_has_its_bus_and_tls_its_port_and_its_directories() {
        let contain = of(
            "[redis]\nport = 7000\n[redis.directives]\ncluster-enabled = \"yes\"\ntls-port = 7001\ntls-cert-file = \"/etc/tls/a.pem\"\ntls-key-file = \"/etc/tls/private/a.key\"\nserver-cpulist = \"0-1\"",
        );
        assert_eq!(contain.listen, [7001, 17000]);
        assert_eq!(contain.connect, [7000, 7001, 17000]);
        assert_eq!(
            contain.read,
            [Path::new("/etc/tls"), Path::new("/etc/tls/private")]
        );
        assert!(contain.cpu_lists);
    }
}
