//! Passwords in command lines: every user of the host can read those.

use super::processes::{Seen, seen};
use super::{Reading, Sight};
use crate::host::HostResult;
use crate::value::Value;
use std::path::Path;

/// Programs that take a Redis password.
const TOOLS: [&str; 10] = [
    "redis-server",
    "valkey-server",
    "redis-cli",
    "valkey-cli",
    "redis-benchmark",
    "valkey-benchmark",
    "memtier_benchmark",
    "redis_exporter",
    "valkey_exporter",
    "telegraf",
];

/// The options that are followed by one, or hold one after `=`. Source: redis-cli --help; redis_exporter's README.
const OPTIONS: [&str; 9] = [
    "--requirepass",
    "--masterauth",
    "--primaryauth",
    "-a",
    "--pass",
    "--authenticate",
    "-redis.password",
    "--redis.password",
    "-redis-password",
];

/// `FILE:PID` of each program that shows one.
pub fn read(sight: Sight) -> Reading {
    match told(sight) {
        Ok(told) if told.is_empty() => Reading::Absent,
        Ok(told) => Reading::Value(Value::Words(told), None),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

fn told(sight: Sight) -> HostResult<Vec<String>> {
    let all = seen(sight)?;
    let tools = all.iter().filter(|process| {
        TOOLS
            .iter()
            .any(|tool| process.is_called(tool) || process.calls_itself(tool))
    });
    let shows = |process: &&Seen| {
        let path = format!("/proc/{}/cmdline", process.pid);
        // It may have ended.
        let line = sight.host.read_text(Path::new(&path)).ok().flatten();
        line.is_some_and(|line| shows_password(&line))
    };
    Ok(tools.filter(shows).map(Seen::to_string).collect())
}

/// Words are ended by NUL. Source: proc_pid_cmdline(5).
fn shows_password(line: &str) -> bool {
    let words: Vec<&str> = line.split('\0').collect();
    let has = |word: &&str| {
        let (option, value) = word.split_once('=').unwrap_or((word, ""));
        OPTIONS.contains(word) || OPTIONS.contains(&option) && !value.is_empty() || in_url(word)
    };
    words.iter().any(has) || has_users_password(&words)
}

/// `--user NAME RULES`: a rule of an ACL that begins with `>`.
fn has_users_password(words: &[&str]) -> bool {
    let mut after = words.iter().skip_while(|word| **word != "--user").skip(1);
    after.any(|word| {
        word.split_whitespace()
            .any(|rule| rule.len() > 1 && rule.starts_with('>'))
    })
}

/// `redis://USER:PASSWORD@HOST`.
fn in_url(word: &str) -> bool {
    let rest = ["redis://", "rediss://", "valkey://", "valkeys://"]
        .iter()
        .find_map(|scheme| Some(word.split_once(scheme)?.1));
    let user = rest.and_then(|rest| rest.rsplit_once('@'));
    user.is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, pw)| !pw.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_option_that_holds_one_counts() {
        for (line, shown) in [
            ("redis-cli\0-a\0s3\0ping\0", true),
            ("redis-server\0--requirepass\0s3\0", true),
            ("/usr/bin/redis-server 127.0.0.1:6379\0", false),
            ("redis-cli\0--askpass\0", false),
            ("redis-cli\0--user\0app\0", false),
            ("redis-server\0--user\0app\0on\0>s3\0~*\0", true),
            ("redis-server\0--user\0app on >s3 ~*\0", true),
            ("redis-server\0--user\0app\0on\0#9f86d0\0", false),
            ("redis-cli\0-u\0redis://app:s3@h:6379\0", true),
            ("redis-cli\0-u\0redis://app@h:6379\0", false),
            ("redis_exporter\0--redis.password=s3\0", true),
            ("redis_exporter\0--redis.password-file=/etc/x\0", false),
            ("redis_exporter\0-redis.addr\0redis://:s3@h\0", true),
        ] {
            assert_eq!(shows_password(line), shown, "{line:?}");
        }
    }
}
