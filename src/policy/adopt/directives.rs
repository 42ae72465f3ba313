//! Directives that stay directives, under `[redis.directives]`.

use super::Found;
use super::keys::KEYS;
use super::renamed::note_renamed;
use super::words::{list, note, plain, quoted, reason};
use crate::policy::Policies;
use crate::redis::effective::kind;
use crate::redis::effective::table::{Table, Version};

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

/// What has no key of its own.
pub(super) fn directives(found: &Found, notes: &mut String) -> String {
    let mut lines: Vec<(&str, Vec<String>)> = Vec::new();
    for (name, words) in &found.lines {
        let known = KEYS.iter().any(|k| k.0 == name) || OURS.contains(&name.as_str());
        if known || ["requirepass", "user"].contains(&name.as_str()) {
            continue;
        }
        if name == "rename-command" {
            note_renamed(words, notes);
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
