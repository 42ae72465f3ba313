//! What a running server takes without a restart, and how it is told.

use super::effective::table::{Table, Version};
use super::line::Line;
use super::users::User;
use super::{Told, silence};
use crate::host::{HostError, HostResult};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Directives that a server reads at its start only, or that `CONFIG SET` refuses (`enable-protected-configs no`).
/// Asked of Redis 7.0.15, Redis 8.0 and Valkey 8.1; `tests/live.rs` asks again.
const AT_START: [&str; 51] = [
    "aclfile",
    "always-show-logo",
    "aof-rewrite-cpulist",
    "aof_rewrite_cpulist",
    "appenddirname",
    "appendfilename",
    // It is no fixed one, but what turns it on or off has the data in mind: takeover.rs.
    "appendonly",
    "bgsave-cpulist",
    "bgsave_cpulist",
    "bio-cpulist",
    "bio_cpulist",
    "cluster-config-file",
    "cluster-enabled",
    "cluster-port",
    "daemonize",
    "databases",
    "dbfilename",
    "dir",
    "disable-thp",
    "enable-debug-command",
    "enable-module-command",
    "enable-protected-configs",
    "include",
    "io-threads",
    "io-threads-do-reads",
    "loadmodule",
    "logfile",
    "pidfile",
    "rdbchecksum",
    "rdma-bind",
    "rdma-completion-vector",
    "rdma-port",
    "rdma-rx-size",
    "rename-command",
    "replicaof",
    "server-cpulist",
    "server_cpulist",
    "set-proc-title",
    "slaveof",
    "socket-mark-id",
    "supervised",
    "syslog-enabled",
    "syslog-facility",
    "syslog-ident",
    "tcp-backlog",
    "tls-cluster",
    "unixsocket",
    "unixsocketgroup",
    "unixsocketperm",
    "user",
    "port",
];

/// Whether only a restart brings a new value about. One that no version knows is a start's to refuse.
pub fn needs_restart(directive: &str) -> bool {
    static LIVE: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for version in Version::ALL {
            names.extend(Table::of(version).names());
        }
        names.retain(|name| !AT_START.contains(name));
        names
    });
    !LIVE.contains(directive)
}

/// The directive of a line, in lower case.
pub fn name(line: &str) -> String {
    let name = line.split_whitespace().next().unwrap_or_default();
    name.to_ascii_lowercase()
}

/// The lines of a configuration that a running server does not take.
pub fn read_at_start(conf: &str) -> impl Iterator<Item = &str> {
    conf.lines().filter(|line| needs_restart(&name(line)))
}

/// All of a change in one command: either the server takes every value, or it keeps every one that it has.
/// Source: Redis 7.0 config.c configSetCommand.
pub fn set_directives(connection: &mut Line, values: &[(String, String)]) -> HostResult<()> {
    if values.is_empty() {
        return Ok(());
    }
    let mut command = redis::cmd("CONFIG");
    command.arg("SET");
    for (name, value) in values {
        command.arg(name).arg(value);
    }
    run(connection, &command, "CONFIG SET")
}

/// Makes a user exactly what `line` (`user NAME rule…`) says. Never `ACL LOAD`, which in 7.0 ends every client's connection.
pub fn set_user(connection: &mut Line, line: &str) -> HostResult<()> {
    let mut words = line.split_whitespace().skip(1);
    let name = words.next().unwrap_or_default();
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg(name).arg("reset");
    for rule in words {
        command.arg(rule);
    }
    run(connection, &command, &format!("ACL SETUSER {name}"))
}

/// Gives a user these passwords, in place of those that it has, in one step; its rights and its clients stay.
pub fn set_passwords(connection: &mut Line, name: &str, digests: &[String]) -> HostResult<()> {
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg(name).arg("resetpass");
    for digest in digests {
        command.arg(format!("#{digest}"));
    }
    run(connection, &command, &format!("ACL SETUSER {name}"))
}

/// Ends the connections of a user. Returns how many there were.
pub fn disconnect(connection: &mut Line, name: &str) -> HostResult<u64> {
    let mut command = redis::cmd("CLIENT");
    command.arg("KILL").arg("USER").arg(name);
    let reply = command.query(connection);
    reply.map_err(|e| HostError::refused("CLIENT KILL USER", silence(e).to_string()))
}

/// Removes a user; its clients are disconnected.
pub fn delete_user(connection: &mut Line, name: &str) -> HostResult<()> {
    let mut command = redis::cmd("ACL");
    command.arg("DELUSER").arg(name);
    run(connection, &command, &format!("ACL DELUSER {name}"))
}

/// The lines of `ACL LIST`.
pub fn user_lines(connection: &mut Line) -> HostResult<Vec<String>> {
    let reply = redis::cmd("ACL").arg("LIST").query(connection);
    reply.map_err(|e| HostError::refused("ACL LIST", silence(e).to_string()))
}

/// A line with its rules for single commands in order: each process lists them in an order of its own. They commute, but for a
/// command and its own subcommands, of which the command comes first.
pub fn in_order(line: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    // A closing parenthesis stays where it is, and a category is about commands beside it.
    let is_rule = |word: &str| word.starts_with(['+', '-']) && !word.contains(['@', ')']);
    for run in words.chunk_by_mut(|a, b| is_rule(a) && is_rule(b)) {
        run.sort_by_key(|word| {
            let name = word.trim_start_matches(['+', '-']);
            let (command, subcommand) = name.split_once('|').unwrap_or((name, ""));
            (command, subcommand)
        });
    }
    words.join(" ")
}

/// The name in a line `user NAME rule…`.
pub fn name_of(line: &str) -> &str {
    line.split_whitespace().nth(1).unwrap_or_default()
}

/// The users that the server has and these lines do not name. `default` cannot be removed.
pub fn not_named(told: &Told, lines: &str) -> Vec<String> {
    let users = told.users.0.as_deref().unwrap_or_default();
    let named = |user: &&User| lines.lines().any(|line| name_of(line) == user.name);
    let others = users.iter().filter(|u| u.name != "default" && !named(u));
    others.map(|user| user.name.clone()).collect()
}

fn run(connection: &mut Line, command: &redis::Cmd, doing: &str) -> HostResult<()> {
    let reply: redis::RedisResult<redis::Value> = command.query(connection);
    // The words of an error may repeat an argument, but no rule of ours holds a password: only hashes.
    reply
        .map(drop)
        .map_err(|e| HostError::refused(doing, silence(e).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_that_commute_change_places() {
        let line = "user a on ~z ~a +@all -set -memory +memory|usage -get +b +a (~x +z -y)";
        assert_eq!(
            in_order(line),
            "user a on ~z ~a +@all +a +b -get -memory +memory|usage -set (~x +z -y)"
        );
    }

    #[test]
    fn only_what_is_read_at_the_start_calls_for_a_restart() {
        let conf =
            "bind 127.0.0.1\ntcp-backlog 511\nmaxclients 100\nDIR /x\nsearch.timeout 5\nbogus 1\n";
        let lines: Vec<&str> = read_at_start(conf).collect();
        assert_eq!(
            lines,
            ["tcp-backlog 511", "DIR /x", "search.timeout 5", "bogus 1"]
        );
    }
}
