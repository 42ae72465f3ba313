//! Which role may run which command, for every command that a server lists: asked by `ACL DRYRUN`, and held against what was decided,
//! in tests/fixtures/roles/. `REDIS_HARDEN_BLESS=1` writes what the servers say now; then it is to be read.

use super::users::{ROLES, apart, password};
use crate::support::server::{Program, Server};
use redis::{Connection, Value, cmd, from_redis_value};
use redis_harden::redis::users::{User, commands};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A key's name, a channel's, and what stands for every other argument: the one channel that a Sentinel speaks on.
const WORD: &str = "__sentinel__:hello";

/// What nobody but admin has, whatever the version: the commands of the guides, and those that carry code or data elsewhere.
const NEVER: [&str; 26] = [
    "flushall",
    "flushdb",
    "swapdb",
    "keys",
    "config|set",
    "config|get",
    "config|resetstat",
    "debug",
    "module|load",
    "module|loadex",
    "module|unload",
    "replicaof",
    "failover",
    "migrate",
    "restore",
    "monitor",
    "acl|setuser",
    "acl|load",
    "acl|save",
    "acl|list",
    "eval",
    "evalsha",
    "fcall",
    "script|load",
    "function|load",
    "save",
];

#[test]
fn every_command_of_the_server_is_decided_for_every_role() {
    let here = Program {
        name: "redis-server",
        root: None,
    };
    compare("redis-7.0", &here);
    // `tests/full roles` names a Debian 13 tree.
    if let Some(tree) = std::env::var_os("REDIS_HARDEN_TRIXIE").map(PathBuf::from) {
        for (table, name) in [
            ("redis-8.0", "redis-server"),
            ("valkey-8.1", "valkey-server"),
        ] {
            let root = Some(tree.as_path());
            compare(table, &Program { name, root });
        }
    }
}

fn compare(table: &str, program: &Program) {
    let server = Server::of(program, &[], &apart());
    let mut connection = server.connect();
    let _: () = cmd("AUTH")
        .arg(&["admin", &password("admin")])
        .query(&mut connection)
        .expect("it logs in");
    let decided = decisions(&mut connection);
    assert!(decided.len() > 300, "{table}: {}", decided.len());
    for (command, may) in &decided {
        assert!(may[0], "{table}: admin may not {command}");
        let others = ROLES.iter().zip(may).skip(1).filter(|(_, may)| **may);
        let others: Vec<_> = others.map(|(role, _)| *role).collect();
        let never = NEVER.contains(&command.as_str());
        assert!(!never || others.is_empty(), "{table}: {command} {others:?}");
    }
    agrees_with_our_reading(table, &decided);

    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/roles")
        .join(format!("{table}.txt"));
    let text = render(&decided);
    if std::env::var_os("REDIS_HARDEN_BLESS").is_some() {
        std::fs::write(&path, &text).expect("the table is written");
    }
    let kept = std::fs::read_to_string(&path).expect("the table is there");
    let unlike: Vec<_> = text
        .lines()
        .filter(|line| !kept.lines().any(|k| k == *line))
        .collect();
    assert!(text == kept, "{table}: not as decided:\n{unlike:#?}");
}

/// Our own judgement of rules, which `acl.dangerous` and the others go by.
fn agrees_with_our_reading(table: &str, decided: &BTreeMap<String, [bool; 8]>) {
    let users = User::parse_all(&apart());
    for command in commands() {
        let Some(may) = decided.get(command.name) else {
            continue;
        };
        // Known to every client, whatever its rules. Source: Redis commands.def, CMD_NO_AUTH.
        if ["auth", "hello", "quit", "reset"].contains(&command.name) {
            continue;
        }
        for (role, may) in ROLES.iter().zip(may) {
            let user = users.iter().find(|user| user.name == *role);
            let ours = user.expect("each has a user").may(command);
            // A category that a command joined later, such as `wait`, changes no role here.
            assert_eq!(ours, *may, "{table}: {role} {}", command.name);
        }
    }
}

/// By command, in the order of `ROLES`.
fn decisions(connection: &mut Connection) -> BTreeMap<String, [bool; 8]> {
    let reply: Vec<Value> = cmd("COMMAND").query(connection).expect("COMMAND");
    let mut all = Vec::new();
    reply.into_iter().for_each(|entry| flatten(entry, &mut all));
    let listed: Vec<String> = cmd("COMMAND")
        .arg("LIST")
        .query(connection)
        .expect("COMMAND LIST");
    for name in listed {
        let name = name.to_lowercase();
        let known = |(other, _): &(String, i64)| {
            *other == name || other.split('|').next() == Some(name.as_str())
        };
        assert!(all.iter().any(known), "COMMAND lacks {name}");
    }
    let decide = |(name, arity): (String, i64)| {
        let may = ROLES.map(|role| may_run(connection, role, &name, arity));
        (name, may)
    };
    all.into_iter().map(decide).collect()
}

/// Each command with its arity; of a container its subcommands, and itself where it is a command too.
fn flatten(entry: Value, into: &mut Vec<(String, i64)>) {
    let mut fields: Vec<Value> = from_redis_value(entry).expect("an array");
    let subcommands: Vec<Value> = from_redis_value(fields.swap_remove(9)).expect("subcommands");
    let arity: i64 = from_redis_value(fields.swap_remove(1)).expect("a number");
    let name: String = from_redis_value(fields.swap_remove(0)).expect("a name");
    if subcommands.is_empty() {
        into.push((name.to_lowercase(), arity));
    }
    subcommands.into_iter().for_each(|sub| flatten(sub, into));
}

fn may_run(connection: &mut Connection, role: &str, name: &str, arity: i64) -> bool {
    let words: Vec<&str> = name.split('|').collect();
    let length = usize::try_from(arity.abs()).expect("a small number");
    let mut ask = cmd("ACL");
    ask.arg("DRYRUN").arg(role).arg(&words);
    for _ in words.len()..length {
        ask.arg(WORD);
    }
    let answer: String = ask
        .query(connection)
        .unwrap_or_else(|e| panic!("ACL DRYRUN {role} {name}: {e}"));
    assert!(
        answer == "OK" || answer.contains("no permissions") || answer.contains("NOPERM"),
        "{name}: {answer}"
    );
    answer == "OK"
}

/// A line a command, a column a role: `+` may, `.` may not. docs/roles.md says why.
fn render(decided: &BTreeMap<String, [bool; 8]>) -> String {
    let mut text = format!("{:<28}", "command");
    ROLES
        .iter()
        .for_each(|role| text.push_str(&format!(" {role:<11}")));
    let mut text = text.trim_end().to_owned() + "\n";
    for (command, may) in decided {
        let mut line = format!("{command:<28}");
        for may in may {
            line.push_str(&format!(" {:<11}", if *may { "+" } else { "." }));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
