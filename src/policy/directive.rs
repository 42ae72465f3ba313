//! Names that `[redis.directives]` refuses: what the policy has a key for, what would undo the hardening or hold a secret, and what no
//! server knows.

use crate::redis::effective::table::{Table, Version};
use std::collections::BTreeSet;

/// Directives that have a key of their own.
const OWN: [(&str, &str); 17] = [
    ("bind", "redis.bind"),
    ("port", "redis.port"),
    ("unixsocket", "redis.unix-socket"),
    ("maxclients", "redis.maxclients"),
    ("tcp-backlog", "redis.tcp-backlog"),
    ("timeout", "redis.timeout"),
    ("tcp-keepalive", "redis.tcp-keepalive"),
    ("maxmemory", "redis.maxmemory"),
    ("maxmemory-policy", "redis.maxmemory-policy"),
    ("databases", "redis.databases"),
    ("loglevel", "redis.log-level"),
    ("logfile", "redis.log-file"),
    ("dir", "redis.data-dir"),
    ("save", "persistence.save"),
    ("appendonly", "persistence.appendonly"),
    ("appendfsync", "persistence.appendfsync"),
    ("user", "[acl.NAME]"),
];

/// Directives that a policy may not have, each with the reason.
const REFUSED: [(&str, &str); 14] = [
    ("aclfile", "the ACL file is rendered from [acl.NAME]"),
    (
        "include",
        "the rendered file is whole: what it includes would be neither checked nor undone",
    ),
    (
        "loadmodule",
        "a module runs as Redis itself, with all its rights",
    ),
    (
        "masterauth",
        "a policy holds no password: [replication] names the user whose password is shown to the primary",
    ),
    (
        "primaryauth",
        "a policy holds no password: [replication] names the user whose password is shown to the primary",
    ),
    ("tls-key-file-pass", "a policy holds no password"),
    ("tls-client-key-file-pass", "a policy holds no password"),
    (
        "daemonize",
        "the supervisor runs the server in the foreground",
    ),
    ("supervised", "the supervisor tells systemd itself"),
    (
        "pidfile",
        "the supervisor knows the process; its file is rendered",
    ),
    ("unixsocketperm", "it is always 770"),
    (
        "enable-protected-configs",
        "it is always no: with it, a client can write files as Redis",
    ),
    (
        "enable-debug-command",
        "it is always no: DEBUG can crash the server",
    ),
    (
        "enable-module-command",
        "it is always no: a client could load code",
    ),
];

/// Judges the name of a directive.
pub(super) fn name(name: &str) -> Result<(), (String, String)> {
    let lower = name.to_ascii_lowercase();
    if let Some((_, key)) = OWN.iter().find(|(own, _)| *own == lower) {
        return Err((
            format!("{name:?} has a key of its own"),
            format!("write {key}"),
        ));
    }
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == lower) {
        return Err((format!("{name:?} cannot be set here"), (*why).to_owned()));
    }
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(known) {
        return Err((
            format!("{name:?} is no directive"),
            "write its name as redis.conf does, in lower case".into(),
        ));
    }
    match super::inherited::UNDERSTOOD.contains(&name) {
        true => Ok(()),
        false => of_a_server(name),
    }
}

/// No server starts on a name that it does not know.
fn of_a_server(name: &str) -> Result<(), (String, String)> {
    let names: BTreeSet<&str> = Version::ALL
        .into_iter()
        .flat_map(|version| Table::of(version).names())
        .collect();
    if names.contains(name) {
        return Ok(());
    }
    let names: Vec<&str> = names.into_iter().collect();
    let step = match super::shape::nearest(name, &names) {
        Some(near) => format!("did you mean {near:?}?"),
        None => {
            let versions = Version::ALL.map(|version| version.to_string());
            format!("known are those of {}", versions.join(", "))
        }
    };
    Err((format!("no server has the directive {name:?}"), step))
}
