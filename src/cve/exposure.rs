//! What of a running server keeps a hole out of reach. It is an answer to "how bad is it", never to "is it mended": a CONFIG SET
//! or another ACL opens the hole again. What the server does not tell shuts nothing out.

use super::Need;
use crate::redis::Told;
use crate::redis::users::{User, commands};

/// The commands that parse or run scripts.
const SCRIPTING: [&str; 9] = [
    "eval",
    "eval_ro",
    "evalsha",
    "evalsha_ro",
    "fcall",
    "fcall_ro",
    "function|load",
    "function|restore",
    "script|load",
];

/// What takes a serialized value.
const RESTORING: [&str; 2] = ["restore", "restore-asking"];

/// Why the server has not what an attacker needs; `None` where it has, or does not tell.
pub fn missing(need: Need, told: &Told) -> Option<String> {
    let is = |name: &str, value: &str| {
        let holds = told.directives.get(name).is_some_and(|v| v == value);
        holds.then(|| match value {
            "" => format!("no {name}"),
            value => format!("{name} {value}"),
        })
    };
    match need {
        Need::Tls => tls(told),
        Need::Cluster => is("cluster-enabled", "no"),
        Need::ReplicaWritable => {
            is("replica-read-only", "yes").or_else(|| is("slave-read-only", "yes"))
        }
        Need::UnixSocket => is("unixsocket", ""),
        Need::Bits32 => {
            let bits = told.info.get("arch_bits");
            bits.filter(|b| *b == "64")
                .map(|_| "a 64-bit build".to_owned())
        }
        Need::Modules => match &told.modules.0 {
            Ok(modules) if modules.is_empty() => Some("no module is loaded".to_owned()),
            Ok(_) | Err(_) => None,
        },
        Need::Scripting => refused(told, &SCRIPTING, "scripts"),
        Need::Restore => refused(told, &RESTORING, "RESTORE"),
        Need::AofCheck => None,
    }
}

/// Neither a TLS port nor TLS to other servers. A build without TLS has none of the directives, though it has `port`.
fn tls(told: &Told) -> Option<String> {
    let get = |name: &str| told.directives.get(name).map(String::as_str);
    match get("tls-port") {
        None => get("port").map(|_| "built without TLS".to_owned()),
        Some("0") if get("tls-replication") == Some("no") && get("tls-cluster") == Some("no") => {
            Some("no tls-port, tls-replication no, tls-cluster no".to_owned())
        }
        Some(_) => None,
    }
}

/// Whether every user but `admin` is refused each of the commands. A server has at least one user: a list without any tells nothing.
fn refused(told: &Told, names: &[&str], word: &str) -> Option<String> {
    let users = told.users.0.as_ref().ok()?;
    let may = |user: &User| {
        let mut commands = commands().filter(|c| names.contains(&c.name));
        commands.any(|command| user.may(command))
    };
    let open = users.iter().any(|u| u.name != "admin" && u.on && may(u));
    (!users.is_empty() && !open).then(|| format!("the ACL refuses {word} to every user but admin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_known() {
        for name in SCRIPTING.iter().chain(&RESTORING) {
            assert!(commands().any(|c| c.name == *name), "{name}");
        }
    }
}
