//! The network: where Redis listens, and who may reach it.

mod filter;

use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::facts::Facts;
use crate::policy::{Policies, Policy};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::firewall::{FILE, NFTABLES_DROP_IN, NFTABLES_DROP_IN_NAME, UNIT, UNIT_NAME};
use crate::value::Value;
use filter::SENTINEL;
pub(super) use filter::table;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The control that asks for the table: nft is started for it.
pub const FIREWALL: &str = "network.firewall";

pub const CONTROLS: &[Control] = &[
    Control {
        id: "network.server-namespace",
        title: "a server with a network namespace of its own has its backlog there too",
        severity: Severity::Medium,
        why: "somaxconn and tcp_max_syn_backlog belong to a network namespace: what the host has says nothing about a container's.",
        references: &["network_namespaces(7)", "docker run --sysctl"],
        by_hand: "nsenter -t PID -n sysctl -w net.core.somaxconn=4096, and in what starts it: docker run --sysctl, or the pod's securityContext.sysctls",
        wants: Wants::Instance(|p, f| {
            if f.offline || p.ports().is_empty() {
                return Vec::new();
            }
            let floors = [
                ("net.core.somaxconn", p.kernel.somaxconn),
                ("net.ipv4.tcp_max_syn_backlog", p.kernel.tcp_max_syn_backlog),
            ];
            let want = |(key, floor): (&str, u32)| {
                let setting = Setting::ServerSysctl {
                    instance: p.redis.name.to_string(),
                    key: key.into(),
                };
                let what = format!("sysctl {key}={floor} in what gives the server its network");
                Want::by_hand(setting, Rule::AtLeast(floor.into()), what)
            };
            floors.into_iter().map(want).collect()
        }),
        cases: &[],
    },
    Control {
        id: "network.bind",
        title: "the running server listens on the policy's addresses only",
        severity: Severity::Critical,
        why: "Redis exposed by a wildcard address is found by scanners within hours.",
        references: &["Redis security.md", "redis.conf bind"],
        by_hand: "CONFIG SET bind \"127.0.0.1 -::1\", and the same in redis.conf",
        wants: Wants::Instance(|p, _| {
            if p.ports().is_empty() {
                return Vec::new();
            }
            let setting = Setting::Directive {
                instance: p.redis.name.to_string(),
                name: "bind".into(),
            };
            vec![Want::by_restart(
                setting,
                Rule::Is(Value::text(p.redis.bind.join(" "))),
            )]
        }),
        cases: &[
            passes(&[("CONFIG bind", "127.0.0.1 -::1")]),
            fails(&[("CONFIG bind", "* -::*")]),
        ],
    },
    Control {
        id: "network.no-wildcard",
        title: "no wildcard address without networks that may reach it",
        severity: Severity::Critical,
        why: "A server on every address needs a filter that says for whom.",
        references: &["Redis security.md"],
        by_hand: "name the addresses in redis.bind, or the networks in firewall.allow",
        wants: Wants::Instance(no_wildcard),
        cases: &[
            passes(&[("CONFIG bind", "* -::*")]).under("[firewall]\nallow = [\"10.0.0.0/8\"]"),
            fails(&[("CONFIG bind", "* -::*")]),
            fails(&[("CONFIG bind", "0.0.0.0")]),
            fails(&[("CONFIG bind", "127.0.0.1 ::")]),
            fails(&[("CONFIG bind", "10.0.0.1 -0.0.0.0")]),
            fails(&[("CONFIG bind", "")]),
            passes(&[("CONFIG bind", "10.0.0.1 -::1")]),
        ],
    },
    Control {
        id: "network.protected-mode",
        title: "protected mode is on",
        severity: Severity::High,
        why: "It is the last line when an ACL is lost: a default user without password is then served to loopback only.",
        references: &["redis.conf protected-mode", "Redis src/networking.c"],
        by_hand: "CONFIG SET protected-mode yes, and the same in redis.conf",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Directive {
                instance: p.redis.name.to_string(),
                name: "protected-mode".into(),
            };
            vec![Want::by_restart(setting, Rule::Is(Value::text("yes")))]
        }),
        cases: &[
            passes(&[("CONFIG protected-mode", "yes")]),
            fails(&[("CONFIG protected-mode", "no")]),
        ],
    },
    Control {
        id: "network.unix-socket",
        title: "the unix socket is not open to everybody",
        severity: Severity::Medium,
        why: "Who can connect can try passwords, and take up connections.",
        references: &["redis.conf unixsocketperm", "CVE-2023-45145"],
        by_hand: "CONFIG cannot change it: set unixsocketperm 770 in redis.conf and restart",
        wants: Wants::Instance(|p, f| {
            if !f.is_running(&p.redis.name) {
                return Vec::new();
            }
            vec![Want::by_restart(
                Setting::Mode(p.unix_socket()),
                Rule::NoBits(0o007),
            )]
        }),
        cases: &[
            passes(&[
                ("CONFIG port", "6379"),
                ("/run/redis/redis-server.sock 0770 redis:redis", ""),
            ]),
            fails(&[
                ("CONFIG port", "6379"),
                ("/run/redis/redis-server.sock 0777 redis:redis", ""),
            ]),
        ],
    },
    Control {
        id: "network.keepalive",
        title: "dead clients are noticed",
        severity: Severity::Low,
        why: "Without keep-alive probes the connections of clients that vanished fill maxclients.",
        references: &["redis.conf tcp-keepalive"],
        by_hand: "CONFIG SET tcp-keepalive 300, and the same in redis.conf",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Directive {
                instance: p.redis.name.to_string(),
                name: "tcp-keepalive".into(),
            };
            vec![Want::by_restart(setting, Rule::AtLeast(1))]
        }),
        cases: &[
            passes(&[("CONFIG tcp-keepalive", "300")]),
            fails(&[("CONFIG tcp-keepalive", "0")]),
        ],
    },
    Control {
        id: FIREWALL,
        title: "only loopback and the policy's networks reach Redis's ports, and Redis's user connects to the policy's peers only",
        severity: Severity::Critical,
        why: "A password can leak; an address that cannot connect cannot use it, and a server that cannot connect carries no data off.",
        references: &["nft(8)", "Redis security.md", "Redis Enterprise 6.x STIG RD6X-00-007900"],
        by_hand: "nft -f /etc/redis-harden/firewall.nft",
        wants: Wants::Host(|p, f| match table(p, f) {
            Some(table) => vec![Want::write(
                Phase::Firewall,
                "firewall",
                Setting::Firewall,
                Rule::Is(Value::Firewall(table)),
            )],
            None => vec![Want::write(
                Phase::Firewall,
                "firewall",
                Setting::Firewall,
                Rule::Absent,
            )],
        }),
        // The kernel's table is read by nft: tests/firewall.rs judges it in network namespaces.
        cases: &[],
    },
    Control {
        id: "network.published-ports",
        title: "no port of Redis's passes the host's filter on its way to a container",
        severity: Severity::High,
        why: "What Docker or another publishes is translated before the input chain: ufw, firewalld and this table's first chain never see it.",
        references: &["https://docs.docker.com/engine/network/packet-filtering-firewalls/", "nft(8), NAT statements"],
        by_hand: "publish it on loopback (-p 127.0.0.1:6379:6379), or set published-ports = \"close\" under [firewall], and name a port that is not Redis's own here under ports",
        wants: Wants::Host(|p, f| match p.firewall_enabled() {
            false => Vec::new(),
            true => {
                let guarded = table(p, f).filter(|table| table.forwards);
                let guarded = guarded.iter().flat_map(|table| table.ports.keys().copied());
                let own = p.instances.iter().flat_map(Policy::ports);
                let usual = [6379, 6380, 16_379, SENTINEL].into_iter();
                vec![Want::by_hand(
                    Setting::PublishedPorts {
                        ports: own.chain(usual).collect::<BTreeSet<u16>>().into_iter().collect(),
                        guarded: guarded.collect(),
                    },
                    Rule::Absent,
                    "publish it on loopback, or close it: published-ports = \"close\" under [firewall]",
                )]
            }
        }),
        // What is published is read from nft: tests/firewall judges it in network namespaces.
        cases: &[],
    },
    Control {
        id: "network.firewall-at-boot",
        title: "the packet filter is loaded at boot, before Redis",
        severity: Severity::High,
        why: "A filter that is gone after a reboot leaves a listening Redis open.",
        references: &["systemd.special(7) network-pre.target"],
        by_hand: "systemctl enable redis-harden-firewall.service",
        wants: Wants::Host(at_boot),
        cases: &[
            fails(&[(
                "/etc/redis-harden/firewall.nft 0644 root:root",
                "flush ruleset\n",
            )]),
            passes(&[]).under("[firewall]\nenabled = false"),
            fails(&[(
                "/etc/redis-harden/firewall.nft 0644 root:root",
                "table inet redis_harden {\n}\n",
            )])
            .under("[firewall]\nenabled = false"),
            fails(&[(
                "/etc/systemd/system/multi-user.target.wants/redis-harden-firewall.service -> /etc/systemd/system/redis-harden-firewall.service",
                "",
            )])
            .under("[firewall]\nenabled = false"),
        ],
    },
    Control {
        id: "network.one-filter",
        title: "no other firewall manager is started beside our table",
        severity: Severity::Low,
        why: "A packet must pass every table: what one manager opens another still refuses, and whoever looks at one of them does not see why.",
        references: &["nft(8)", "ufw(8)", "firewalld(1)"],
        by_hand: "let one manager decide: open Redis's ports in the other one as well, or disable it",
        wants: Wants::Host(|p, _| {
            if !p.firewall_enabled() {
                return Vec::new();
            }
            let off = |unit: &str| {
                let what = format!("open Redis's ports in {unit} as well, or disable it");
                Want::by_hand(
                    Setting::UnitEnabled(unit.into()),
                    Rule::Is(Value::Flag(false)),
                    what,
                )
            };
            [
                "ufw.service",
                "firewalld.service",
                "netfilter-persistent.service",
            ]
            .map(off)
            .to_vec()
        }),
        cases: &[
            passes(&[]),
            fails(&[(
                "/etc/systemd/system/multi-user.target.wants/ufw.service -> /lib/systemd/system/ufw.service",
                "",
            )]),
        ],
    },
    Control {
        id: "network.peers",
        title: "the policy's networks have the server's primary and replicas",
        severity: Severity::Medium,
        why: "Whom it leaves out can be an attacker's; else they could not connect anew, and apply leaves the unit's addresses as they are.",
        references: &["systemd.resource-control(5) IPAddressAllow=", "Redis replication.md"],
        by_hand: "name them under [firewall] peers, and apply; or end the replication (REPLICAOF NO ONE)",
        wants: Wants::Instance(|p, _| match p.firewall.enabled {
            false => Vec::new(),
            true => vec![Want::by_hand(
                Setting::UnlistedPeers(p.redis.name.to_string()),
                Rule::Absent,
                "name them under [firewall] peers, or end the replication",
            )],
        }),
        cases: &[
            passes(&[("INFO role", "master")]),
            passes(&[("INFO role", "slave"), ("INFO master_host", "127.0.0.1")]),
            fails(&[("INFO role", "slave"), ("INFO master_host", "192.0.2.9")]),
            fails(&[("INFO role", "master"), ("INFO slave0", "ip=192.0.2.9,port=6379,state=online,offset=1,lag=0")]),
            passes(&[("INFO role", "slave"), ("INFO master_host", "192.0.2.9")])
                .under("[firewall]\npeers = [\"192.0.2.0/24\"]"),
        ],
    },
    Control {
        id: "network.port-kept",
        title: "the kernel lends no port of Redis's to a client",
        severity: Severity::Medium,
        why: "A connection that goes out may get the port while Redis is down for a moment: then it cannot come back.",
        references: &["https://docs.kernel.org/networking/ip-sysctl.html", "Redis scaling.md, cluster bus port"],
        by_hand: "a port below net.ipv4.ip_local_port_range, or sysctl -w net.ipv4.ip_local_reserved_ports=PORT",
        wants: Wants::Host(|p, _| {
            let ports = p.instances.iter().flat_map(Policy::ports).collect();
            vec![Want::by_hand(
                Setting::LentPorts(ports),
                Rule::Absent,
                "choose a port below net.ipv4.ip_local_port_range, or put it under [kernel.sysctl] \"net.ipv4.ip_local_reserved_ports\"",
            )]
        }),
        cases: &[
            passes(&[("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n")]),
            fails(&[("/proc/sys/net/ipv4/ip_local_port_range", "1024\t65535\n")]),
            passes(&[
                ("/proc/sys/net/ipv4/ip_local_port_range", "1024\t65535\n"),
                ("/proc/sys/net/ipv4/ip_local_reserved_ports", "6379\n"),
            ]),
        ],
    },
];

fn no_wildcard(policy: &Policy, _: &Facts) -> Vec<Want> {
    if policy.ports().is_empty() {
        return Vec::new();
    }
    let setting = Setting::Directive {
        instance: policy.redis.name.to_string(),
        name: "bind".into(),
    };
    // With networks that may reach it, any address will do.
    let filtered = policy.firewall.enabled && !policy.firewall.allow.is_empty();
    let rule = match filtered {
        true => Rule::Present,
        false => Rule::NoWildcard,
    };
    vec![Want::by_restart(setting, rule)]
}

/// Nothing of ours, where the policy wants no filter: an earlier one has left it.
fn gone() -> Vec<Want> {
    let want = |setting, rule| Want::write(Phase::Files, "firewall", setting, rule);
    let unit = |name: &str| Setting::File(format!("/etc/systemd/system/{name}").into());
    vec![
        want(
            Setting::UnitEnabled(UNIT_NAME.into()),
            Rule::Is(Value::Flag(false)),
        ),
        want(unit(UNIT_NAME), Rule::Absent),
        want(unit(NFTABLES_DROP_IN_NAME), Rule::Absent),
        want(Setting::File(FILE.into()), Rule::Absent),
    ]
}

/// The rules' file, the unit that loads it, and its link; the unit only where systemd is there to run it.
fn at_boot(policies: &Policies, facts: &Facts) -> Vec<Want> {
    let Some(table) = table(policies, facts) else {
        return gone();
    };
    let file = |path: &str, mode, text: String| {
        let rule = super::rendered::rendered(facts, "root", mode, text);
        Want::write(Phase::Files, "firewall", Setting::File(path.into()), rule)
    };
    let mut wants = vec![file(FILE, 0o644, table.render())];
    if facts.init == crate::facts::Init::Systemd {
        let unit = |name: &str| format!("/etc/systemd/system/{name}");
        let drop_in = PathBuf::from(unit(NFTABLES_DROP_IN_NAME));
        let dir = drop_in.parent().map(PathBuf::from).unwrap_or_default();
        let access = super::rendered::access(facts, "root", "root", 0o755);
        let dir_rule = Rule::Is(Value::Dir(access));
        wants.push(Want::write(
            Phase::Files,
            "firewall",
            Setting::Dir(dir),
            dir_rule,
        ));
        wants.push(file(
            &drop_in.to_string_lossy(),
            0o644,
            NFTABLES_DROP_IN.to_owned(),
        ));
        wants.push(file(&unit(UNIT_NAME), 0o644, UNIT.to_owned()));
        wants.push(Want::write(
            Phase::Files,
            "firewall unit",
            Setting::UnitEnabled(UNIT_NAME.into()),
            Rule::Is(Value::Flag(true)),
        ));
    } else {
        let what = "load /etc/redis-harden/firewall.nft with nft -f at boot, before Redis: no systemd here does it";
        wants.push(Want::by_hand(
            Setting::Reboot("firewall".into()),
            Rule::Is(Value::Flag(true)),
            what,
        ));
    }
    wants
}
