//! On the way: what a listener hears, and what TLS takes.

use super::{Reason, control};
use crate::control::Severity::{High, Medium};
use crate::prove::arena::Arena;
use crate::prove::caller::{Caller, Who};
use crate::prove::judgement::{Layer, Outcome, Stop};
use crate::prove::{Attempt, How, Undo};
use crate::redis::remote::{Client, retired_version, weak_suite};
use crate::redis::timed::Timed;
use std::time::Duration;

/// For a handshake on a machine that has little to spare.
const PATIENCE: Duration = Duration::from_secs(2);

pub const ATTEMPTS: &[Attempt] = &[
    Attempt {
        control: control(Reason {
            id: "prove.clear-text",
            title: "No other host is served in clear text",
            severity: High,
            why: "A password that goes over a network in clear text is everybody's who can listen there.",
            references: &[
                "Redis encryption.md",
                "https://attack.mitre.org/techniques/T1040/",
            ],
            by_hand: "port 0 and tls-port, or bind loopback only",
        }),
        how: How::Each(Who::Outsiders, clear_text),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.tls-downgrade",
            title: "TLS is spoken in no retired version and by no broken cipher",
            severity: Medium,
            why: "Who sits between the two chooses the weakest that both take.",
            references: &["RFC 8996", "Redis encryption.md, tls-protocols"],
            by_hand: "tls-protocols \"TLSv1.2 TLSv1.3\"",
        }),
        how: How::Twin(downgrade),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.tls-no-certificate",
            title: "Who shows no certificate is not served by TLS",
            severity: High,
            why: "Without client certificates a stolen password is enough, from anywhere.",
            references: &["Redis encryption.md, tls-auth-clients"],
            by_hand: "tls-auth-clients yes",
        }),
        how: How::Twin(no_certificate),
        undo: Undo::Never,
    },
];

fn clear_text(caller: &mut Caller) -> Result<String, Stop> {
    match caller.ask(&["PING"]) {
        Err(Stop::Refused(Layer::Acl, _)) | Ok(_) => {
            Ok("it is asked for its password in clear text".to_owned())
        }
        Err(stop) => Err(stop),
    }
}

/// Why TLS cannot be tried, or the port.
fn tls_port(arena: &Arena) -> Result<u16, Outcome> {
    match arena.blueprint.directives.tls_port {
        0 => Err(Outcome::NotApplicable("it speaks no TLS".to_owned())),
        port => Ok(port),
    }
}

fn dial<T: Send>(
    arena: &Arena,
    port: u16,
    talk: impl FnOnce(Timed) -> T + Send,
) -> Result<T, String> {
    let addresses = arena.addresses();
    let talked = arena.twin.network.run(|| {
        let near = std::iter::once("127.0.0.1".to_owned());
        let mut all = near.chain(addresses.iter().map(ToString::to_string));
        let stream = all.find_map(|ip| Timed::connect(&ip, port, PATIENCE).ok());
        stream.map(talk)
    });
    let talked = talked.map_err(|e| e.to_string())?;
    talked.ok_or_else(|| format!("the twin's port {port} does not answer"))
}

fn downgrade(arena: &Arena) -> Outcome {
    let port = match tls_port(arena) {
        Ok(port) => port,
        Err(outcome) => return outcome,
    };
    let who = "somebody between the two";
    for offer in [retired_version, weak_suite] {
        match dial(arena, port, |stream| offer(stream, "localhost")) {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(taken))) => return Outcome::Succeeded(format!("{who}: {taken} is taken")),
            Ok(Err(e)) => return Outcome::Untried(e.to_string()),
            Err(why) => return Outcome::Untried(why),
        }
    }
    Outcome::refused(who, Layer::Tls, "nothing retired or broken is taken")
}

fn no_certificate(arena: &Arena) -> Outcome {
    let port = match tls_port(arena) {
        Ok(port) => port,
        Err(outcome) => return outcome,
    };
    let who = "a client without certificate";
    let said = dial(arena, port, |stream| {
        let begun = Client::onlooker().begin("localhost", stream);
        let Ok((mut stream, _)) = begun else {
            return Err("the handshake fails".to_owned());
        };
        ping(&mut stream).map_err(|e| e.to_string())
    });
    match said {
        Err(why) => Outcome::Untried(why),
        Ok(Ok(answer)) if answer.is_empty() => {
            Outcome::refused(who, Layer::Tls, "the connection ends")
        }
        Ok(Ok(answer)) => Outcome::Succeeded(format!("{who}: PING is answered by {answer}")),
        Ok(Err(words)) => Outcome::refused(who, Layer::Tls, words),
    }
}

/// By TLS 1.3 a client learns only here that its certificate is missed.
fn ping(stream: &mut (impl std::io::Read + std::io::Write)) -> std::io::Result<String> {
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 128];
    let length = stream.read(&mut answer)?;
    let answer = answer.get(..length).unwrap_or_default();
    Ok(String::from_utf8_lossy(answer).trim().to_owned())
}
