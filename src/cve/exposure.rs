//! What of a running server keeps a hole out of reach. It is an answer to "how bad is it", never to "is it mended": a CONFIG SET
//! or another ACL opens the hole again. What the server does not tell shuts nothing out.

use super::{Need, acl};
use crate::redis::Told;

/// A command, and all the ACL categories that it is in, as `COMMAND INFO` of a 7.0.15 tells.
type Command = (&'static str, &'static [&'static str]);

/// What parses or runs scripts.
const SCRIPTING: [Command; 9] = [
    ("eval", &["scripting", "slow"]),
    ("eval_ro", &["scripting", "slow"]),
    ("evalsha", &["scripting", "slow"]),
    ("evalsha_ro", &["scripting", "slow"]),
    ("fcall", &["scripting", "slow"]),
    ("fcall_ro", &["scripting", "slow"]),
    ("script|load", &["scripting", "slow"]),
    ("function|load", &["scripting", "slow", "write"]),
    ("function|restore", &["scripting", "slow", "write"]),
];

/// What takes a serialized value.
const RESTORING: [Command; 2] = [
    ("restore", &["dangerous", "keyspace", "slow", "write"]),
    (
        "restore-asking",
        &["dangerous", "keyspace", "slow", "write"],
    ),
];

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
        // INFO has a line for each module that is loaded; an INFO that is cut short has no version either.
        Need::Modules => (told.info.contains_key("redis_version")
            && !told.info.contains_key("module"))
        .then(|| "no module is loaded".to_owned()),
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

/// Whether every user but `admin` is refused each of the commands. A line that is not understood refuses nothing.
fn refused(told: &Told, commands: &[Command], word: &str) -> Option<String> {
    let lines = told.users.as_ref()?;
    let users: Option<Vec<acl::User>> = lines.iter().map(|line| acl::parse(line)).collect();
    let may = |user: &acl::User| commands.iter().any(|(name, of)| user.may(name, of));
    let open = users?.iter().any(|u| u.name != "admin" && u.on && may(u));
    (!open).then(|| format!("the ACL refuses {word} to every user but admin"))
}
