//! Users that the configuration has: `[acl.NAME]`, with their rules and without their passwords.

use super::Found;
use super::renamed::{is_an_applications, taken};
use super::words::{note, printable, quoted, reason};
use crate::policy::Policies;
use std::fmt::Write;

/// The users of its own, with their rules and without their passwords.
pub(super) fn users(found: &Found, notes: &mut String) -> String {
    let own = found.lines.iter().filter(|(name, _)| name == "user");
    let own = own.map(|(_, words)| words.join(" "));
    let file = found
        .users
        .lines()
        .filter_map(|line| line.trim().strip_prefix("user ").map(str::to_owned));
    let mut text = String::new();
    let taken = taken(found);
    let minus = |names: &mut dyn Iterator<Item = &String>| {
        names.map(|name| format!(" -{name}")).collect::<String>()
    };
    let mut names = Vec::new();
    for line in own.chain(file) {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        if name == "default" {
            note(
                notes,
                "user default",
                "it is off, but for what [legacy] says",
            );
            continue;
        }
        let words: Vec<&str> = words.collect();
        if words.contains(&"off") || words.contains(&"nopass") {
            note(
                notes,
                &format!("user {}", printable(name)),
                "it is off, or lets in without a password",
            );
            continue;
        }
        let password = |word: &&str| word.starts_with(['>', '<', '#', '!']);
        let kept = [
            "on",
            "resetpass",
            "reset",
            "sanitize-payload",
            "skip-sanitize-payload",
        ];
        let rules = words.iter().filter(|w| !password(w) && !kept.contains(w));
        let rules = rules.copied().collect::<Vec<_>>().join(" ") + &minus(&mut taken.iter());
        names.push(name.to_owned());
        let section = format!("[acl.{name}]\nrules = {}\n", quoted(&rules));
        match Policies::parse("redis.conf", &section) {
            Ok(_) => {
                let _ = write!(
                    text,
                    "\n# apply gives it a new password, unless secrets/{name} holds the one that it has.\n{section}"
                );
            }
            Err(e) => note(notes, &format!("user {}", printable(name)), &reason(&e)),
        }
    }
    // The application of the profile, whose role has some of them.
    let its = minus(&mut taken.iter().filter(|name| is_an_applications(name)));
    if !its.is_empty() && !names.iter().any(|name| name == "app") {
        let _ = write!(
            text,
            "\n# What rename-command took from everybody.\n[acl.app]\nrules = {}\n",
            quoted(its.trim_start())
        );
    }
    text
}
