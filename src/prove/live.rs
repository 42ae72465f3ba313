//! `--live`: on the running server itself, where it holds nothing and nobody follows it, what can be undone; and it is undone.

use super::caller::{Caller, Ring, Who, fold, of_one};
use super::look::Look;
use super::{Attempt, How, Outcome, Stop};
use crate::redis::session::Session;
use crate::redis::users::User;
use crate::redis::{Login, fields};
use crate::setting::secret;

/// How what an attempt leaves is taken away again, by the admin.
#[derive(Clone, Copy, Debug)]
pub enum Undo {
    /// It leaves something that cannot be taken away, or takes the server with it: on a twin only.
    Never,
    /// By these commands.
    By(&'static [&'static [&'static str]]),
}

/// Why the server is not one that this may be tried on; nothing, where it is.
pub fn obstacle(look: &Look) -> Result<(), String> {
    look.told().map_err(|outcome| match outcome {
        Outcome::Untried(why) | Outcome::NotApplicable(why) => why,
        _ => "it told nothing".to_owned(),
    })?;
    let mut session = look.session()?;
    let info = session.text(&["INFO", "everything"]);
    let info = fields(&info.map_err(|e| e.to_string())?);
    let is_database = |key: &str| {
        let number = key.strip_prefix("db");
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let is = |name: &str, value: &str| info.get(name).is_some_and(|v| v == value);
    match () {
        () if info.keys().any(|key| is_database(key)) => Err("it holds keys".to_owned()),
        () if !is("role", "master") => Err("it is a replica".to_owned()),
        () if !is("connected_slaves", "0") => Err("it has replicas".to_owned()),
        () if is("cluster_enabled", "1") => Err("it is a part of a cluster".to_owned()),
        () => Ok(()),
    }
}

/// One attempt on the running server; one that cannot be undone is made on a twin, as ever.
pub fn attempt(look: &Look, attempt: &Attempt) -> Option<Outcome> {
    let (How::Each(who, attack), Undo::By(commands)) = (attempt.how, attempt.undo) else {
        return None;
    };
    let made = || -> Result<Outcome, String> {
        // Keys may have come since.
        obstacle(look)?;
        let mut admin = look.session()?;
        let log = admin
            .text(&["ACL", "LOG", "1"])
            .map_err(|e| e.to_string())?;
        let outcome = by_each(look, who, attack);
        let undone = undo(&mut admin, commands, log.is_empty());
        match undone {
            Ok(()) => Ok(outcome),
            Err(why) => Err(format!("what it left could not be taken away: {why}")),
        }
    };
    Some(made().unwrap_or_else(Outcome::Untried))
}

fn undo(admin: &mut Session, commands: &[&[&str]], log_was_empty: bool) -> Result<(), String> {
    for command in commands {
        admin.ask(command).map_err(|e| e.to_string())?;
    }
    // Its refusals are ours, where there were none before.
    match log_was_empty {
        true => {
            let reset = admin.ask(&["ACL", "LOG", "RESET"]);
            reset.map(drop).map_err(|e| e.to_string())
        }
        false => Ok(()),
    }
}

fn by_each(look: &Look, who: Who, attack: fn(&mut Caller) -> Result<String, Stop>) -> Outcome {
    let policy = &look.instance.policy;
    let ours = look.ours();
    let users = look.told().ok().and_then(|told| told.users.0.as_ref().ok());
    let users = users.map_or(&[][..], Vec::as_slice);
    let mut logins = vec![("a client without password".to_owned(), Ok(None))];
    for name in policy.acl_users().keys() {
        let is_there = |user: &User| user.name == name.as_str() && user.on;
        let tries = !matches!(who, Who::Outsiders | Who::Strangers);
        if !tries || ours.contains(&name.to_string()) || !users.iter().any(is_there) {
            continue;
        }
        let password = secret::password_of(look.host, &policy.password_of(name));
        let login = match password {
            Ok(Some(password)) => Ok(Some(Login {
                user: name.to_string(),
                password,
            })),
            Ok(None) => Err("its password is not there".to_owned()),
            Err(e) => Err(e.to_string()),
        };
        logins.push((format!("user {name}"), login));
    }
    let ring = Ring::Live {
        contained: look.instance.report.is_some(),
    };
    fold(logins.into_iter().map(|(name, login)| {
        let session = login
            .map_err(Stop::Trouble)
            .and_then(|login| look.open(login.as_ref()).map_err(Stop::Trouble));
        let made = session.and_then(|session| attack(&mut Caller::in_ring(ring, session)));
        of_one(name, made)
    }))
}
