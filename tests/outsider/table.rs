//! Every attempt against a real server with the policy's users and configuration: as it is, in odd case, in a transaction, and behind a
//! command that is allowed. Afterwards nothing may have changed. `tests/full outsider` also asks Redis 8.0 and Valkey 8.1.

use super::attempts::{BY_ALL, BY_ONE, LEFT_OPEN, Who};
use super::wire::Wire;
use crate::support::server::{Program, Server};
use redis_harden::policy::{Policies, Policy};
use redis_harden::redis::{acl, config};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::path::PathBuf;

const POLICY: &str = "[acl.app]\nrole = \"application\"\n[acl.failover]\nrole = \"sentinel\"\n\
    [acl.narrow]\nrole = \"application\"\nrules = \"~app:* &app:*\"\n[acl.reader]\nrole = \"read-only\"\nrules = \"%R~app:*\"\n";

/// The test's own directory and ports, in place of the policy's; and no data on a disk.
const ITS_OWN: [&str; 8] = [
    "bind",
    "port",
    "unixsocket",
    "pidfile",
    "logfile",
    "dir",
    "aclfile",
    "save",
];

#[test]
fn an_outsider_is_refused_everything_and_changes_nothing() {
    let here = Program {
        name: "redis-server",
        root: None,
    };
    attack(&here);
    // `tests/full outsider` names a Debian 13 tree.
    if let Some(tree) = std::env::var_os("REDIS_HARDEN_TRIXIE").map(PathBuf::from) {
        for name in ["redis-server", "valkey-server"] {
            let root = Some(tree.as_path());
            attack(&Program { name, root });
        }
    }
}

fn attack(program: &Program) {
    let policies = Policies::parse("outsider.toml", POLICY).expect("a valid policy");
    let policy = policies.only_one().expect("one instance");
    let options = options(policy);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::of(program, &options, &users(policy));
    let address: SocketAddr = ([127, 0, 0, 1], server.port).into();
    let mut admin = logged_in(address, Some("admin"));
    assert_eq!(
        admin.ask(&["MSET", "app:1", "kept", "outside", "secret"]),
        "OK"
    );
    let mut bystander = logged_in(address, Some("app"));
    let before = state(&mut admin);

    let mut count = 0;
    let each = |who: Who| BY_ALL.iter().map(move |line| (who, *line, of_all(who)));
    let all = [Who::Nobody, Who::App, Who::Narrow, Who::Reader]
        .into_iter()
        .flat_map(each);
    for (who, line, refusal) in all.chain(BY_ONE.iter().copied()) {
        count += refused(address, who, line, refusal);
    }
    println!("{}: {count} attempts, each refused", program.name);
    assert!(count > 1_000, "{count}");
    assert_eq!(state(&mut admin), before, "{}", program.name);
    assert_eq!(bystander.ask(&["GET", "app:1"]), "kept");

    for (who, line, answer) in LEFT_OPEN {
        let said = logged_in(address, who.user()).ask(&words(line));
        assert!(said.contains(answer), "{who:?} {line}: {said}");
    }
}

/// Redis asks whether modules may be loaded at all before it asks for a right or a login.
fn of_all(who: Who) -> &'static str {
    match who {
        Who::Nobody => "NOAUTH|ERR MODULE command not allowed",
        _ => "NOPERM|ERR MODULE command not allowed",
    }
}

/// In four ways, or two; how many those were.
fn refused(address: SocketAddr, who: Who, line: &str, refusal: &str) -> usize {
    let words = words(line);
    let is_refusal = |said: &str| {
        let said = said.strip_prefix('-').unwrap_or_default();
        refusal.split('|').any(|one| said.starts_with(one))
    };
    let connect = || logged_in(address, who.user());
    let said = connect().ask(&words);
    assert!(is_refusal(&said), "{who:?} {line}: {said}");

    let (name, arguments) = words.split_first().expect("a command");
    let odd = [&[odd_case(name)], arguments].concat();
    let said = connect().ask(&odd);
    assert!(is_refusal(&said), "{who:?} {line} in odd case: {said}");

    // Redis 8.0 and Valkey 8.1 answer nothing at all to a wrong password behind another question or in a transaction.
    if ["AUTH", "HELLO"].contains(&name.as_str()) {
        return 2;
    }
    let mut wire = connect();
    wire.send(&["ECHO", "x"]);
    wire.send(&words);
    let first = wire.hear();
    let said = wire.hear();
    let may = who.user().is_some();
    assert_eq!(!first.starts_with('-'), may, "{who:?} {first}");
    assert!(is_refusal(&said), "{who:?} {line} behind another: {said}");

    // A transaction is no way round: it is refused when it is queued, or when it is run.
    let mut wire = connect();
    let said = [wire.ask(&["MULTI"]), wire.ask(&words), wire.ask(&["EXEC"])];
    let run = said.last().is_some_and(|run| !run.starts_with('-'));
    assert!(!run, "{who:?} {line} in a transaction: {said:?}");
    4
}

fn words(line: &str) -> Vec<String> {
    let id = "a".repeat(40);
    let words = line.split(' ').map(|word| word.replace('@', &id));
    words.collect()
}

fn odd_case(word: &str) -> String {
    let odd = |(i, c): (usize, char)| match i % 2 {
        0 => c.to_ascii_lowercase(),
        _ => c.to_ascii_uppercase(),
    };
    word.chars().enumerate().map(odd).collect()
}

/// All that an attempt could have changed; what counts questions is none of it.
fn state(admin: &mut Wire) -> Vec<String> {
    let questions: [&[&str]; 9] = [
        &["CONFIG", "GET", "*"],
        &["ACL", "LIST"],
        &["MGET", "app:1", "outside", "app:2"],
        &["INFO", "keyspace"],
        &["MODULE", "LIST"],
        &["FUNCTION", "LIST"],
        &["PUBSUB", "CHANNELS"],
        &["PUBSUB", "NUMPAT"],
        &["ROLE"],
    ];
    questions.iter().map(|words| admin.ask(words)).collect()
}

fn logged_in(address: SocketAddr, user: Option<&str>) -> Wire {
    let mut wire = Wire::to(address);
    if let Some(user) = user {
        assert_eq!(wire.ask(&["AUTH", user, &password(user)]), "OK", "{user}");
    }
    wire
}

fn password(user: &str) -> String {
    format!("the-password-of-{user}")
}

fn users(policy: &Policy) -> String {
    let hex = |user: &str| {
        let digest = Sha256::digest(password(user).as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let users = policy.acl_users();
    let digests: acl::Digests = users
        .keys()
        .map(|name| (policy.password_of(name), vec![hex(name.as_str())]))
        .collect();
    acl::render(policy, &digests)
}

/// The policy's configuration, as words of a command line.
fn options(policy: &Policy) -> Vec<String> {
    let all = config::directives(policy, 64 << 20, None).into_iter();
    let wanted = all.filter(|(name, _)| !ITS_OWN.contains(&name.as_str()) && name != "appendonly");
    let words = wanted.flat_map(|(name, value)| {
        let value = value.split(' ').map(str::to_owned).collect::<Vec<_>>();
        std::iter::once(format!("--{name}")).chain(value)
    });
    words.collect()
}
