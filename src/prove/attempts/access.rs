//! Getting in: without a password, with those that everybody knows, from elsewhere, by other doors and protocols.

use super::{Reason, control};
use crate::control::Severity::{Critical, High, Medium};
use crate::prove::arena::Arena;
use crate::prove::caller::{Caller, Who};
use crate::prove::judgement::{Layer, Outcome, Refusal, Stop};
use crate::prove::{Attempt, How, Undo, wire};
use crate::redis::{Login, Silence};
use std::net::IpAddr;

/// Of lists that scanners bring along, and of guides whose example became somebody's password.
pub const PUBLISHED: [&str; 20] = [
    "",
    "redis",
    "password",
    "foobared",
    "admin",
    "root",
    "123456",
    "12345678",
    "123456789",
    "qwerty",
    "passw0rd",
    "changeme",
    "secret",
    "default",
    "test",
    "redis123",
    "Redis@123",
    "p@ssw0rd",
    "ant1r3z",
    "yourpassword",
];

/// What nobody else has, since it may be made on a running server.
const KEY: &str = "redis-harden:prove";
const USER: &str = "redis-harden-prove";

pub const ATTEMPTS: &[Attempt] = &[
    Attempt {
        control: control(Reason {
            id: "prove.anonymous-command",
            title: "A client without a password neither reads nor writes",
            severity: Critical,
            why: "Scanners find an open port within minutes; whoever may SET and SAVE on it needs no more.",
            references: &[
                "Redis security.md, Protected mode",
                "CISA AA23-263A",
                "https://attack.mitre.org/techniques/T1190/",
            ],
            by_hand: "give every user a password and turn `default` off (redis-harden apply does)",
        }),
        how: How::Each(Who::Strangers, anonymous_command),
        undo: Undo::By(&[&["DEL", KEY]]),
    },
    Attempt {
        control: control(Reason {
            id: "prove.published-passwords",
            title: "No user has a password that is in a published list",
            severity: Critical,
            why: "Worms try the same few dozen words everywhere, thousands a second: Redis has no lock-out.",
            references: &[
                "Redis security.md, Authentication",
                "https://attack.mitre.org/techniques/T1110/001/",
            ],
            by_hand: "replace the password by a generated one of 256 bits",
        }),
        how: How::Twin(published_passwords),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.other-host",
            title: "A host that the policy does not name reaches no port",
            severity: High,
            why: "What can be reached can be attacked before any password is asked for: CVE-2025-48367, CVE-2026-81934.",
            references: &["Redis security.md, Network security", "CIS Redis Benchmark"],
            by_hand: "bind loopback or an inner address, and filter by [firewall] allow",
        }),
        how: How::Twin(other_host),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.bus-port",
            title: "A host that the policy does not name does not reach the cluster bus",
            severity: High,
            why: "The bus has no password: whoever speaks it makes himself a node, or crashes one (CVE-2026-21863).",
            references: &["Redis cluster-spec.md", "CVE-2026-21863"],
            by_hand: "filter the bus port (port + 10000) by [firewall], and tls-cluster yes",
        }),
        how: How::Twin(bus_port),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.cross-protocol",
            title: "An HTTP request does not run a command",
            severity: Medium,
            why: "A page in a browser, or a server that fetches URLs for others, sends POST to any port of its own network.",
            references: &[
                "Redis networking.c, securityWarningCommand",
                "https://owasp.org/Top10/A10_2021-Server-Side_Request_Forgery_%28SSRF%29/",
            ],
            by_hand: "upgrade to Redis 3.2.7 or later",
        }),
        how: How::Twin(cross_protocol),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.acl-backdoor",
            title: "An intruder makes no user of his own",
            severity: Critical,
            why: "A user more survives the change of every password.",
            references: &["Redis acl.md", "https://attack.mitre.org/techniques/T1136/"],
            by_hand: "take @admin from every application (role = \"application\")",
        }),
        how: How::Each(Who::Intruders, backdoor),
        undo: Undo::By(&[&["ACL", "DELUSER", USER]]),
    },
];

fn anonymous_command(caller: &mut Caller) -> Result<String, Stop> {
    caller.ask(&["SET", KEY, "1"])?;
    caller.ask(&["GET", KEY])?;
    Ok("SET and GET are answered".to_owned())
}

fn backdoor(caller: &mut Caller) -> Result<String, Stop> {
    caller.ask(&["ACL", "SETUSER", USER, "on", "nopass", "~*", "&*", "+@all"])?;
    Ok("ACL SETUSER made a user who may do everything".to_owned())
}

fn published_passwords(arena: &Arena) -> Outcome {
    let known = ["default", "admin", "redis", "root"].map(str::to_owned);
    let mut users: Vec<&String> = known.iter().chain(&arena.users).collect();
    users.sort();
    users.dedup();
    for user in users {
        for password in PUBLISHED {
            let login = Login {
                user: user.clone(),
                password: password.to_owned(),
            };
            // Of the default user's, servers without a password say so instead.
            let session = arena.twin.session(arena.blueprint, None);
            let said = session.and_then(|mut s| s.ask(&["AUTH", &login.user, &login.password]));
            match said {
                Ok(_) => {
                    return Outcome::Succeeded(format!("AUTH {user} takes {password:?}"));
                }
                Err(Silence::Refused(_)) => {}
                Err(other) => return Outcome::Untried(other.to_string()),
            }
        }
    }
    Outcome::refused(
        "a client without password",
        Layer::Acl,
        format!("WRONGPASS to {} passwords of each user", PUBLISHED.len()),
    )
}

fn other_host(arena: &Arena) -> Outcome {
    let directives = &arena.blueprint.directives;
    let ports = [directives.port, directives.tls_port];
    reach(
        arena,
        &ports.map(|port| Some(port).filter(|port| *port != 0)),
    )
}

fn bus_port(arena: &Arena) -> Outcome {
    let base = match arena.blueprint.directives.port {
        0 => arena.blueprint.directives.tls_port,
        port => port,
    };
    // Where there is no cluster, nobody may listen there either.
    let bus = arena
        .blueprint
        .directives
        .bus_port
        .or_else(|| base.checked_add(10_000));
    reach(arena, &[bus])
}

/// Whether a connection comes about.
fn reach(arena: &Arena, ports: &[Option<u16>]) -> Outcome {
    let all: Vec<(IpAddr, u16)> = arena
        .addresses()
        .into_iter()
        .flat_map(|address| ports.iter().flatten().map(move |port| (address, *port)))
        .collect();
    if all.is_empty() {
        return Outcome::refused("another host", Layer::Network, "it listens on no port");
    }
    let tried = arena.from_outside(|| {
        let dial = |(address, port): (IpAddr, u16)| match wire::raw(address, port) {
            Ok(_) => Ok(format!("another host: connected to port {port}")),
            Err(e) => Err(Refusal {
                who: "another host".to_owned(),
                layer: Layer::Network,
                words: format!("port {port}: {e}"),
            }),
        };
        all.into_iter().map(dial).collect::<Vec<_>>()
    });
    match tried {
        Err(why) => Outcome::Untried(why),
        Ok(tried) => match tried.iter().find_map(|one| one.as_ref().ok()) {
            Some(words) => Outcome::Succeeded(words.clone()),
            None => Outcome::Refused(tried.into_iter().filter_map(Result::err).collect()),
        },
    }
}

fn cross_protocol(arena: &Arena) -> Outcome {
    let request =
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n\r\nSET crossed 1\r\n";
    let who = "a page's POST";
    let port = arena.blueprint.directives.port;
    if port == 0 {
        return Outcome::refused(who, Layer::Network, "it has no port in clear text");
    }
    let addresses = arena.addresses();
    let near = [IpAddr::from([127, 0, 0, 1])].into_iter().chain(addresses);
    let near: Vec<IpAddr> = near.collect();
    let sent = arena.twin.network.run(|| {
        let mut streams = near.iter().filter_map(|ip| wire::raw(*ip, port).ok());
        streams
            .next()
            .map(|mut stream| wire::say(&mut stream, request))
    });
    let (answer, ended) = match sent {
        Ok(Some(said)) => said,
        Ok(None) => return Outcome::Untried("the twin's port does not answer".to_owned()),
        Err(e) => return Outcome::Untried(e.to_string()),
    };
    let key = arena.serve_keys().and_then(|()| {
        let mut witness = arena.witness()?;
        let key = witness.text(&["GET", "crossed"]);
        key.map_err(|e| e.to_string())
    });
    match key {
        Err(why) => Outcome::Untried(why),
        Ok(key) if !key.is_empty() => Outcome::Succeeded(format!("{who}: SET was run")),
        Ok(_) if ended => Outcome::refused(who, Layer::Server, "it ends the connection"),
        Ok(_) => Outcome::refused(who, Layer::Acl, answer.lines().next().unwrap_or_default()),
    }
}
