//! The running server itself: asked only what changes nothing, so that what holds for its twin is known to hold for it.

use super::{Reason, control};
use crate::control::Severity::{Critical, High};
use crate::facts::View;
use crate::prove::attempts::access::PUBLISHED;
use crate::prove::blueprint_digest as digest;
use crate::prove::judgement::{Layer, Outcome};
use crate::prove::look::Look;
use crate::prove::{Attempt, How, Undo};
use crate::redis::session::text;

/// What guards a server; its twin has it from the file.
const GUARDS: [&str; 8] = [
    "bind",
    "port",
    "tls-port",
    "protected-mode",
    "enable-protected-configs",
    "enable-debug-command",
    "enable-module-command",
    "tls-auth-clients",
];

/// What no application may do, as `ACL DRYRUN` is asked.
const FORBIDDEN: [&[&str]; 12] = [
    &["CONFIG", "SET", "dir", "/"],
    &["CONFIG", "GET", "requirepass"],
    &["DEBUG", "SLEEP", "0"],
    &["MODULE", "LOAD", "/x.so"],
    &["REPLICAOF", "NO", "ONE"],
    &["ACL", "SETUSER", "x"],
    &["SHUTDOWN"],
    &["FLUSHALL"],
    &["SAVE"],
    &["MONITOR"],
    &["EVAL", "return 1", "0"],
    &["FUNCTION", "LOAD", "x"],
];

pub const ATTEMPTS: &[Attempt] = &[
    Attempt {
        control: control(Reason {
            id: "prove.live-anonymous",
            title: "The running server does not serve a client without a password",
            severity: Critical,
            why: "The twin is made from the file; the server that runs may have been told otherwise since.",
            references: &["Redis security.md, Protected mode"],
            by_hand: "give every user a password and turn `default` off (redis-harden apply does)",
        }),
        how: How::Live(anonymous),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.live-passwords",
            title: "No user of the running server has a password of a published list",
            severity: Critical,
            why: "Its hashes are compared; nothing is tried, so that its ACL log stays clean.",
            references: &[
                "Redis acl.md",
                "https://attack.mitre.org/techniques/T1110/001/",
            ],
            by_hand: "replace the password by a generated one of 256 bits",
        }),
        how: How::Live(passwords),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.live-permissions",
            title: "No user of the running server but the admin may do what an intruder wants",
            severity: High,
            why: "ACL DRYRUN asks the server itself, and runs nothing.",
            references: &["Redis acl-dryrun.md"],
            by_hand: "take @admin, @dangerous and @scripting from every application",
        }),
        how: How::Live(permissions),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.live-guards",
            title: "The running server has the guards that its configuration gives it",
            severity: High,
            why: "What was proven on the twin holds for the server only where it is guarded as the twin is.",
            references: &["Redis config-get.md"],
            by_hand: "restart it, or set the directive back by CONFIG SET",
        }),
        how: How::Live(guards),
        undo: Undo::Never,
    },
];

fn anonymous(look: &Look) -> Outcome {
    let who = "a client without password";
    match (&look.instance.view, &look.instance.anonymous) {
        (View::NotRunning, _) => Outcome::NotApplicable("no server runs here".to_owned()),
        (_, Ok(true)) => Outcome::Succeeded(format!("{who}: PING is answered")),
        (_, Ok(false)) => Outcome::refused(who, Layer::Acl, "PING is refused"),
        (_, Err(why)) => Outcome::Untried(why.clone()),
    }
}

fn passwords(look: &Look) -> Outcome {
    let users = match look.told() {
        Ok(told) => &told.users.0,
        Err(outcome) => return outcome,
    };
    let users = match users {
        Ok(users) => users,
        Err(why) => return Outcome::Untried(why.clone()),
    };
    for user in users.iter().filter(|user| user.on) {
        if user.nopass {
            return Outcome::Succeeded(format!("user {}: any password will do", user.name));
        }
        let known = PUBLISHED.iter().find(|p| user.hashes.contains(&digest(p)));
        if let Some(password) = known {
            return Outcome::Succeeded(format!("user {}: its password is {password:?}", user.name));
        }
    }
    Outcome::refused(
        "anybody",
        Layer::Acl,
        format!("{} published passwords are nobody's", PUBLISHED.len()),
    )
}

fn permissions(look: &Look) -> Outcome {
    let users = match look.told() {
        Ok(told) => told.users.0.clone(),
        Err(outcome) => return outcome,
    };
    let session = look.session();
    let (users, mut session) = match (users, session) {
        (Ok(users), Ok(session)) => (users, session),
        (Err(why), _) | (_, Err(why)) => return Outcome::Untried(why),
    };
    let ours = look.ours();
    let applications: Vec<_> = (users.iter())
        .filter(|user| user.on && !ours.contains(&user.name))
        .collect();
    for user in &applications {
        for command in FORBIDDEN {
            let words = [&["ACL", "DRYRUN", &user.name], command].concat();
            match session.ask(&words) {
                Ok(reply) if text(&reply) == "OK" => {
                    return Outcome::Succeeded(format!(
                        "user {}: may {}",
                        user.name,
                        command.join(" ")
                    ));
                }
                Ok(_) => {}
                Err(why) => return Outcome::Untried(format!("ACL DRYRUN: {why}")),
            }
        }
    }
    let count = applications.len();
    Outcome::refused(
        "every application",
        Layer::Acl,
        format!("ACL DRYRUN refuses {} commands to {count}", FORBIDDEN.len()),
    )
}

fn guards(look: &Look) -> Outcome {
    let told = match look.told() {
        Ok(told) => told,
        Err(outcome) => return outcome,
    };
    let file = match look.file() {
        Ok(file) => file,
        Err(why) => return Outcome::Untried(why),
    };
    let differs = GUARDS.iter().filter_map(|name| {
        let (given, has) = (file.get(*name)?, told.directives.get(*name)?);
        let same = given.split_whitespace().eq(has.split_whitespace());
        (!same).then(|| format!("{name} is {has}, and {given} in its file"))
    });
    let differs: Vec<String> = differs.collect();
    match differs.is_empty() {
        true => Outcome::refused(
            "who has changed it",
            Layer::Config,
            "its guards are those of its file",
        ),
        false => Outcome::Succeeded(format!("the running server: {}", differs.join("; "))),
    }
}
