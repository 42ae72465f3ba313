//! The users of a running server, held against those of the policy: which of them do what they should not.

use super::{Reading, Sight};
use crate::facts::{Instance, View};
use crate::policy::{Policy, Role};
use crate::redis::acl;
use crate::redis::users::{Command, User, commands};
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::fmt;

/// SHA-256 of passwords that stand in documentation, examples and the lists that scanners try first.
const PUBLISHED: &str = include_str!("../../data/published-passwords.txt");

/// What a user may be found to be. Reading it gives their names as `Value::Words`, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserFact {
    /// On, with any password or none.
    NoPassword,
    /// On, with a password that is published.
    PublishedPassword,
    /// Not in the policy.
    Unknown,
    /// In the policy, and not in the server, or off there.
    Missing,
    /// Another user than `admin` that may run commands of `@admin` or `@dangerous` which its role has not.
    Dangerous,
    /// Another user than `admin` that may run scripts or functions.
    Scripting,
    /// Another user than `admin` and a Sentinel's that may speak on Sentinel's channel.
    SpeaksAsSentinel,
    /// What it gives to RESTORE is believed unchecked.
    TrustedPayloads,
    /// In both, and not the same: its password, keys, channels or commands.
    Differing,
}

impl fmt::Display for UserFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UserFact::NoPassword => "users without password",
            UserFact::PublishedPassword => "users with a published password",
            UserFact::Unknown => "users that the policy does not know",
            UserFact::Missing => "users of the policy that are missing or off",
            UserFact::Dangerous => "users with dangerous commands",
            UserFact::Scripting => "users that may run scripts",
            UserFact::SpeaksAsSentinel => "users that may speak on Sentinel's channel",
            UserFact::TrustedPayloads => "users whose payloads are not checked",
            UserFact::Differing => "users that differ from the policy",
        })
    }
}

/// The users of which it is so.
pub fn read(sight: Sight, instance: &str, what: UserFact) -> Reading {
    let Some(known) = sight.facts.instances.get(instance) else {
        return Reading::NotApplicable(format!("{instance} is not running"));
    };
    let users = match &known.view {
        View::NotRunning => return Reading::NotApplicable(format!("{instance} is not running")),
        View::Silent(why) => return Reading::Unknown(why.clone()),
        View::Told(told) => match &told.users.0 {
            Ok(users) => users,
            Err(why) => return Reading::Unknown(format!("ACL LIST: {why}")),
        },
    };
    let found = named(sight, known, users, what);
    match found.is_empty() {
        true => Reading::Absent,
        false => Reading::Value(Value::Words(found), None),
    }
}

fn named(sight: Sight, known: &Instance, users: &[User], what: UserFact) -> Vec<String> {
    let policy = &known.policy;
    let wanted = User::parse_all(&acl::render(policy, &sight.facts.digests));
    let find = |all: &[User], name: &str| all.iter().find(|u| u.name == name).cloned();
    let names = |is: &dyn Fn(&User) -> bool| -> Vec<String> {
        let named = users.iter().filter(|u| is(u));
        named.map(|u| u.name.clone()).collect()
    };
    match what {
        UserFact::NoPassword => names(&|u| u.on && u.nopass),
        UserFact::PublishedPassword => {
            names(&|u| u.on && PUBLISHED.lines().any(|known| u.hashes.contains(known)))
        }
        UserFact::Unknown => names(&|u| find(&wanted, &u.name).is_none()),
        UserFact::Missing => {
            let gone = |w: &&User| w.on && find(users, &w.name).is_none_or(|u| !u.on);
            wanted.iter().filter(gone).map(|w| w.name.clone()).collect()
        }
        UserFact::TrustedPayloads => names(&|u| u.on && u.trusted_payloads),
        UserFact::Scripting => names(&|u| {
            let scripts = ["eval", "evalsha", "fcall", "script|load", "function|load"];
            u.on && !is_admin(policy, &u.name)
                && commands().any(|c| scripts.contains(&c.name) && u.may(c))
        }),
        UserFact::SpeaksAsSentinel => names(&|u| {
            let meant = [Role::Admin, Role::Sentinel];
            let meant = role(policy, &u.name).is_some_and(|role| meant.contains(&role));
            u.on && !meant && u.may_publish_on("__sentinel__:hello")
        }),
        UserFact::Dangerous => {
            let dangers = users
                .iter()
                .filter(|u| u.on && !is_admin(policy, &u.name))
                .map(|u| (u, dangers(policy, u)));
            let with = dangers.filter(|(_, commands)| !commands.is_empty());
            with.map(|(u, commands)| format!("{}:{}", u.name, few(&commands)))
                .collect()
        }
        UserFact::Differing => {
            let both = wanted
                .iter()
                .filter_map(|w| Some((w, find(users, &w.name)?)));
            let differ = both.map(|(w, u)| (&w.name, difference(w, &u)));
            let those = differ.filter(|(_, how)| !how.is_empty());
            those
                .map(|(name, how)| format!("{name}:{}", how.join(",")))
                .collect()
        }
    }
}

/// A user whose role has every command.
fn is_admin(policy: &Policy, name: &str) -> bool {
    role(policy, name) == Some(Role::Admin)
}

/// What the policy makes of a user.
fn role(policy: &Policy, name: &str) -> Option<Role> {
    let users = policy.acl_users();
    let known = users.iter().find(|(n, _)| n.as_str() == name);
    known.and_then(|(_, user)| user.role)
}

/// The dangerous commands that a user may run, but for those of its role.
fn dangers(policy: &Policy, user: &User) -> Vec<&'static str> {
    let users = policy.acl_users();
    let known = users.iter().find(|(name, _)| name.as_str() == user.name);
    let role = match user.name.as_str() {
        // Until its day it has the role of an application.
        "default" if policy.legacy.default_until.is_some() => Some(Role::Application),
        _ => known.and_then(|(_, user)| user.role),
    };
    let role = role.map(|role| acl::beside(policy, role));
    let role = User::parse(&format!("user role {}", role.unwrap_or_default()));
    let is = |c: &Command| {
        let meant = role.as_ref().is_some_and(|role| role.may(*c));
        (c.is_in("dangerous") || c.is_in("admin")) && user.may(*c) && !meant
    };
    commands().filter(is).map(|c| c.name).collect()
}

/// Whether the users of a server have not what a line `user NAME rule…` of the policy says.
pub fn differs(line: &str, there: &[User]) -> bool {
    let Some(wanted) = User::parse(line) else {
        return false;
    };
    let found = there.iter().find(|user| user.name == wanted.name);
    found.is_none_or(|found| {
        found.trusted_payloads != wanted.trusted_payloads || !difference(&wanted, found).is_empty()
    })
}

/// How a user differs from what the policy makes of it.
fn difference(wanted: &User, found: &User) -> Vec<String> {
    let mut how = Vec::new();
    let known = |user: &User| user.hashes.iter().all(|h| h.len() == 64);
    if wanted.on != found.on {
        how.push(if found.on { "on" } else { "off" }.to_owned());
    }
    // A password that cannot be read here is not known to be another.
    if wanted.on && known(wanted) && wanted.hashes != found.hashes {
        how.push("password".to_owned());
    }
    if !wanted.reaches_as(found) {
        how.push("keys-or-channels".to_owned());
    }
    let more = |a: &User, b: &User| -> Vec<&'static str> {
        let only = commands().filter(|c| a.may(*c) && !b.may(*c));
        only.map(|c| c.name).collect()
    };
    for (sign, commands) in [("+", more(found, wanted)), ("-", more(wanted, found))] {
        if !commands.is_empty() {
            how.push(format!("{sign}{}", few(&commands)));
        }
    }
    how
}

/// The first few, and how many more.
fn few(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let mut text = names
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join("+");
    if names.len() > SHOWN {
        text.push_str(&format!("+{}-more", names.len() - SHOWN));
    }
    text
}
