//! What must happen to a server and its data before it is restarted on our configuration, so that nothing is lost.
//! The trap: with `appendonly yes` Redis reads only the AOF; a dump.rdb beside no AOF is ignored, and overwritten at the next save.

mod base;
mod held;
mod save;
mod trial;

pub(crate) use base::{layout, take_back};
pub(crate) use held::{Held, hold, info, release};
pub use save::save;
pub(crate) use trial::try_to_save;

use super::line::Line;
use super::{Endpoint, Login, Silence, Told, config, connect, fields, silence};
use crate::facts::{Init, Instance, View};
use crate::host::{HostError, HostResult};
use crate::policy::Policy;
use crate::setting::Sight;
use crate::supervise::gate::Layout;
use std::path::Path;
use std::time::{Duration, Instant};

/// Makes a restart of this instance safe for its data, or refuses it with the next step.
pub fn prepare(sight: Sight, known: &Instance, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    let name = &known.policy.redis.name;
    let refuse = |cause: String| {
        Err(HostError::refused(
            format!("preparing to restart {name}"),
            cause,
        ))
    };
    let told = match &known.view {
        View::NotRunning => return base::build(sight, known, say),
        View::Silent(why) => {
            return refuse(format!(
                "a server is there and told nothing, so nothing is known of its data: {why}"
            ));
        }
        View::Told(told) => told,
    };
    let layout = layout(known);
    if let Some(why) = elsewhere(&layout, told) {
        return refuse(why);
    }
    let off = told.info.get("aof_enabled").is_none_or(|v| v == "0");
    match (layout.appendonly, off) {
        (true, true) => {
            say(
                "turning the append-only file on in the running server, so that it holds all data before the restart",
            );
            turn_on_aof(sight, known)?;
        }
        (true, false) => wait_for_aof(&mut open(sight, known)?, known)?,
        (false, false) => {
            say("saving the data, since the append-only file is not read any more");
            save(sight, known)?;
        }
        (false, true) => keep_snapshot(sight, known, told)?,
    }
    if let Some(why) = &known.report_error {
        return refuse(format!(
            "whether our supervisor runs it is not known: {why}"
        ));
    }
    if known.report.is_none() && sight.facts.init == Init::Other {
        let pid = told.info.get("process_id").map_or("?", String::as_str);
        return refuse(format!(
            "a redis-server that is not ours runs as pid {pid}: stop it (redis-cli SHUTDOWN saves its data), then apply again"
        ));
    }
    Ok(())
}

/// A server with a snapshot alone writes it when it stops, unless it has no save points; what failed before fails then too.
fn keep_snapshot(sight: Sight, known: &Instance, told: &Told) -> HostResult<()> {
    if told
        .info
        .get("rdb_last_bgsave_status")
        .is_some_and(|status| status == "err")
    {
        return Err(last_save_failed(known));
    }
    match (saves(told), known.policy.redis.disposable) {
        (true, _) | (_, true) => Ok(()),
        (false, false) => save(sight, known),
    }
}

/// Whether the data of a server that was prepared is on disk when it has ended.
pub(crate) fn is_kept(known: &Instance, told: &Told) -> bool {
    layout(known).appendonly || saves(told) || !known.policy.redis.disposable
}

/// Refuses to end a server that could not save, as it is now: it would be killed when its time to stop is over. Where nothing was
/// written since it loaded its data, it need not save, and is told so.
/// One that cannot be asked may be only just beginning, and has nothing yet.
pub(crate) fn can_end(sight: Sight, known: &Instance) -> HostResult<()> {
    let Ok(mut connection) = open(sight, known) else {
        return Ok(());
    };
    let (Ok(_), Ok(info)) = (hold(&mut connection), info(&mut connection)) else {
        return Ok(());
    };
    let is = |name: &str, value: &str| info.get(name).is_some_and(|v| v == value);
    match is("aof_enabled", "0") && is("rdb_last_bgsave_status", "err") {
        true if is("rdb_changes_since_last_save", "0") => end_without_saving(&mut connection),
        true => {
            // They would wait in vain.
            let _ = release(&mut connection);
            Err(last_save_failed(known))
        }
        false => Ok(()),
    }
}

/// Takes a server's save points away: at its end it writes nothing over the snapshot that it was started on.
pub(crate) fn end_without_saving(connection: &mut Line) -> HostResult<()> {
    let none = [("save".to_owned(), String::new())];
    super::live::set_directives(connection, &none)
}

fn last_save_failed(known: &Instance) -> HostError {
    HostError::refused(
        format!("preparing to restart {}", known.policy.redis.name),
        "its last save failed, and so would the one at its end: INFO persistence and its log say why",
    )
}

/// Whether a running server writes its data to disk by itself, in one way or the other.
fn saves(told: &Told) -> bool {
    told.directives
        .get("save")
        .is_some_and(|points| !points.is_empty())
}

/// Why a running server is not to be restarted unasked: its data would be gone, or others depend on it.
pub fn why_not_restart(policy: &Policy, told: &Told) -> Option<String> {
    let field = |name: &str| told.info.get(name).map(String::as_str);
    let name = &policy.redis.name;
    let holds = holds_keys(told);
    let kept = field("aof_enabled") == Some("1") || saves(told) || config::persists(policy);
    if holds && !kept && !policy.redis.disposable {
        return Some(format!(
            "restart pending: {name} keeps nothing on disk, and a restart would empty it; `disposable = true` under [redis] allows that"
        ));
    }
    let directives = &policy.redis.directives;
    let means_replica = REPLICA_OF.iter().any(|key| directives.contains_key(*key));
    if policy.service.restart_is_named {
        return None;
    }
    role_lost(told, means_replica).map(|role| {
        let instead = match role {
            Role::Replica(_) => "replicaof under [redis.directives] keeps it",
            Role::Primary(_) => "fail over first",
        };
        format!("restart pending: {name} {role}; {instead}, or redis-harden apply --restart {name}")
    })
}

/// The directives that make a server a replica.
const REPLICA_OF: [&str; 2] = ["replicaof", "slaveof"];

/// What others have a running server for.
pub(crate) enum Role<'a> {
    /// Of which host and port.
    Replica(String),
    /// Of how many replicas.
    Primary(&'a str),
}

impl std::fmt::Display for Role<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Role::Replica(of) => write!(
                f,
                "is a replica of {of}, and would start as a primary of its own"
            ),
            Role::Primary(count) => write!(
                f,
                "is a primary, and {count} connected replicas would copy its data anew"
            ),
        }
    }
}

/// The role that a restart would end or disturb, where the next configuration makes it a replica by itself or not.
pub(crate) fn role_lost(told: &Told, means_replica: bool) -> Option<Role<'_>> {
    let field = |name: &str| told.info.get(name).map(String::as_str);
    match field("role") {
        Some("slave") if !means_replica => {
            let host = field("master_host").unwrap_or("?");
            let port = field("master_port").unwrap_or("?");
            Some(Role::Replica(format!("{host}:{port}")))
        }
        Some("master") => field("connected_slaves")
            .filter(|count| *count != "0")
            .map(Role::Primary),
        _ => None,
    }
}

/// Whether a configuration makes its server a replica.
pub(crate) fn makes_replica(conf: &str) -> bool {
    let lines = config::parse(conf);
    lines
        .iter()
        .any(|(name, _)| REPLICA_OF.contains(&name.as_str()))
}

/// Whether a running server says that it has keys.
pub(crate) fn holds_keys(told: &Told) -> bool {
    told.info.keys().any(|key| is_database(key))
}

/// `dbN` of INFO keyspace.
fn is_database(key: &str) -> bool {
    key.strip_prefix("db")
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Why the files that the running server uses are not those that our configuration names; a server too old to know one has none there.
fn elsewhere(layout: &Layout, told: &Told) -> Option<String> {
    let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
    let ours = [
        ("dir", Some(layout.dir.to_string_lossy().into_owned())),
        ("dbfilename", name(&layout.snapshot)),
        ("appenddirname", name(&layout.aof_dir)),
        ("appendfilename", Some(layout.aof_name.clone())),
    ];
    let differ: Vec<String> = ours
        .into_iter()
        .filter_map(|(directive, ours)| {
            let theirs = told.directives.get(directive)?;
            let ours = ours.unwrap_or_default();
            let same = Path::new(theirs) == Path::new(&ours);
            (!same).then(|| format!("{directive} is {theirs:?} there and {ours:?} in the policy"))
        })
        .collect();
    (!differ.is_empty()).then(|| {
        format!(
            "the running server keeps its data elsewhere: {}; set redis.data-dir or [redis.directives] to what it uses, or move the data",
            differ.join(", ")
        )
    })
}

/// A connection as whoever told us its configuration: a server that is not ours yet knows no admin.
pub(crate) fn open(sight: Sight, known: &Instance) -> HostResult<Line> {
    let login = match known.as_default {
        true => crate::facts::default(sight.host, &known.policy),
        false => crate::facts::admin(sight.host, &known.policy),
    };
    let login: Option<&Login> = match known.anonymous {
        Ok(true) => None,
        _ => login.as_ref(),
    };
    connect(&known.endpoint, login).map_err(|why| {
        let doing = format!("connecting to {}", known.endpoint);
        HostError::refused(doing, why.to_string())
    })
}

/// A connection as `admin` to a server that runs on our configuration.
pub(crate) fn open_ours(sight: Sight, known: &Instance) -> HostResult<Line> {
    let endpoint = Endpoint::Socket(sight.host.real(&known.policy.unix_socket()));
    let login = crate::facts::admin(sight.host, &known.policy);
    connect(&endpoint, login.as_ref())
        .map_err(|why| HostError::refused(format!("connecting to {endpoint}"), why.to_string()))
}

/// `CONFIG SET appendonly yes`, and the first rewrite waited for: afterwards the AOF holds everything.
pub fn turn_on_aof(sight: Sight, known: &Instance) -> HostResult<()> {
    let mut connection = open(sight, known)?;
    let _: redis::Value = redis::cmd("CONFIG")
        .arg("SET")
        .arg("appendonly")
        .arg("yes")
        .query(&mut connection)
        .map_err(|e| aof_failed(silence(e)))?;
    wait_for_aof(&mut connection, known)
}

/// Until the append-only file is whole: on, and no rewrite of it under way.
fn wait_for_aof(connection: &mut Line, known: &Instance) -> HostResult<()> {
    let deadline = Instant::now() + known.policy.service.start_timeout.std();
    while Instant::now() < deadline {
        let info: String = redis::cmd("INFO")
            .arg("persistence")
            .query(connection)
            .map_err(|e| aof_failed(silence(e)))?;
        let info = fields(&info);
        let is = |name: &str, value: &str| info.get(name).is_some_and(|v| v == value);
        let idle = is("aof_rewrite_in_progress", "0") && is("aof_rewrite_scheduled", "0");
        if idle && is("aof_enabled", "1") && is("aof_last_bgrewrite_status", "ok") {
            return Ok(());
        }
        if idle && is("aof_last_bgrewrite_status", "err") {
            return Err(HostError::refused(
                AOF,
                "Redis could not write it; its log says why",
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(HostError::refused(
        AOF,
        "it was not complete within the start timeout",
    ))
}

const AOF: &str = "turning the append-only file on";

fn aof_failed(why: Silence) -> HostError {
    HostError::refused(AOF, why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_differs_is_named() {
        let layout = Layout::parse("appendonly yes\n", Path::new("/var/lib/redis"));
        let told = |pairs: &[(&str, &str)]| Told {
            directives: pairs
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            ..Told::default()
        };
        let same = [
            ("dir", "/var/lib/redis/"),
            ("dbfilename", "dump.rdb"),
            ("appenddirname", "appendonlydir"),
            ("appendfilename", "appendonly.aof"),
        ];
        assert_eq!(elsewhere(&layout, &told(&same)), None);
        assert_eq!(elsewhere(&layout, &told(&same[..2])), None, "Redis 6");
        for at in 0..same.len() {
            let mut other = same;
            other[at].1 = "other";
            let why = elsewhere(&layout, &told(&other)).unwrap();
            assert!(
                why.contains(&format!("{} is \"other\"", same[at].0)),
                "{why}"
            );
        }
    }
}
