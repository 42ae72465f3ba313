//! What a type cannot say about one value of a file: a table of key paths and the functions that judge them.

mod paths;

use super::error::PolicyError;
use super::source::{Node, Tree};
use paths::{absolute, in_own_directory, log_file, own_directory, path_or_auto, socket};
use std::net::IpAddr;

/// What is wrong with a value, and the next step.
type Verdict = Result<(), (String, String)>;

/// Judges the last part of a key path and the value there.
enum Judge {
    Key(fn(&str) -> Verdict),
    Text(fn(&str) -> Verdict),
}

/// `*` stands for any key, or any item of a list.
const CHECKS: [(&str, Judge); 40] = [
    ("redis.bind.*", Judge::Text(bind)),
    ("redis.unix-socket", Judge::Text(socket)),
    ("redis.unix-socket", Judge::Text(in_own_directory)),
    ("redis.log-file", Judge::Text(log_file)),
    ("redis.log-file", Judge::Text(in_own_directory)),
    ("redis.data-dir", Judge::Text(path_or_auto)),
    ("redis.data-dir", Judge::Text(own_directory)),
    ("redis.minimum-version", Judge::Text(version)),
    ("redis.maxmemory-policy", Judge::Text(eviction)),
    ("redis.directives.*", Judge::Key(super::directive::name)),
    ("redis.directives.*", Judge::Text(one_line)),
    ("redis.directives.*.*", Judge::Text(one_line)),
    (
        "redis.directives.rename-command",
        Judge::Text(super::inherited::line),
    ),
    (
        "redis.directives.rename-command.*",
        Judge::Text(super::inherited::line),
    ),
    ("firewall.allow.*", Judge::Text(network)),
    ("firewall.peers.*", Judge::Text(network)),
    ("firewall.resolvers.*", Judge::Text(network)),
    ("kernel.sysctl.*", Judge::Key(sysctl_key)),
    ("kernel.sysctl.*", Judge::Text(one_line)),
    ("persistence.save.*", Judge::Text(save)),
    ("acl.*", Judge::Key(acl_user)),
    ("acl.*.rules", Judge::Text(acl_rules)),
    ("acl.*.password-file", Judge::Text(absolute)),
    ("acl.*.password-credential", Judge::Text(credential)),
    ("acl.*.owner", Judge::Text(account)),
    ("acl.*.group", Judge::Text(account)),
    ("tls.cert", Judge::Text(path_or_auto)),
    ("tls.key", Judge::Text(path_or_auto)),
    ("tls.ca", Judge::Text(path_or_auto)),
    ("tls.ciphers", Judge::Text(ciphers)),
    ("legacy.default-until", Judge::Text(date)),
    ("legacy.rules", Judge::Text(acl_rules)),
    ("waiver.*.control", Judge::Text(glob)),
    ("waiver.*.control", Judge::Text(one_line)),
    ("waiver.*.reason", Judge::Text(reason)),
    ("waiver.*.reason", Judge::Text(one_line)),
    ("waiver.*.expires", Judge::Text(date)),
    ("service.backoff", Judge::Text(not_zero)),
    ("service.start-timeout", Judge::Text(not_zero)),
    ("service.stop-timeout", Judge::Text(not_zero)),
];

/// Checks every value of a file that the table has something to say about.
pub(super) fn check(file: &Node) -> Result<(), PolicyError> {
    walk(file, &mut Vec::new())
}

fn walk<'a>(node: &'a Node, path: &mut Vec<&'a str>) -> Result<(), PolicyError> {
    for (pattern, judge) in &CHECKS {
        if matches(pattern, path) {
            apply(judge, node, path)?;
        }
    }
    match &node.value {
        Tree::Table(table) => {
            for (key, child) in table {
                path.push(key);
                walk(child, path)?;
                path.pop();
            }
        }
        Tree::Array(items) => {
            for child in items {
                path.push("*");
                walk(child, path)?;
                path.pop();
            }
        }
        Tree::Leaf(_) => {}
    }
    Ok(())
}

fn matches(pattern: &str, path: &[&str]) -> bool {
    let mut parts = pattern.split('.');
    path.iter()
        .all(|key| parts.next().is_some_and(|part| part == "*" || part == *key))
        && parts.next().is_none()
}

fn apply(judge: &Judge, node: &Node, path: &[&str]) -> Result<(), PolicyError> {
    let key = path.last().copied().unwrap_or_default();
    let (verdict, at) = match (judge, node.text()) {
        (Judge::Key(judge), _) => (judge(key), &node.at.key),
        (Judge::Text(judge), Some(text)) => (judge(text), &node.at.value),
        (Judge::Text(_), None) => return Ok(()),
    };
    verdict.map_err(|(what, step)| {
        // A key that is wrong itself is named by what is wrong; an item of a list by its list.
        let own = match judge {
            Judge::Key(_) => path.split_last().map_or(path, |(_, section)| section),
            Judge::Text(_) => path,
        };
        let named: Vec<&str> = own.iter().copied().filter(|part| *part != "*").collect();
        let place = named.join(".");
        PolicyError::new(format!("{place}: {what}"))
            .at(&node.at.source, at.clone())
            .help(step)
    })
}

fn wrong(what: impl Into<String>, step: impl Into<String>) -> Verdict {
    Err((what.into(), step.into()))
}

/// The type says it too, but not which item of the list is wrong.
fn network(text: &str) -> Verdict {
    let parsed: Result<super::Cidr, String> = text.parse();
    parsed
        .map(drop)
        .or_else(|e| wrong(e, "an address alone is the network of that one host"))
}

/// Redis's `bind`: an address, `*`, or either with a leading `-`. A host name would be looked up at every start.
fn bind(text: &str) -> Verdict {
    let address = text.strip_prefix('-').unwrap_or(text);
    if address == "*" || address == "::*" || address.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    wrong(
        format!("{text:?} is no address to listen on"),
        "write an IP address such as \"127.0.0.1\" or \"-::1\" (a leading - means: if this host has it)",
    )
}

/// Debian Policy 5.6.12.
fn version(text: &str) -> Verdict {
    let known = |c: char| c.is_ascii_alphanumeric() || ".+-~:".contains(c);
    let number = text.split_once(':').map_or(text, |(_, rest)| rest);
    if number.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(known) {
        return Ok(());
    }
    wrong(
        format!("{text:?} is no package version"),
        "write it as dpkg does, such as \"5:7.0.15\"",
    )
}

/// Source: `maxmemory_policy_enum` in Redis's config.c.
const EVICTION: [&str; 8] = [
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
];

fn eviction(text: &str) -> Verdict {
    if EVICTION.contains(&text) {
        return Ok(());
    }
    let near = super::shape::nearest(text, &EVICTION);
    let step = near.map_or_else(
        || format!("Redis knows {}", EVICTION.join(", ")),
        |near| format!("did you mean {near:?}?"),
    );
    wrong(format!("{text:?} is no policy of Redis's"), step)
}

/// A list of openssl-ciphers(1) that adds nothing weak. Which words OpenSSL knows, the server's own start tells.
fn ciphers(text: &str) -> Verdict {
    let known = |c: char| c.is_ascii_alphanumeric() || "+-_:!@=.".contains(c);
    if text.is_empty() || !text.chars().all(known) {
        return wrong(
            format!("{text:?} is no list of ciphers"),
            "write names of openssl-ciphers(1) with colons between, such as \"ECDHE+AESGCM\"",
        );
    }
    match crate::setting::tls::weak_ciphers(text).first() {
        Some(weak) => wrong(
            format!(
                "{weak} is weak: it encrypts nothing, proves nobody's identity, or has been broken"
            ),
            "take it out, or the key, whose own value is sane",
        ),
        None => Ok(()),
    }
}

fn one_line(text: &str) -> Verdict {
    match text.chars().find(|c| c.is_control()) {
        Some(c) => wrong(
            format!("it contains the control character {c:?}"),
            "write one line; several lines are a list of texts",
        ),
        None => Ok(()),
    }
}

/// The keys that `[kernel]` and `[memory]` have under another name.
const OWN_SYSCTLS: [(&str, &str); 4] = [
    ("vm.overcommit_memory", "overcommit-memory"),
    ("net.core.somaxconn", "somaxconn"),
    ("net.ipv4.tcp_max_syn_backlog", "tcp-max-syn-backlog"),
    ("vm.swappiness", "swappiness"),
];

/// sysctl.d(5): parts separated by dots, or by slashes where a part has a dot in it.
fn sysctl_key(key: &str) -> Verdict {
    let known = |c: char| c.is_ascii_alphanumeric() || "_-.:@/".contains(c);
    let parts = |separator| {
        key.split(separator)
            .all(|part: &str| !part.is_empty() && part != "..")
    };
    if !key.contains(['.', '/']) || !key.chars().all(known) || !parts('.') || !parts('/') {
        return wrong(
            format!("{key:?} is no sysctl"),
            "write it as sysctl(8) prints it, in quotes: \"vm.max_map_count\" = …",
        );
    }
    let dotted = key.replace('/', ".");
    match OWN_SYSCTLS.iter().find(|(sysctl, _)| *sysctl == dotted) {
        Some((_, own)) => wrong(
            format!("{key:?} has a key of its own"),
            format!("write {own} = … in [kernel]"),
        ),
        None => Ok(()),
    }
}

fn save(text: &str) -> Verdict {
    let numbers: Vec<Option<u32>> = text.split(' ').map(|n| n.parse().ok()).collect();
    match numbers.as_slice() {
        [Some(1..), Some(1..)] => Ok(()),
        _ => wrong(
            format!("{text:?} is no pair of SECONDS and CHANGES"),
            "write such as \"3600 1\": a snapshot after 3600 seconds in which at least 1 key changed",
        ),
    }
}

fn acl_user(name: &str) -> Verdict {
    if name == "default" {
        return wrong(
            "the user \"default\" is always off",
            "give each application a user of its own, such as [acl.app]",
        );
    }
    Ok(())
}

/// What a rule may not begin with, or be: it would carry a password, or its hash, or do without one.
const PASSWORD_RULES: [(&str, &str); 4] = [
    (">", "adds a password"),
    ("<", "removes a password"),
    ("#", "adds the hash of a password"),
    ("!", "removes the hash of a password"),
];

fn acl_rules(text: &str) -> Verdict {
    one_line(text)?;
    for rule in text.split_whitespace() {
        if let Some((sign, does)) = PASSWORD_RULES
            .iter()
            .find(|(sign, _)| rule.starts_with(sign))
        {
            return wrong(
                format!("a rule that begins with {sign} {does}, and a policy holds none"),
                "put the password alone into the user's password-file (generated when missing)",
            );
        }
        if ["nopass", "reset", "resetpass"].contains(&rule.to_ascii_lowercase().as_str()) {
            return wrong(
                format!("the rule {rule} would undo the user's password"),
                "leave it out; every user has a generated password",
            );
        }
    }
    Ok(())
}

/// A name that is a file's in every store, and no option of systemd-creds. Source: systemd.exec(5), LoadCredential=.
fn credential(text: &str) -> Verdict {
    let known = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.len() <= 64 && text.starts_with(first) && text.chars().all(known) {
        return Ok(());
    }
    // It may be the password itself.
    wrong(
        "it is no name of a credential",
        "write its name alone, such as \"redis-app\": letters, digits, -, _ and .",
    )
}

/// A user or group name as Debian's adduser takes it, or a number.
fn account(text: &str) -> Verdict {
    let known = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.len() <= 32 && text.starts_with(first) && text.chars().all(known) {
        return Ok(());
    }
    wrong(
        format!("{text:?} is no name of an account"),
        "write a user's or group's name, such as \"www-data\"",
    )
}

/// A glob over control ids; whether it fits one is known where the controls are.
pub(super) fn glob(text: &str) -> Verdict {
    if text.is_empty() {
        return wrong(
            "it matches nothing",
            "write a control's id, or a glob such as \"kernel.*\"",
        );
    }
    globset::Glob::new(text).map(drop).or_else(|e| {
        wrong(
            format!("{text:?} is no glob: {}", e.kind()),
            "write such as \"kernel.*\"",
        )
    })
}

fn reason(text: &str) -> Verdict {
    if text.trim().is_empty() {
        return wrong(
            "it is empty",
            "say why this finding is accepted, and by whom; a report shows it",
        );
    }
    Ok(())
}

fn date(text: &str) -> Verdict {
    let day: Result<jiff::civil::Date, _> = text.parse();
    // jiff reads more forms than the one that this promises.
    match day {
        Ok(_) if text.len() == "YYYY-MM-DD".len() => Ok(()),
        _ => wrong(
            format!("{text:?} is no day"),
            "write YYYY-MM-DD, the last day on which it counts",
        ),
    }
}

fn not_zero(text: &str) -> Verdict {
    if text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .trim_start_matches('0')
            .starts_with(char::is_alphabetic)
    {
        return wrong("no time at all is too short", "write such as \"30s\"");
    }
    Ok(())
}
