//! What an ACL lets a user do, held against a real redis-server: its table of commands, and the rules that it writes for those it was given.

use proptest::prelude::*;
use redis_harden::redis::users::{Command, User, commands};
use std::collections::BTreeSet;

mod support {
    pub mod server;
}

use support::server::Server;

/// Each command and its categories, of containers their subcommands.
fn flatten(entry: redis::Value, into: &mut Vec<(String, BTreeSet<String>)>) {
    let mut fields: Vec<redis::Value> = redis::from_redis_value(entry).expect("an array");
    let subcommands: Vec<redis::Value> =
        redis::from_redis_value(fields.swap_remove(9)).expect("subcommands");
    if subcommands.is_empty() {
        let categories: Vec<String> =
            redis::from_redis_value(fields.swap_remove(6)).expect("a list");
        let name: String = redis::from_redis_value(fields.swap_remove(0)).expect("a name");
        let categories = categories
            .iter()
            .map(|c| c.trim_start_matches('@').to_owned());
        into.push((name.to_lowercase(), categories.collect()));
    }
    for subcommand in subcommands {
        flatten(subcommand, into);
    }
}

#[test]
fn the_table_has_every_command_of_the_server_in_its_categories() {
    let server = Server::start(&[], "");
    let reply: Vec<redis::Value> = redis::cmd("COMMAND")
        .query(&mut server.connect())
        .expect("COMMAND");
    let mut theirs = Vec::new();
    reply
        .into_iter()
        .for_each(|entry| flatten(entry, &mut theirs));
    assert!(theirs.len() > 300, "{}", theirs.len());
    for (name, categories) in theirs {
        let ours: Vec<Command> = commands().filter(|c| c.name == name).collect();
        let [ours] = ours[..] else {
            panic!("{name} is in data/commands.txt {} times", ours.len());
        };
        for category in &categories {
            assert!(ours.is_in(category), "{name} is in @{category} there");
        }
    }
}

fn rule() -> impl Strategy<Value = String> {
    let categories = [
        "read",
        "write",
        "admin",
        "dangerous",
        "scripting",
        "keyspace",
        "pubsub",
        "connection",
        "fast",
        "slow",
        "all",
    ];
    let names = [
        "get",
        "set",
        "eval",
        "config",
        "config|get",
        "config|set",
        "flushall",
        "keys",
        "client|kill",
        "script|load",
        "acl|whoami",
        "restore",
        "info",
    ];
    let sign = prop_oneof![Just("+"), Just("-")];
    let what = prop_oneof![
        prop::sample::select(categories.to_vec()).prop_map(|c| format!("@{c}")),
        prop::sample::select(names.to_vec()).prop_map(str::to_owned),
    ];
    (sign, what).prop_map(|(sign, what)| format!("{sign}{what}"))
}

/// The server rewrites rules: what it writes grants what it was given.
#[test]
fn a_user_may_do_what_its_rules_said_after_the_server_rewrote_them() {
    let server = Server::start(&[], "");
    let mut connection = server.connect();
    // What this server has in the table's own categories: `wait` joined @blocking in 7.2.
    let reply: Vec<redis::Value> = redis::cmd("COMMAND")
        .query(&mut connection)
        .expect("COMMAND");
    let mut known = Vec::new();
    reply
        .into_iter()
        .for_each(|entry| flatten(entry, &mut known));
    let known: BTreeSet<String> = known
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name != "wait")
        .collect();
    let connection = std::cell::RefCell::new(connection);
    proptest!(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() }, |(rules in prop::collection::vec(rule(), 0..8))| {
        let mut connection = connection.borrow_mut();
        let given = User::parse(&format!("user u on -@all {}", rules.join(" "))).expect("a user");
        let mut set = redis::cmd("ACL");
        set.arg("SETUSER").arg("u").arg("reset").arg("on").arg(&rules);
        let _: () = set.query(&mut connection).expect("valid rules");
        let list: Vec<String> = redis::cmd("ACL").arg("LIST").query(&mut connection).expect("ACL LIST");
        let shown = User::parse_all(&list.join("\n"));
        let shown = shown.iter().find(|u| u.name == "u").expect("it is there");
        for command in commands().filter(|c| known.contains(c.name)) {
            prop_assert_eq!(given.may(command), shown.may(command), "{} with {:?}", command.name, list);
        }
    });
}
