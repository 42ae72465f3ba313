//! redis.conf: rendered whole from the policy, and read where it is somebody else's.

use super::effective::table::{Table, Version};
use super::effective::words;
use super::{live, refusals};
use crate::policy::{DirectiveValue, Fsync, LogLevel, Policy};
use std::fmt::Write;

/// Directives that not every version knows, and that are ours where it does.
const NEWER: [(&str, &str); 1] = [("hide-user-data-from-log", "yes")];

/// The file, whole. `maxmemory` is in bytes; 0 is what an offline tree, which has no memory of its own, would get.
/// A version that is not known gets what every one knows.
pub fn render(policy: &Policy, maxmemory: u64, version: Option<Version>) -> String {
    let mut text = String::from(
        "# Rendered by redis-harden from the policy; a change here is undone by the next apply.\n",
    );
    for (name, value) in directives(policy, maxmemory, version) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} {value}");
    }
    text
}

/// The same without what it includes, which is a file of its own.
pub fn render_alone(policy: &Policy, maxmemory: u64, version: Option<Version>) -> String {
    let text = render(policy, maxmemory, version);
    let lines = text.lines().filter(|line| live::name(line) != "include");
    lines.map(|line| format!("{line}\n")).collect()
}

/// Name and arguments, in order. What `[redis.directives]` names comes last and replaces what stands before.
pub fn directives(
    policy: &Policy,
    maxmemory: u64,
    version: Option<Version>,
) -> Vec<(String, String)> {
    let mut lines = ours(policy, maxmemory);
    let table = version.map(Table::of);
    let knows = |name: &str| table.as_ref().is_some_and(|t| t.directive(name).is_some());
    let newer = NEWER.into_iter().filter(|(name, _)| knows(name));
    lines.extend(newer.map(|(name, value)| (name.to_owned(), value.to_owned())));
    for (name, value) in &policy.redis.directives {
        let name = name.to_ascii_lowercase();
        // It is made into rules of the ACL.
        if name == "rename-command" {
            continue;
        }
        lines.retain(|(n, _)| *n != name);
        lines.extend(arguments(value).into_iter().map(|v| (name.clone(), v)));
    }
    if policy.replication.user.is_some() {
        let file = policy.primary_password_file();
        lines.push(("include".to_owned(), quoted(&file.to_string_lossy())));
    }
    lines
}

/// Whether a server with this configuration writes its data to disk by itself.
pub fn persists(policy: &Policy) -> bool {
    directives(policy, 0, None)
        .iter()
        .any(|(name, value)| match name.as_str() {
            "appendonly" => value == "yes",
            "save" => !matches!(value.as_str(), "" | "\"\"" | "''"),
            _ => false,
        })
}

fn ours(policy: &Policy, maxmemory: u64) -> Vec<(String, String)> {
    let redis = &policy.redis;
    let mut lines: Vec<(&str, String)> = Vec::new();
    if policy.ports().is_empty() && redis.bind.is_empty() {
        // Without TCP there is nothing to bind.
    } else {
        lines.push(("bind", redis.bind.join(" ")));
    }
    lines.extend([
        ("port", policy.plain_port().to_string()),
        ("protected-mode", "yes".into()),
        (
            "unixsocket",
            quoted(&policy.unix_socket().to_string_lossy()),
        ),
        ("unixsocketperm", "770".into()),
        ("tcp-backlog", redis.tcp_backlog.to_string()),
        ("timeout", redis.timeout.to_string()),
        ("tcp-keepalive", redis.tcp_keepalive.to_string()),
        ("maxclients", redis.maxclients.to_string()),
        ("databases", redis.databases.to_string()),
        ("daemonize", "no".into()),
        ("supervised", "no".into()),
        ("pidfile", quoted(&policy.pid_file().to_string_lossy())),
        ("loglevel", log_level(redis.log_level).into()),
        ("logfile", log_file(policy)),
        ("always-show-logo", "no".into()),
        ("dir", quoted(&policy.data_dir().to_string_lossy())),
        ("dbfilename", "dump.rdb".into()),
        ("aclfile", quoted(&policy.acl_file().to_string_lossy())),
        // As many as are read: each keeps the words that were refused, however long they are.
        ("acllog-max-len", refusals::MOST.into()),
        ("enable-protected-configs", "no".into()),
        ("enable-debug-command", "no".into()),
        ("enable-module-command", "no".into()),
        ("sanitize-dump-payload", "clients".into()),
        ("maxmemory", maxmemory.to_string()),
        ("maxmemory-policy", redis.maxmemory_policy.clone()),
        ("maxmemory-clients", "10%".into()),
        ("client-output-buffer-limit", "normal 256mb 64mb 60".into()),
        ("lazyfree-lazy-eviction", "yes".into()),
        ("lazyfree-lazy-expire", "yes".into()),
        ("lazyfree-lazy-server-del", "yes".into()),
        ("lazyfree-lazy-user-del", "yes".into()),
        ("replica-lazy-flush", "yes".into()),
        ("disable-thp", "yes".into()),
        ("oom-score-adj", "relative".into()),
        ("oom-score-adj-values", "0 200 800".into()),
        ("latency-tracking", "yes".into()),
        ("latency-tracking-info-percentiles", "50 95 99 99.9".into()),
        ("latency-monitor-threshold", "100".into()),
        ("slowlog-log-slower-than", "10000".into()),
        ("stop-writes-on-bgsave-error", "yes".into()),
        ("rdbcompression", "yes".into()),
        ("rdbchecksum", "yes".into()),
        ("replica-read-only", "yes".into()),
    ]);
    let mut lines: Vec<(String, String)> =
        lines.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
    lines.extend(persistence(policy));
    let tls = policy.tls_directives().into_iter();
    lines.extend(tls.map(|(name, value)| (name.to_owned(), quoted(&value))));
    if let Some(user) = &policy.replication.user {
        lines.push(("masteruser".to_owned(), user.to_string()));
    }
    lines
}

/// Redis's own word for standard output is an empty name.
fn log_file(policy: &Policy) -> String {
    quoted(&policy.log_file().unwrap_or_default().to_string_lossy())
}

fn persistence(policy: &Policy) -> Vec<(String, String)> {
    let p = &policy.persistence;
    let mut lines: Vec<(String, String)> = vec![("save".into(), "\"\"".into())];
    lines.extend(p.save.iter().map(|pair| ("save".to_owned(), pair.clone())));
    let fsync = match p.appendfsync {
        Fsync::Always => "always",
        Fsync::Everysec => "everysec",
        Fsync::No => "no",
    };
    lines.push(("appendonly".into(), yes_no(p.appendonly).into()));
    lines.push(("appendfsync".into(), fsync.into()));
    lines.push(("no-appendfsync-on-rewrite".into(), "no".into()));
    lines.push(("aof-timestamp-enabled".into(), yes_no(p.appendonly).into()));
    lines
}

fn arguments(value: &DirectiveValue) -> Vec<String> {
    match value {
        DirectiveValue::Flag(flag) => vec![yes_no(*flag).into()],
        DirectiveValue::Number(n) => vec![n.to_string()],
        DirectiveValue::Line(line) => vec![if line.is_empty() {
            "\"\"".into()
        } else {
            line.clone()
        }],
        DirectiveValue::Lines(lines) => lines.clone(),
    }
}

fn yes_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn log_level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Verbose => "verbose",
        LogLevel::Notice => "notice",
        LogLevel::Warning => "warning",
    }
}

/// A word as `sdssplitargs` reads it back: quoted only where it must be.
pub fn quoted(word: &str) -> String {
    let plain = !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\'));
    if plain {
        return word.to_owned();
    }
    let escaped: String = word
        .bytes()
        .map(|b| match b {
            b'"' => "\\\"".to_owned(),
            b'\\' => "\\\\".to_owned(),
            0x20..=0x7e => char::from(b).to_string(),
            other => format!("\\x{other:02x}"),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// Splits a line as Redis does. `None` for unbalanced quotes, which Redis refuses to start on.
pub fn split(line: &str) -> Option<Vec<String>> {
    let words = words::split(line.as_bytes())?;
    Some(words.iter().map(|word| words::text(word)).collect())
}

/// The directives of a file, in order: lower-case name and arguments. Comments and lines that Redis would refuse are left out.
pub fn parse(text: &str) -> Vec<(String, Vec<String>)> {
    text.split('\n')
        .map(|line| line.trim_matches([' ', '\t', '\r']))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(split)
        .filter_map(|words| {
            let (name, arguments) = words.split_first()?;
            Some((name.to_ascii_lowercase(), arguments.to_vec()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_knows_what_is_rendered() {
        let text = "[tls]\nenabled = true\n[redis.directives]\ncluster-enabled = true\n";
        let policy = crate::policy::Policies::parse("test.toml", text).expect("production");
        let policy = policy.instances.first().expect("an instance");
        for version in Version::ALL {
            let table = Table::of(version);
            for (name, _) in directives(policy, 1 << 30, Some(version)) {
                assert!(table.directive(&name).is_some(), "{version} has no {name}");
            }
        }
    }

    #[test]
    fn what_is_quoted_reads_back_the_same() {
        for word in [
            "",
            "/var/lib/redis",
            "a b",
            "q\"uote",
            "back\\slash",
            "nl\n",
            "'",
        ] {
            assert_eq!(
                split(&quoted(word)),
                Some(vec![word.to_owned()]),
                "{word:?}"
            );
        }
    }
}
