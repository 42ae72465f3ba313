//! `rename-command`: no policy has it; what it took away is taken by the rules of each user.

use super::Found;
use super::words::{note, printable};
use crate::policy::Role;
use crate::redis::acl;
use crate::redis::users::{Command, User, commands};
use std::collections::BTreeSet;

/// A command that has another name, or none.
pub(super) fn note_renamed(words: &[String], notes: &mut String) {
    let name = words.first().map(|w| printable(w).to_ascii_lowercase());
    let name = name.unwrap_or_default();
    let what = match (words.get(1).map(String::as_str), is_an_applications(&name)) {
        (Some(""), true) => {
            "it breaks Sentinel and the append-only file: rules = \"-NAME\" of each user does it instead"
        }
        (Some(""), false) => {
            "no application has it: [acl.NAME] takes the dangerous ones from all but admin; one more by rules = \"-NAME\""
        }
        _ => {
            "a program that uses its other name has to use its own again; who may is said by [acl.NAME]"
        }
    };
    note(notes, &format!("rename-command {name}"), what);
}

/// The commands that had another name, or none, as rules that take them away.
pub(super) fn taken(found: &Found) -> Vec<String> {
    let lines = found
        .lines
        .iter()
        .filter(|(name, _)| name == "rename-command");
    let names = lines.filter_map(|(_, words)| Some(words.first()?.to_ascii_lowercase()));
    let known = |name: &String| commands().any(|c| c.name.split('|').next() == Some(name.as_str()));
    let names: BTreeSet<String> = names.filter(known).collect();
    names.into_iter().collect()
}

/// Whether the role of an application has the command, or one of its subcommands.
pub(super) fn is_an_applications(name: &str) -> bool {
    let role = User::parse(&format!("user app on {}", acl::rules(Role::Application)));
    let of_it = |c: &Command| c.name.split('|').next() == Some(name);
    role.is_some_and(|role| commands().filter(of_it).any(|c| role.may(c)))
}
