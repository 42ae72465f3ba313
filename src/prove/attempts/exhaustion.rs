//! Taking the service away: data, time, connections, memory. Each within a bound, and from the twin only.

use super::{Reason, control};
use crate::control::Severity::{Critical, High, Medium};
use crate::prove::arena::Arena;
use crate::prove::caller::{Caller, Who};
use crate::prove::judgement::{Layer, Outcome, Stop};
use crate::prove::{Attempt, How, Undo, wire};
use std::io::Write;
use std::net::{IpAddr, TcpStream};

/// More connections than this are not opened, whatever the server would serve.
const CONNECTIONS: usize = 12_000;

/// Bytes that are sent without reading, and those that a server may hold for such a client.
const SENT: usize = 8 << 20;
const HELD: u64 = 16 << 20;

pub const ATTEMPTS: &[Attempt] = &[
    Attempt {
        control: control(Reason {
            id: "prove.flush",
            title: "An intruder does not delete everything",
            severity: Critical,
            why: "Ransom notes in place of the data, tens of thousands of times: FLUSHALL is one word.",
            references: &[
                "https://attack.mitre.org/techniques/T1485/",
                "Redis flushall.md",
            ],
            by_hand: "take @dangerous from every application (role = \"application\")",
        }),
        how: How::Each(Who::Intruders, flush),
        // A key may have come a moment ago.
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.shutdown",
            title: "An intruder does not end the server",
            severity: High,
            why: "SHUTDOWN NOSAVE throws away what was not saved, and the service with it.",
            references: &[
                "https://attack.mitre.org/techniques/T1489/",
                "Redis shutdown.md",
            ],
            by_hand: "take @admin from every application (role = \"application\")",
        }),
        how: How::Each(Who::Intruders, shutdown),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.client-pause",
            title: "An intruder does not stop other clients",
            severity: High,
            why: "CLIENT PAUSE holds every client for as long as it is told.",
            references: &[
                "Redis client-pause.md",
                "https://attack.mitre.org/techniques/T1499/",
            ],
            by_hand: "take @dangerous from every application (role = \"application\")",
        }),
        how: How::Each(Who::Intruders, client_pause),
        undo: Undo::By(&[&["CLIENT", "UNPAUSE"]]),
    },
    Attempt {
        control: control(Reason {
            id: "prove.keys",
            title: "An intruder does not walk through all keys at once",
            severity: Medium,
            why: "KEYS * holds everybody for as long as it takes, and tells what there is.",
            references: &["Redis keys.md"],
            by_hand: "take @dangerous from every application (role = \"application\")",
        }),
        how: How::Each(Who::Intruders, keys),
        undo: Undo::By(&[]),
    },
    Attempt {
        control: control(Reason {
            id: "prove.large-request",
            title: "A client without a password announces no large request",
            severity: High,
            why: "A request of a million words is memory that is set aside before it has come.",
            references: &[
                "CVE-2021-32675",
                "Redis networking.c, processMultibulkBuffer",
            ],
            by_hand: "upgrade, and give every user a password",
        }),
        how: How::Twin(large_request),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.output-buffer",
            title: "A client without a password has no memory filled with answers",
            severity: High,
            why: "Who asks and does not read has the answers kept: without a limit until there is no memory left.",
            references: &["CVE-2025-21605", "Redis clients.md, Output buffer limits"],
            by_hand: "upgrade, and give every user a password",
        }),
        how: How::Twin(output_buffer),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.slow-loris",
            title: "Another host does not take all connections",
            severity: High,
            why: "Connections that say nothing cost an attacker nothing, and maxclients of them shut everybody out.",
            references: &[
                "Redis clients.md, Maximum concurrent connected clients",
                "https://attack.mitre.org/techniques/T1499/002/",
            ],
            by_hand: "bind loopback, or limit who may connect by [firewall] allow",
        }),
        how: How::Twin(slow_loris),
        undo: Undo::Never,
    },
];

fn flush(caller: &mut Caller) -> Result<String, Stop> {
    caller.ask(&["FLUSHALL"])?;
    Ok("FLUSHALL empties it".to_owned())
}

fn shutdown(caller: &mut Caller) -> Result<String, Stop> {
    match caller.ask(&["SHUTDOWN", "NOSAVE"]) {
        Err(Stop::HungUp(_)) => Ok("SHUTDOWN ends it".to_owned()),
        Err(stop) => Err(stop),
        Ok(_) => Err(Stop::Trouble("SHUTDOWN is answered".to_owned())),
    }
}

fn client_pause(caller: &mut Caller) -> Result<String, Stop> {
    caller.ask(&["CLIENT", "PAUSE", "100"])?;
    Ok("CLIENT PAUSE holds everybody".to_owned())
}

fn keys(caller: &mut Caller) -> Result<String, Stop> {
    caller.ask(&["KEYS", "*"])?;
    Ok("KEYS tells every key".to_owned())
}

const STRANGER: &str = "a client without password";

/// On its own host, without a password.
fn near(arena: &Arena) -> Result<TcpStream, Outcome> {
    let port = arena.blueprint.directives.port;
    if port == 0 {
        let words = "it has no port in clear text";
        return Err(Outcome::refused(STRANGER, Layer::Network, words));
    }
    let loopback = [IpAddr::from([127, 0, 0, 1])].into_iter();
    let addresses: Vec<IpAddr> = loopback.chain(arena.addresses()).collect();
    let dialled = arena.twin.network.run(|| {
        let mut all = addresses.iter().filter_map(|ip| wire::raw(*ip, port).ok());
        all.next()
    });
    match dialled {
        Ok(Some(stream)) => Ok(stream),
        Ok(None) => Err(Outcome::Untried(
            "the twin's port does not answer".to_owned(),
        )),
        Err(e) => Err(Outcome::Untried(e.to_string())),
    }
}

fn large_request(arena: &Arena) -> Outcome {
    for (request, what) in [
        (b"*1000000\r\n".as_slice(), "a million words"),
        (b"*1\r\n$268435456\r\n", "a word of 256 MB"),
    ] {
        let mut stream = match near(arena) {
            Ok(stream) => stream,
            Err(outcome) => return outcome,
        };
        let (said, ended) = wire::say(&mut stream, request);
        if !ended {
            return Outcome::Succeeded(format!("{STRANGER}: {what} are waited for"));
        }
        if !said.contains("unauthenticated") {
            return Outcome::Untried(format!("it ends the connection: {said}"));
        }
    }
    let words = "Protocol error: unauthenticated multibulk and bulk length";
    Outcome::refused(STRANGER, Layer::Server, words)
}

fn output_buffer(arena: &Arena) -> Outcome {
    let before = arena.number("memory", "used_memory");
    let mut stream = match near(arena) {
        Ok(stream) => stream,
        Err(outcome) => return outcome,
    };
    // With a password that is asked for, the answers are errors; without one, as much as there is.
    let large = "x".repeat(1 << 20);
    let (_, ended) = wire::say(
        &mut stream,
        format!(
            "*3\r\n$3\r\nSET\r\n$5\r\nprove\r\n${}\r\n{large}\r\n",
            large.len()
        )
        .as_bytes(),
    );
    let mut stream = match ended {
        false => stream,
        true => match near(arena) {
            Ok(stream) => stream,
            Err(outcome) => return outcome,
        },
    };
    let request = b"GET prove\r\n".repeat(if ended { 1024 } else { 64 });
    let mut sent = 0;
    while sent < SENT {
        match stream.write(&request) {
            Ok(n) if ended => sent += n,
            // Sixty-four megabytes of answers are enough to tell.
            Ok(_) => break,
            Err(_) => break,
        }
    }
    std::thread::sleep(wire::NEAR);
    let after = arena.number("memory", "used_memory");
    match (before, after) {
        (Ok(before), Ok(after)) if after.saturating_sub(before) > HELD => Outcome::Succeeded(
            format!("{STRANGER}: {} MB are held for it", (after - before) >> 20),
        ),
        (Ok(_), Ok(_)) => Outcome::refused(STRANGER, Layer::Server, "its answers are not kept"),
        (Err(why), _) | (_, Err(why)) => Outcome::Untried(why),
    }
}

fn slow_loris(arena: &Arena) -> Outcome {
    let who = "another host";
    let directives = &arena.blueprint.directives;
    let port = match (directives.port, directives.tls_port) {
        (0, 0) => return Outcome::refused(who, Layer::Network, "it listens on no port"),
        (0, tls) => tls,
        (plain, _) => plain,
    };
    // One that is there before must be served on; the witness is the supervisor's stand-in.
    let mut early = match arena.witness() {
        Ok(early) => early,
        Err(why) => return Outcome::Untried(why),
    };
    let most = CONNECTIONS.min(directives.maxclients + 32);
    let addresses = arena.addresses();
    let taken = arena.from_outside(|| {
        let mut dialled = addresses.iter().map(|ip| (*ip, wire::raw(*ip, port)));
        let Some((address, first)) = dialled.find(|(_, tried)| tried.is_ok()) else {
            return Vec::new();
        };
        let more = wire::many(address, port, most - 1);
        first.into_iter().chain(more).collect()
    });
    let taken = match taken {
        Ok(taken) if taken.is_empty() => {
            return Outcome::refused(who, Layer::Network, format!("port {port} is not reached"));
        }
        Ok(taken) => taken,
        Err(why) => return Outcome::Untried(why),
    };
    let agent = match early.ask(&["PING"]) {
        Ok(_) => "who was connected before is served on",
        Err(_) => "who was connected before is not served either",
    };
    let late = arena.twin.session(arena.blueprint, None);
    let late = late.and_then(|mut session| session.ask(&["PING"]));
    let count = taken.len();
    match late {
        Err(crate::redis::Silence::Refused(words)) if words.contains("max number of clients") => {
            Outcome::Succeeded(format!(
                "{who}: {count} silent connections shut everybody out; {agent}"
            ))
        }
        Err(crate::redis::Silence::HungUp(_) | crate::redis::Silence::Broken(_)) => {
            Outcome::Succeeded(format!(
                "{who}: {count} silent connections shut everybody out; {agent}"
            ))
        }
        _ if count < directives.maxclients => Outcome::Untried(format!(
            "{count} connections were opened, and {} would be needed (open files: ulimit -n)",
            directives.maxclients
        )),
        _ => Outcome::refused(
            who,
            Layer::Server,
            format!("others are served beside {count} silent connections"),
        ),
    }
}
