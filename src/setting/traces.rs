//! What the known attacks on exposed servers leave behind. Only looked at: nothing of it is opened, moved or removed.

use super::memo::Slot;
use super::{Reading, Sight};
use crate::host::{Host, HostResult};
use crate::value::Value;
use std::fmt;
use std::path::Path;
use std::rc::Rc;

/// Names that Redis never gives a file, and attackers do: `CONFIG SET dir` and `dbfilename` with a `SAVE`, and modules dropped by a forged replication.
const NEVER_REDIS: [&str; 5] = [
    "authorized_keys",
    "authorized_keys2",
    "crontab",
    "root",
    "zzh",
];

/// Endings of what runs: it has no place beside a dump.
const THAT_RUN: [&str; 4] = [".so", ".sh", ".elf", ".php"];

/// The programs that run as the service user.
const OURS: [&str; 10] = [
    "redis-server",
    "redis-sentinel",
    "redis-check-aof",
    "redis-check-rdb",
    "redis-cli",
    "valkey-server",
    "valkey-sentinel",
    "valkey-check-aof",
    "valkey-check-rdb",
    "redis-harden",
];

/// Whether anything is there, links not followed.
pub fn read_presence(host: &Host, path: &Path) -> Reading {
    let found = host.stat(path).map(|stat| stat.map(|_| Value::Present));
    found.into()
}

/// The names in a directory that an attacker would have put there.
pub fn read_strangers(host: &Host, dir: &Path) -> Reading {
    let names = match host.list(dir) {
        Ok(names) => names,
        Err(e) => return Reading::Unknown(e.to_string()),
    };
    let strange = names.into_iter().filter(|n| {
        NEVER_REDIS.contains(&n.as_str()) || THAT_RUN.iter().any(|end| n.ends_with(end))
    });
    words(strange.collect())
}

/// The programs that run as a user and are not a Redis or ours: `NAME:PID`.
pub fn read_processes(sight: Sight, user: &str) -> Reading {
    let strange = |uid: u32| -> HostResult<Vec<String>> {
        let all = seen(sight)?;
        let his = all.iter().filter(|p| p.uid == uid);
        let others = his.filter(|p| !OURS.iter().any(|ours| is_called(&p.name, ours)));
        Ok(others.map(Seen::to_string).collect())
    };
    match sight.facts.accounts.user(user) {
        Ok(Some(found)) => match strange(found.uid) {
            Ok(strange) => words(strange),
            Err(e) => Reading::Unknown(e.to_string()),
        },
        Ok(None) => Reading::NotApplicable(format!("there is no user {user}")),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// A process of this moment.
#[derive(Debug)]
pub struct Seen {
    pub pid: i32,
    pub uid: u32,
    /// As the kernel keeps it, cut to 15 bytes.
    pub name: String,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.pid)
    }
}

/// The processes; in a pass of judging they are looked through once.
pub(super) fn seen(sight: Sight) -> HostResult<Rc<Vec<Seen>>> {
    let slot = sight.memo.map(|memo| &memo.processes);
    Slot::read(slot, || processes(sight.host))
}

fn processes(host: &Host) -> HostResult<Vec<Seen>> {
    let mut seen = Vec::new();
    for name in host.list(Path::new("/proc"))? {
        let Ok(pid) = name.parse::<i32>() else {
            continue;
        };
        let dir = Path::new("/proc").join(&name);
        // It may end between two looks.
        let Some(stat) = host.stat(&dir)? else {
            continue;
        };
        let Ok(Some(name)) = host.read_text(&dir.join("comm")) else {
            continue;
        };
        let name = name.trim().to_owned();
        let uid = stat.uid;
        seen.push(Seen { pid, uid, name });
    }
    Ok(seen)
}

/// The kernel keeps 15 bytes of a name.
pub(super) fn is_called(comm: &str, name: &str) -> bool {
    comm == name.get(..15).unwrap_or(name)
}

fn words(found: Vec<String>) -> Reading {
    match found.is_empty() {
        true => Reading::Absent,
        false => Reading::Value(Value::Words(found), None),
    }
}
