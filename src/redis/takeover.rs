//! What must happen to a server and its data before it is restarted on our configuration, so that nothing is lost.
//! The trap: with `appendonly yes` Redis reads only the AOF; a dump.rdb beside no AOF is ignored, and overwritten at the next save.

use super::{Login, Silence, connect, fields, silence};
use crate::facts::{Init, Instance, View};
use crate::host::{HostError, HostResult};
use crate::setting::Sight;
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
    match &known.view {
        View::NotRunning => refuse_ignored_snapshot(sight, known),
        View::Silent(why) => refuse(format!(
            "a server listens there and told nothing, so nothing is known of its data: {why}"
        )),
        View::Told(told) => {
            let told_dir = told.directives.get("dir").map_or("", String::as_str);
            let ours = known.policy.data_dir();
            if known.report.is_none() && std::path::Path::new(told_dir) != ours {
                return refuse(format!(
                    "the running server keeps its data in {told_dir}, the policy in {}: set redis.data-dir, or move the data",
                    ours.display()
                ));
            }
            let off = told.info.get("aof_enabled").is_none_or(|v| v == "0");
            if known.policy.persistence.appendonly && off {
                say(
                    "turning the append-only file on in the running server, so that it holds all data before the restart",
                );
                turn_on_aof(sight, known)?;
            }
            if known.report.is_none() && sight.facts.init == Init::Other {
                let pid = told.info.get("process_id").map_or("?", String::as_str);
                return refuse(format!(
                    "a redis-server that is not ours runs as pid {pid}: stop it (redis-cli SHUTDOWN saves its data), then apply again"
                ));
            }
            Ok(())
        }
    }
}

/// Saves the data of a running server to its snapshot, which every configuration can load, before another one takes over.
/// A server that does not run, or holds nothing, has nothing to save.
pub fn save(sight: Sight, known: &Instance) -> HostResult<()> {
    let fail = |why: Silence| {
        let doing = format!("saving the data of {}", known.policy.redis.name);
        HostError::refused(doing, why.to_string())
    };
    if !matches!(known.view, View::Told(_)) {
        return Ok(());
    }
    let login = crate::facts::admin(sight.host, &known.policy);
    let login = if known.anonymous == Ok(true) {
        None
    } else {
        login.as_ref()
    };
    let mut connection = connect(&known.endpoint, login).map_err(fail)?;
    let keyspace: String = redis::cmd("INFO")
        .arg("keyspace")
        .query(&mut connection)
        .map_err(|e| fail(silence(e)))?;
    if fields(&keyspace).is_empty() {
        return Ok(());
    }
    // The save of a large dataset takes its time; nothing is served meanwhile, and nothing is to be written any more.
    let patience = known.policy.service.stop_timeout.std();
    connection
        .set_read_timeout(Some(patience))
        .map_err(|e| fail(silence(e)))?;
    let _: redis::Value = redis::cmd("SAVE")
        .query(&mut connection)
        .map_err(|e| fail(silence(e)))?;
    Ok(())
}

/// A server that is down: its snapshot would be ignored if there is no AOF yet.
fn refuse_ignored_snapshot(sight: Sight, known: &Instance) -> HostResult<()> {
    if !known.policy.persistence.appendonly {
        return Ok(());
    }
    let dir = known.policy.data_dir();
    let snapshot = dir.join("dump.rdb");
    let manifest = dir.join("appendonlydir/appendonly.aof.manifest");
    let old_aof = dir.join("appendonly.aof");
    let host = sight.host;
    let there = |path: &std::path::Path| host.stat(path).map(|s| s.is_some_and(|s| s.size > 0));
    if there(&snapshot)? && !there(&manifest)? && !there(&old_aof)? {
        return Err(HostError::refused(
            format!("starting {} with appendonly yes", known.policy.redis.name),
            format!(
                "{} would be ignored and then overwritten, since there is no append-only file yet. \
                 Start the server as it was and apply again (apply then turns the append-only file on while it runs), \
                 or set persistence.appendonly = false, or move the snapshot away if it is not wanted",
                snapshot.display()
            ),
        ));
    }
    Ok(())
}

/// `CONFIG SET appendonly yes`, and the first rewrite waited for: afterwards the AOF holds everything.
fn turn_on_aof(sight: Sight, known: &Instance) -> HostResult<()> {
    let fail =
        |why: Silence| HostError::refused("turning the append-only file on", why.to_string());
    let login = crate::facts::admin(sight.host, &known.policy);
    // A server that is not ours yet knows no admin; that its anonymous user may do this is how it told us its configuration.
    let login: Option<&Login> = if known.anonymous == Ok(true) {
        None
    } else {
        login.as_ref()
    };
    let mut connection = connect(&known.endpoint, login).map_err(fail)?;
    let _: redis::Value = redis::cmd("CONFIG")
        .arg("SET")
        .arg("appendonly")
        .arg("yes")
        .query(&mut connection)
        .map_err(|e| fail(silence(e)))?;
    let deadline = Instant::now() + known.policy.service.start_timeout.std();
    while Instant::now() < deadline {
        let info: String = redis::cmd("INFO")
            .arg("persistence")
            .query(&mut connection)
            .map_err(|e| fail(silence(e)))?;
        let info = fields(&info);
        let is = |name: &str, value: &str| info.get(name).is_some_and(|v| v == value);
        let idle = is("aof_rewrite_in_progress", "0") && is("aof_rewrite_scheduled", "0");
        if idle && is("aof_enabled", "1") && is("aof_last_bgrewrite_status", "ok") {
            return Ok(());
        }
        if idle && is("aof_last_bgrewrite_status", "err") {
            return Err(HostError::refused(
                "turning the append-only file on",
                "Redis could not write it; its log says why",
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(HostError::refused(
        "turning the append-only file on",
        "it was not complete within the start timeout",
    ))
}
