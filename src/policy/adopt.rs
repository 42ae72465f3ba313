//! A policy out of a redis.conf: what it says where a policy says it, and of the rest, which is left out and why. Its passwords are never
//! repeated. Pure: asks no host.

use super::{Policies, PolicyError, Role};
use crate::redis::acl;
use crate::redis::effective::kind;
use crate::redis::effective::table::{Table, Version};
use crate::redis::users::{Command, User, commands};
use std::collections::BTreeSet;
use std::fmt::Write;

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

/// Directives with a key of their own: its section, its name, and what it is in TOML.
const KEYS: [(&str, &str, &str, Kind); 16] = [
    ("bind", "redis", "bind", Kind::List),
    ("port", "redis", "port", Kind::Number),
    ("unixsocket", "redis", "unix-socket", Kind::Text),
    ("maxclients", "redis", "maxclients", Kind::Number),
    ("tcp-backlog", "redis", "tcp-backlog", Kind::Number),
    ("timeout", "redis", "timeout", Kind::Number),
    ("tcp-keepalive", "redis", "tcp-keepalive", Kind::Number),
    ("maxmemory", "redis", "maxmemory", Kind::Text),
    ("maxmemory-policy", "redis", "maxmemory-policy", Kind::Text),
    ("databases", "redis", "databases", Kind::Number),
    ("loglevel", "redis", "log-level", Kind::Text),
    ("logfile", "redis", "log-file", Kind::Text),
    ("dir", "redis", "data-dir", Kind::Text),
    ("save", "persistence", "save", Kind::Pairs),
    ("appendonly", "persistence", "appendonly", Kind::Flag),
    ("appendfsync", "persistence", "appendfsync", Kind::Text),
];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Flag,
    List,
    Pairs,
}

/// What says nothing where it stands at its default, or is rendered all the same.
const OURS: [&str; 9] = [
    "daemonize",
    "supervised",
    "pidfile",
    "aclfile",
    "unixsocketperm",
    "always-show-logo",
    "set-proc-title",
    "proc-title-template",
    "dbfilename",
];

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

/// The keys of a section that differ from the profile's; one that a policy does not take is noted with its reason.
fn keys(found: &Found, section: &str, notes: &mut String) -> String {
    let mut keys = String::new();
    for (name, _, key, kind) in KEYS.iter().filter(|k| k.1 == section) {
        let Some(words) = last(found, name) else {
            continue;
        };
        let Some(value) = value(found, name, words, *kind) else {
            continue;
        };
        let line = format!("{key} = {value}\n");
        let alone = format!("[{section}]\n{line}");
        match Policies::parse("redis.conf", &alone) {
            Ok(policies)
                if Policies::builtin(super::profile::DEFAULT)
                    .is_ok_and(|p| p.instances == policies.instances) => {}
            Ok(_) => keys.push_str(&line),
            Err(e) => note(notes, name, &reason(&e)),
        }
    }
    keys
}

fn value(found: &Found, name: &str, words: &[String], kind: Kind) -> Option<String> {
    let first = words.first()?;
    // Where Debian's package keeps them, and ours.
    let usual = [
        "/var/lib/redis",
        "/var/log/redis/redis-server.log",
        "/var/run/redis/redis-server.sock",
        "/run/redis/redis-server.sock",
    ];
    if usual.contains(&first.as_str())
        || (name == "logfile" && first.is_empty())
        || (name == "maxmemory" && first == "0")
    {
        return None;
    }
    Some(match kind {
        Kind::Text => quoted(first),
        Kind::Number => first.clone(),
        Kind::Flag => (first == "yes").to_string(),
        Kind::List => list(words.iter().map(String::as_str)),
        Kind::Pairs => {
            // An empty line takes back what stood before it.
            let lines = found.lines.iter().filter(|(n, _)| n == name);
            let mut pairs: Vec<String> = Vec::new();
            for (_, words) in lines {
                if words.iter().all(String::is_empty) {
                    pairs.clear();
                }
                pairs.extend(words.chunks_exact(2).map(|pair| pair.join(" ")));
            }
            list(pairs.iter().map(String::as_str))
        }
    })
}

/// What has no key of its own.
fn directives(found: &Found, notes: &mut String) -> String {
    let mut lines: Vec<(&str, Vec<String>)> = Vec::new();
    for (name, words) in &found.lines {
        let known = KEYS.iter().any(|k| k.0 == name) || OURS.contains(&name.as_str());
        if known || ["requirepass", "user"].contains(&name.as_str()) {
            continue;
        }
        if name == "rename-command" {
            renamed(words, notes);
            continue;
        }
        if is_default(name, words) {
            lines.retain(|(n, _)| n != name || name == "client-output-buffer-limit");
            continue;
        }
        let line = words.iter().map(|w| plain(w)).collect::<Vec<_>>().join(" ");
        match lines.iter_mut().find(|(n, _)| n == name) {
            // Of most the last counts; those that add up are lines of their own.
            Some((_, all)) if name == "client-output-buffer-limit" => all.push(line),
            Some((_, all)) => *all = vec![line],
            None => lines.push((name, vec![line])),
        }
    }
    let mut text = String::new();
    for (name, values) in lines {
        let value = match values.as_slice() {
            [one] => quoted(one),
            all => list(all.iter().map(String::as_str)),
        };
        let line = format!("{name} = {value}\n");
        match Policies::parse("redis.conf", &format!("[redis.directives]\n{line}")) {
            Ok(_) => text.push_str(&line),
            Err(e) => note(notes, name, &reason(&e)),
        }
    }
    match text.is_empty() {
        true => text,
        false => format!("\n[redis.directives]\n{text}"),
    }
}

/// Whether a line says what Redis does without it: what a policy hardens must not be taken back by a file that says nothing.
fn is_default(name: &str, words: &[String]) -> bool {
    const LIMITS: [&str; 4] = [
        "normal 0 0 0",
        "replica 256mb 64mb 60",
        "slave 256mb 64mb 60",
        "pubsub 32mb 8mb 60",
    ];
    if name == "client-output-buffer-limit" {
        return LIMITS.contains(&words.join(" ").as_str());
    }
    let words: Vec<Vec<u8>> = words.iter().map(|w| w.clone().into_bytes()).collect();
    Version::ALL.into_iter().any(|version| {
        let directive = Table::of(version).directive(name);
        directive.is_some_and(|d| kind::value(d, &words).is_ok_and(|value| value == d.default))
    })
}

/// A command that has another name, or none.
fn renamed(words: &[String], notes: &mut String) {
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
fn taken(found: &Found) -> Vec<String> {
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
fn is_an_applications(name: &str) -> bool {
    let role = User::parse(&format!("user app on {}", acl::rules(Role::Application)));
    let of_it = |c: &Command| c.name.split('|').next() == Some(name);
    role.is_some_and(|role| commands().filter(of_it).any(|c| role.may(c)))
}

/// The users of its own, with their rules and without their passwords.
fn users(found: &Found, notes: &mut String) -> String {
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

fn note(notes: &mut String, name: &str, why: &str) {
    let _ = writeln!(notes, "#   {}: {}", printable(name), printable(why));
}

/// What is wrong, without the place, which is none of a file's.
fn reason(error: &PolicyError) -> String {
    let text = error.to_string();
    let mut lines = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("= "));
    let help = lines.next_back().unwrap_or("a policy does not take it");
    help.strip_prefix("help: ").unwrap_or(help).to_owned()
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A word as redis.conf has it.
fn plain(word: &str) -> String {
    match word.is_empty() || word.contains(' ') {
        true => format!("\"{word}\""),
        false => word.to_owned(),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    toml::Value::Array(items.map(|i| toml::Value::String(i.to_owned())).collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::config;

    fn of(conf: &str, users: &str) -> String {
        let found = Found {
            flavour: "redis",
            path: "/etc/redis/redis.conf",
            lines: config::parse(conf),
            users,
            until: "2027-01-31".parse().expect("a day"),
        };
        adopt(&found).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn what_a_stock_configuration_says_is_the_profiles_already() {
        let text = of(
            "bind 127.0.0.1 -::1\nport 6379\ntimeout 0\ndaemonize yes\ndir /var/lib/redis\nappendonly no\n",
            "",
        );
        assert!(
            !text.contains("[redis]") && !text.contains("[legacy]"),
            "{text}"
        );
        assert!(
            text.contains("[persistence]\nappendonly = false\n"),
            "{text}"
        );
    }

    #[test]
    fn a_configuration_of_the_guides_becomes_users_and_no_password_is_told() {
        let text = of(
            "bind 10.0.0.5 127.0.0.1\nport 6380\nmaxmemory 4gb\nrequirepass \"s3cr3t pass\"\nmasterauth s3cr3t\n\
             rename-command FLUSHALL \"\"\nrename-command CONFIG hidden-config\nrename-command SUBSCRIBE \"\"\nuser app on >pw123 ~app:* +@read\nhz 20\n\
             loadmodule /x.so\nsave 900 1\nsave 60 1000\n",
            "user jobs on #aa ~jobs:* +@all -@dangerous\nuser default on nopass ~* +@all\n",
        );
        for line in [
            "bind = [\"10.0.0.5\", \"127.0.0.1\"]\n",
            "port = 6380\n",
            "maxmemory = \"4gb\"\n",
            "save = [\"900 1\", \"60 1000\"]\n",
            "[redis.directives]\nhz = \"20\"\n",
            "[acl.app]\nrules = \"~app:* +@read -config -flushall -subscribe\"\n",
            "[acl.jobs]\nrules = \"~jobs:* +@all -@dangerous -config -flushall -subscribe\"\n",
            "#   rename-command subscribe: it breaks Sentinel",
            "[legacy]\ndefault-until = \"2027-01-31\"\n",
            "#   masterauth: a policy holds no password: [replication] names the user",
            "#   loadmodule: a module runs",
            "#   rename-command flushall: no application has it",
            "#   rename-command config: a program that uses its other name",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
        for secret in ["s3cr3t", "pw123", "#aa", "hidden-config"] {
            assert!(!text.contains(secret), "{secret} in\n{text}");
        }
    }
}
