//! Leaving something behind: files where others run or trust them, and a configuration that outlives a restart.

use super::{Reason, control};
use crate::control::Severity::{Critical, High};
use crate::prove::arena::Arena;
use crate::prove::caller::{Caller, Who};
use crate::prove::judgement::{Layer, Stop};
use crate::prove::{Attempt, How, Undo};
use std::path::Path;

/// What cron, sshd and a web server would find in a dump that holds it.
const PAYLOAD: &str = "\n\n* * * * * root true # redis-harden prove\n\n";

/// A directory that is not there; the server's own words.
const ABSENT: (&str, Layer) = ("No such file or directory", Layer::Permissions);

pub const ATTEMPTS: &[Attempt] = &[
    Attempt {
        control: control(Reason {
            id: "prove.write-cron",
            title: "No dump is written where cron runs it",
            severity: Critical,
            why: "CONFIG SET dir and dbfilename, a crontab as a value, SAVE: the way of most worms since 2015.",
            references: &[
                "http://antirez.com/news/96",
                "https://attack.mitre.org/techniques/T1053/003/",
                "CVE-2015-4335",
            ],
            by_hand: "enable-protected-configs no, and the sandbox (redis-harden apply)",
        }),
        how: How::Each(Who::Everybody, cron),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.write-ssh",
            title: "No dump is written where sshd trusts it",
            severity: Critical,
            why: "A public key as a value, saved as authorized_keys, is a login: the published attack of 2015.",
            references: &[
                "http://antirez.com/news/96",
                "https://attack.mitre.org/techniques/T1098/004/",
            ],
            by_hand: "enable-protected-configs no, and the sandbox (redis-harden apply)",
        }),
        how: How::Each(Who::Everybody, ssh),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.write-web-root",
            title: "No dump is written where a web server shows it",
            severity: Critical,
            why: "A page with a program in it, saved below the web root, runs as the web server.",
            references: &[
                "http://antirez.com/news/96",
                "https://attack.mitre.org/techniques/T1505/003/",
            ],
            by_hand: "enable-protected-configs no, and the sandbox (redis-harden apply)",
        }),
        how: How::Each(Who::Everybody, web_root),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.save-payload",
            title: "An intruder does not have his bytes saved to disk at will",
            severity: High,
            why: "A dump with chosen bytes at a known place is half of every chain that ends in a program.",
            references: &[
                "Redis save.md",
                "https://attack.mitre.org/techniques/T1105/",
            ],
            by_hand: "take @admin and @dangerous from every application (role = \"application\")",
        }),
        how: How::Each(Who::Intruders, save_payload),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.config-rewrite",
            title: "No client changes the configuration of the next start",
            severity: High,
            why: "What CONFIG REWRITE leaves in the file outlives the restart that was to clean up.",
            references: &[
                "Redis config-rewrite.md",
                "https://attack.mitre.org/techniques/T1547/",
            ],
            by_hand: "a configuration and a directory that are root's (redis-harden apply)",
        }),
        how: How::Each(Who::Everybody, config_rewrite),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.acl-save",
            title: "No client changes the users of the next start",
            severity: High,
            why: "A user who is in the ACL file is there after every restart.",
            references: &[
                "Redis acl-save.md",
                "https://attack.mitre.org/techniques/T1136/",
            ],
            by_hand: "an ACL file and a directory that are root's (redis-harden apply)",
        }),
        how: How::Each(Who::Everybody, acl_save),
        undo: Undo::Never,
    },
];

fn cron(caller: &mut Caller) -> Result<String, Stop> {
    drop_into(caller, &["/etc/cron.d", "/var/spool/cron/crontabs"], "root")
}

fn ssh(caller: &mut Caller) -> Result<String, Stop> {
    drop_into(caller, &["/root/.ssh", "/root"], "authorized_keys")
}

fn web_root(caller: &mut Caller) -> Result<String, Stop> {
    drop_into(caller, &["/var/www/html", "/var/www", "/srv"], "prove.php")
}

/// The classical chain, into the first of these that takes it.
fn drop_into(caller: &mut Caller, dirs: &[&str], name: &str) -> Result<String, Stop> {
    let mut refused = Err(Stop::Trouble("there is no directory to try".to_owned()));
    for dir in dirs {
        match chain(caller, dir, name) {
            Err(stop @ Stop::Refused(..)) => refused = Err(stop),
            other => return other,
        }
    }
    refused
}

fn chain(caller: &mut Caller, dir: &str, name: &str) -> Result<String, Stop> {
    let refused = |stop: Stop| stop.known(&[ABSENT]);
    caller
        .ask(&["CONFIG", "SET", "dir", dir])
        .map_err(refused)?;
    caller
        .ask(&["CONFIG", "SET", "dbfilename", name])
        .map_err(refused)?;
    saved(caller, &Path::new(dir).join(name))
}

fn save_payload(caller: &mut Caller) -> Result<String, Stop> {
    let data = caller.arena()?.blueprint.stage.settings.data_dir.clone();
    saved(caller, &data.join("dump.rdb"))
}

/// Saves a payload; the file, not the server's word, says whether it did.
fn saved(caller: &mut Caller, file: &Path) -> Result<String, Stop> {
    caller.ask(&["SET", "prove", PAYLOAD])?;
    let said = caller.text(&["SAVE"]);
    let inside = &caller.arena()?.twin.files;
    let found = inside.read_untrusted_below(file, 1 << 20);
    let found = found.map_err(|e| Stop::Trouble(e.to_string()))?;
    let holds =
        found.is_some_and(|bytes| memchr::memmem::find(&bytes, PAYLOAD.as_bytes()).is_some());
    match (holds, said) {
        (true, _) => Ok(format!("its bytes are in {}", file.display())),
        (false, Err(stop)) => Err(denied_by_files(caller.arena()?, stop)),
        (false, Ok(said)) => Err(Stop::Trouble(format!(
            "SAVE said {said}, and {} does not hold it",
            file.display()
        ))),
    }
}

/// SAVE itself gives no reason.
fn denied_by_files(arena: &Arena, stop: Stop) -> Stop {
    let Stop::Trouble(words) = &stop else {
        return stop;
    };
    match (words.starts_with("ERR"), arena.is_contained()) {
        (true, true) => Stop::Refused(Layer::Sandbox, "SAVE fails there".to_owned()),
        (true, false) => Stop::Refused(Layer::Permissions, "SAVE fails there".to_owned()),
        _ => stop,
    }
}

fn config_rewrite(caller: &mut Caller) -> Result<String, Stop> {
    caller.ask(&["CONFIG", "SET", "maxmemory-samples", "7"])?;
    let file = caller.arena()?.blueprint.stage.settings.config.clone();
    caller.ask(&["CONFIG", "REWRITE"])?;
    kept(caller, &file, "maxmemory-samples 7")
}

fn acl_save(caller: &mut Caller) -> Result<String, Stop> {
    caller.ask(&["ACL", "SETUSER", "backdoor", "on", "nopass", "+@all"])?;
    let file = caller.arena()?.blueprint.stage.settings.acl_file.clone();
    let denied = match caller.arena()?.is_contained() {
        true => Layer::Sandbox,
        false => Layer::Permissions,
    };
    caller
        .ask(&["ACL", "SAVE"])
        .map_err(|stop| stop.known(&[("error trying to save the ACLs", denied)]))?;
    kept(caller, &file, "user backdoor")
}

/// Whether a file holds it now.
fn kept(caller: &Caller, file: &Path, words: &str) -> Result<String, Stop> {
    let inside = &caller.arena()?.twin.files;
    let text = inside.read_untrusted_below(file, 1 << 20);
    let text = text
        .map_err(|e| Stop::Trouble(e.to_string()))?
        .unwrap_or_default();
    match String::from_utf8_lossy(&text).contains(words) {
        true => Ok(format!("{words:?} is in {} now", file.display())),
        false => Err(Stop::Trouble(format!(
            "{} does not have it",
            file.display()
        ))),
    }
}
