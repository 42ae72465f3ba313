//! Directives that are keys of `[redis]` and `[persistence]`.

use super::words::{list, note, quoted, reason};
use super::{Found, last};
use crate::policy::{Policies, profile};

/// Directives with a key of their own: its section, its name, and what it is in TOML.
pub(super) const KEYS: [(&str, &str, &str, Kind); 16] = [
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
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    List,
    Pairs,
}

/// The keys of a section that differ from the profile's; one that a policy does not take is noted with its reason.
pub(super) fn keys(found: &Found, section: &str, notes: &mut String) -> String {
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
                if Policies::builtin(profile::DEFAULT)
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
