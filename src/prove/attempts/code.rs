//! Running code: modules, debugging, scripts, functions, payloads that are parsed.

use super::{Reason, control};
use crate::control::Severity::{Critical, High, Medium};
use crate::prove::caller::{Caller, Who};
use crate::prove::judgement::{Layer, Stop};
use crate::prove::{Attempt, How, Undo};
use crate::redis::Silence;
use crate::redis::session::Reply;
use std::time::Duration;

/// What a script's sandbox answers to a name that it does not have.
const NO_SUCH_NAME: [(&str, Layer); 2] = [
    ("nonexistent global variable", Layer::Server),
    ("attempt to index", Layer::Server),
];

pub const ATTEMPTS: &[Attempt] = &[
    Attempt {
        control: control(Reason {
            id: "prove.module-load",
            title: "No client loads a module",
            severity: Critical,
            why: "A module is a program in the server's process: the last step of the rogue primary's chain.",
            references: &[
                "Redis module.c, enable-module-command",
                "https://attack.mitre.org/techniques/T1129/",
            ],
            by_hand: "enable-module-command no",
        }),
        how: How::Each(Who::Everybody, module_load),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.debug",
            title: "No client debugs the server",
            severity: High,
            why: "DEBUG crashes it, stops it, tells addresses of its memory and loads what is on disk.",
            references: &["Redis debug.c, enable-debug-command", "CVE-2025-46817"],
            by_hand: "enable-debug-command no",
        }),
        how: How::Each(Who::Everybody, debug),
        undo: Undo::By(&[]),
    },
    Attempt {
        control: control(Reason {
            id: "prove.script",
            title: "An intruder runs no script",
            severity: High,
            why: "Most remote-code holes of 2022 to 2026 need EVAL and nothing else (CVE-2025-49844).",
            references: &["CVE-2025-49844", "CVE-2024-46981", "CVE-2024-31449"],
            by_hand: "take @scripting from every application that does not need it",
        }),
        how: How::Each(Who::Intruders, script),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.script-escape",
            title: "A script gets at no library, file or program",
            severity: Critical,
            why: "Debian's packages of 2022 left package.loadlib within reach of scripts: one line was a shell.",
            references: &["CVE-2022-0543", "Redis eval-intro.md, sandbox"],
            by_hand: "upgrade the package",
        }),
        how: How::Each(Who::Everybody, script_escape),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.script-memory",
            title: "An intruder's script takes no memory beyond the limit",
            severity: Medium,
            why: "What a script holds is not counted to maxmemory: the kernel's killer settles it.",
            references: &["Redis INFO, used_memory_vm_eval", "CVE-2021-32626"],
            by_hand: "take @scripting from every application that does not need it",
        }),
        how: How::Each(Who::Intruders, script_memory),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.script-endless",
            title: "An intruder's script does not stop the server",
            severity: High,
            why: "While a script runs nobody else is served, and one that has written can only be ended by SHUTDOWN NOSAVE.",
            references: &[
                "Redis busy-reply-threshold",
                "https://attack.mitre.org/techniques/T1499/",
            ],
            by_hand: "take @scripting from every application that does not need it",
        }),
        how: How::Each(Who::Intruders, script_endless),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.function-load",
            title: "An intruder leaves no function behind",
            severity: High,
            why: "Functions are saved, replicated and called by name: code that survives restart and failover.",
            references: &["Redis functions-intro.md", "CVE-2025-49844"],
            by_hand: "take @scripting from every application that does not need it",
        }),
        how: How::Each(Who::Intruders, function_load),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.restore",
            title: "An intruder has no payload parsed by RESTORE",
            severity: High,
            why: "RESTORE reads the inner format of values: CVE-2026-25243 and CVE-2026-66373 are code by a crafted one.",
            references: &[
                "CVE-2026-25243",
                "CVE-2026-66373",
                "Redis sanitize-dump-payload",
            ],
            by_hand: "take @dangerous from every application (role = \"application\")",
        }),
        how: How::Each(Who::Intruders, restore),
        undo: Undo::Never,
    },
];

/// A library that is on every host: its answer says whether it was handed to the loader.
fn module_load(caller: &mut Caller) -> Result<String, Stop> {
    let library = "/redis-harden-prove.so";
    match caller.ask(&["MODULE", "LOAD", library]) {
        Ok(_) => Ok("MODULE LOAD is answered".to_owned()),
        Err(Stop::Trouble(words)) if words.contains("Error loading the extension") => {
            Ok("MODULE LOAD hands a file to the loader".to_owned())
        }
        Err(stop) => Err(stop),
    }
}

fn debug(caller: &mut Caller) -> Result<String, Stop> {
    caller.ask(&["DEBUG", "SLEEP", "0"])?;
    Ok("DEBUG is answered".to_owned())
}

fn script(caller: &mut Caller) -> Result<String, Stop> {
    caller.ask(&["EVAL", "return 1", "0"])?;
    Ok("EVAL runs a script".to_owned())
}

fn script_escape(caller: &mut Caller) -> Result<String, Stop> {
    const WAYS: [(&str, &str); 5] = [
        ("package.loadlib", "return type(package.loadlib)"),
        ("os.execute", "return type(os.execute)"),
        ("io.open", "return type(io.open)"),
        ("require", "return type(require)"),
        ("dofile", "return type(dofile)"),
    ];
    let mut refused = None;
    for (name, way) in WAYS {
        match caller.text(&["EVAL", way, "0"]) {
            Ok(kind) if kind == "function" => return Ok(format!("a script has {name}")),
            Ok(kind) => refused = Some((Layer::Server, format!("{name} is {kind} to a script"))),
            Err(stop) => match stop.known(&NO_SUCH_NAME) {
                Stop::Refused(layer, words) => refused = Some((layer, words)),
                other => return Err(other),
            },
        }
    }
    let (layer, words) = refused.unwrap_or((Layer::Server, String::new()));
    Err(Stop::Refused(layer, words))
}

fn script_memory(caller: &mut Caller) -> Result<String, Stop> {
    const MANY: &str = "local t = {} for i = 1, 48 do t[i] = string.rep(string.char(i), 1048576) end return collectgarbage('count')";
    let taken = match caller.ask(&["EVAL", MANY, "0"])? {
        Reply::Int(kilobytes) => kilobytes >> 10,
        other => return Err(Stop::Trouble(format!("EVAL is answered by {other:?}"))),
    };
    Ok(format!("a script holds {taken} MB"))
}

fn script_endless(caller: &mut Caller) -> Result<String, Stop> {
    const ENDLESS: &str = "while true do end";
    match caller.ask(&["EVAL", ENDLESS, "0"]) {
        Err(refused @ Stop::Refused(..)) => return Err(refused),
        Ok(_) => return Err(Stop::Trouble("a script without end has ended".to_owned())),
        Err(_) => {}
    }
    let twin = &caller.arena()?.twin;
    let mut other = match twin.session(caller.arena()?.blueprint, None) {
        Ok(other) => other,
        Err(why) => return Ok(format!("nobody is served any more: {why}")),
    };
    other.set_patience(Duration::from_millis(500));
    match other.ask(&["PING"]) {
        Err(Silence::Refused(words)) if !words.starts_with("BUSY") => {
            Err(Stop::Trouble(format!("it serves others: {words}")))
        }
        Ok(_) => Err(Stop::Trouble("it serves others meanwhile".to_owned())),
        Err(why) => Ok(format!("a script stops the server: {why}")),
    }
}

fn function_load(caller: &mut Caller) -> Result<String, Stop> {
    const CODE: &str =
        "#!lua name=prove\nredis.register_function('prove', function() return 1 end)";
    caller.ask(&["FUNCTION", "LOAD", CODE])?;
    Ok("FUNCTION LOAD keeps its code".to_owned())
}

fn restore(caller: &mut Caller) -> Result<String, Stop> {
    let arena = caller.arena()?;
    arena.serve_keys().map_err(Stop::Trouble)?;
    let mut witness = arena.witness().map_err(Stop::Trouble)?;
    witness.ask(&["SET", "prove", "1"])?;
    let Reply::BulkString(payload) = witness.ask(&["DUMP", "prove"])? else {
        return Err(Stop::Trouble("DUMP gives no payload".to_owned()));
    };
    let words: [&[u8]; 4] = [b"RESTORE", b"prove-restored", b"0", &payload];
    caller.ask(&words)?;
    Ok("RESTORE parses a payload".to_owned())
}
