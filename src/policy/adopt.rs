//! A policy out of a redis.conf: what it says where a policy says it, and of the rest, which is left out and why. Its passwords are never
//! repeated. Pure: asks no host.

mod directives;
mod keys;
mod renamed;
#[cfg(test)]
mod tests;
mod users;
mod words;

use super::{Policies, PolicyError};
use directives::directives;
use keys::keys;
use std::fmt::Write;
use users::users;

/// What a host has.
pub struct Found<'a> {
    /// `redis` or `valkey`.
    pub flavour: &'a str,
    /// The configuration.
    pub path: &'a str,
    /// Its directives in order, with their words.
    pub lines: Vec<(String, Vec<String>)>,
    /// The text of its ACL file; empty without one.
    pub users: &'a str,
    /// How long `default` shall keep its password.
    pub until: jiff::civil::Date,
}

/// The policy's text. An error is a value that a policy does not take, and where it would stand.
pub fn adopt(found: &Found) -> Result<String, PolicyError> {
    let mut notes = String::new();
    let mut text = format!(
        "# The policy of the Redis that {} configures.\nextends = \"production\"\n",
        found.path
    );
    for section in ["redis", "persistence"] {
        let mut keys = keys(found, section, &mut notes);
        if section == "redis" && found.flavour != "redis" {
            keys.insert_str(0, &format!("flavour = \"{}\"\n", found.flavour));
        }
        if !keys.is_empty() {
            let _ = write!(text, "\n[{section}]\n{keys}");
        }
    }
    text.push_str(&directives(found, &mut notes));
    text.push_str(&users(found, &mut notes));
    if last(found, "requirepass").is_some_and(|words| words.first().is_some_and(|w| !w.is_empty()))
    {
        let _ = write!(
            text,
            "\n# requirepass is the password of the user default. apply takes it over into secrets/default, and default lets in until\n\
             # this day; `redis-harden check --only acl.default-in-use` counts who still needs it. It has the rights of an application:\n\
             # what it needs beyond, such as KEYS, is named by rules = \"+keys\".\n[legacy]\ndefault-until = \"{}\"\n",
            found.until
        );
    }
    if !notes.is_empty() {
        let _ = write!(text, "\n# Not taken over:\n{notes}");
    }
    Policies::parse(&format!("the policy of {}", found.path), &text).map(|_| text)
}

fn last<'a>(found: &'a Found, name: &str) -> Option<&'a [String]> {
    let mut lines = found.lines.iter().rev();
    lines
        .find(|(n, _)| n == name)
        .map(|(_, words)| words.as_slice())
}
