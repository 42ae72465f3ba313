//! What two values of one merged policy say together; the error stands where the later file says its part.

use super::error::PolicyError;
use super::source::Node;
use super::{Auto, Name, Policy};

/// Checks a merged policy.
pub(super) fn check(policy: &Policy, tree: &Node) -> Result<(), PolicyError> {
    listens(policy, tree)?;
    encrypts(policy, tree)?;
    opens_enough(policy, tree)?;
    backs_off(policy, tree)?;
    leaves_ssh_alone(policy, tree)?;
    passwords_have_one_source(policy, tree)?;
    replicates_as_somebody(policy, tree)?;
    users_may_something(policy, tree)
}

fn placed(error: PolicyError, tree: &Node, path: &[&str]) -> PolicyError {
    match tree.find(path) {
        Some(node) => error.at_value(&node.at),
        None => error,
    }
}

fn listens(policy: &Policy, tree: &Node) -> Result<(), PolicyError> {
    let ports = policy.ports();
    let (Some(port), true) = (ports.first(), policy.redis.bind.is_empty()) else {
        return Ok(());
    };
    let what = match policy.plain_port() {
        0 => format!("redis.bind is empty, and port {port} is listened on"),
        port => format!("redis.bind is empty, and redis.port is {port}"),
    };
    let error = PolicyError::new(what)
        .help("name an address, or set port = 0 to listen on the unix socket only");
    Err(placed(error, tree, &["redis", "bind"]))
}

/// What `[tls]` says, it says alone, and of two ports.
fn encrypts(policy: &Policy, tree: &Node) -> Result<(), PolicyError> {
    let tls = &policy.tls;
    if !tls.enabled {
        return Ok(());
    }
    if tls.protocols.is_empty() {
        let error = PolicyError::new("tls.protocols is empty, and TLS is enabled")
            .help("leave the key out: TLS 1.2 and 1.3 are spoken then");
        return Err(placed(error, tree, &["tls", "protocols"]));
    }
    if tls.plain_port && tls.port == policy.redis.port {
        let what = format!("tls.port and redis.port are both {}", tls.port);
        let error = PolicyError::new(what).help("give one of them another port");
        return Err(placed(error, tree, &["tls", "port"]));
    }
    let ours = policy.tls_directives();
    let twice = |name: &&String| ours.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    let Some(name) = policy.redis.directives.keys().find(twice) else {
        return Ok(());
    };
    let error = PolicyError::new(format!("redis.directives has {name}, which [tls] renders"))
        .help("take it out of [redis.directives]: [tls] has a key for it");
    Err(match tree.find(&["redis", "directives", name]) {
        Some(node) => error.at_key(&node.at),
        None => error,
    })
}

fn opens_enough(policy: &Policy, tree: &Node) -> Result<(), PolicyError> {
    match policy.limits.nofile {
        Auto::Value(nofile) if nofile < policy.nofile_needed() => {
            let what = format!(
                "limits.nofile is {nofile}, and maxclients = {} needs {}",
                policy.redis.maxclients,
                policy.nofile_needed()
            );
            let error = PolicyError::new(what)
                .help("write nofile = \"auto\", or lower redis.maxclients: Redis itself would do so in silence");
            Err(placed(error, tree, &["limits", "nofile"]))
        }
        _ => Ok(()),
    }
}

/// Whoever administers the host comes that way.
fn leaves_ssh_alone(policy: &Policy, tree: &Node) -> Result<(), PolicyError> {
    if !policy.firewall.ports.contains(&22) {
        return Ok(());
    }
    let error = PolicyError::new("firewall.ports has port 22, which is SSH's").help(
        "name ports of exporters and Sentinels only: who may log in is for the host's own firewall",
    );
    Err(placed(error, tree, &["firewall", "ports"]))
}

fn backs_off(policy: &Policy, tree: &Node) -> Result<(), PolicyError> {
    let service = &policy.service;
    if service.backoff.std() <= service.backoff_max.std() {
        return Ok(());
    }
    let what = format!(
        "service.backoff is {}, longer than backoff-max, {}",
        service.backoff, service.backoff_max
    );
    let error = PolicyError::new(what).help("let backoff-max be the longer one");
    let path = ["service", "backoff"];
    Err(match tree.find(&path) {
        Some(_) => placed(error, tree, &path),
        None => placed(error, tree, &["service", "backoff-max"]),
    })
}

/// A credential is systemd's to keep: no file of ours stands beside it. Our own two users are not locked out by a change elsewhere.
fn passwords_have_one_source(policy: &Policy, tree: &Node) -> Result<(), PolicyError> {
    for (name, user) in &policy.acl {
        if user.password_credential.is_none() {
            continue;
        }
        let key = |key: &str| format!("acl.{name} has a password-credential and {key}");
        let (what, step) = if *name == Name::agent() {
            (
                "acl.agent has a password-credential".to_owned(),
                "leave it out: nobody but the supervisor has that password, and its unit loads it as a credential already",
            )
        } else if *name == Name::admin() {
            (
                "acl.admin has a password-credential".to_owned(),
                "leave it out: apply logs in with that password, and one that changes at its source would keep it out; give people [acl.ops] with role = \"admin\"",
            )
        } else if user.password_file.is_some() {
            (key("a password-file"), "leave one of them out")
        } else if user.owner.is_some() || user.group.is_some() || user.mode.is_some() {
            (
                key("an owner, a group or a mode, which are a password file's"),
                "leave these out: a program is given the credential by LoadCredential= of its own unit",
            )
        } else {
            continue;
        };
        let path = ["acl", name.as_str(), "password-credential"];
        return Err(placed(PolicyError::new(what).help(step), tree, &path));
    }
    Ok(())
}

/// The user is one of this policy's, so that this server takes from a replica what it shows a primary itself.
fn replicates_as_somebody(policy: &Policy, tree: &Node) -> Result<(), PolicyError> {
    let Some(user) = &policy.replication.user else {
        return Ok(());
    };
    let path = ["replication", "user"];
    if *user == Name::agent() || !policy.acl_users().contains_key(user) {
        let error = PolicyError::new(format!("replication.user is {user}, and is no such user"))
            .help(format!("write [acl.{user}] with role = \"replica\", the same on every node; agent is the supervisor's alone"));
        return Err(placed(error, tree, &path));
    }
    let twice = |name: &&String| {
        ["masteruser", "primaryuser"].contains(&name.to_ascii_lowercase().as_str())
    };
    match policy.redis.directives.keys().find(twice) {
        None => Ok(()),
        Some(name) => {
            let error = PolicyError::new(format!(
                "redis.directives has {name}, which [replication] renders"
            ))
            .help("take it out of [redis.directives]");
            Err(placed(error, tree, &["redis", "directives", name]))
        }
    }
}

/// An ACL user without rules may nothing at all, which nobody means.
fn users_may_something(policy: &Policy, tree: &Node) -> Result<(), PolicyError> {
    let idle = policy.acl.iter().find(|(name, user)| {
        let ours = ["admin", "agent"].contains(&name.as_str());
        !ours && user.role.is_none() && user.rules.is_none()
    });
    let Some((name, _)) = idle else { return Ok(()) };
    let error = PolicyError::new(format!("acl.{name} has neither a role nor rules"))
        .help("give it role = \"application\" or \"read-only\", or rules of its own");
    Err(match tree.find(&["acl", name.as_str()]) {
        Some(node) => error.at_key(&node.at),
        None => error,
    })
}
