//! The snapshot that a running server writes before another configuration takes its data over.

use super::{base, hold, info, open, release, saves};
use crate::facts::{Instance, View};
use crate::host::{HostError, HostResult};
use crate::redis::line::Line;
use crate::redis::{Silence, fields, silence};
use crate::setting::Sight;
use std::time::{Duration, Instant};

/// Saves the data of a running server to its snapshot, which every configuration can load, before another one takes over.
/// A server that does not run, or holds nothing, has nothing to save.
pub fn save(sight: Sight, known: &Instance) -> HostResult<()> {
    let fail = |why: Silence| {
        let doing = format!("saving the data of {}", known.policy.redis.name);
        HostError::refused(doing, why.to_string())
    };
    let told = match &known.view {
        View::NotRunning => return Ok(()),
        View::Silent(why) => return Err(fail(Silence::Broken(why.clone()))),
        View::Told(told) => told,
    };
    let mut connection = open(sight, known)?;
    wait_for_snapshot(&mut connection, known).map_err(fail)?;
    let held = hold(&mut connection).map_err(fail)?;
    let saved = save_now(&mut connection, known).map_err(fail);
    let saved = saved.and_then(|()| match held {
        Some(held) => base::has_all(sight, known, told, held),
        None => Ok(()),
    });
    release(&mut connection).map_err(fail)?;
    saved?;
    match saves(told) {
        true => Ok(()),
        false => save_at_its_end(&mut connection).map_err(fail),
    }
}

/// Until the snapshot that the server writes just now, of itself or for a replica, is done: a SAVE beside it is refused.
fn wait_for_snapshot(connection: &mut Line, known: &Instance) -> Result<(), Silence> {
    let deadline = Instant::now() + known.policy.service.start_timeout.std();
    while Instant::now() < deadline {
        let info = info(connection)?;
        if info.get("rdb_bgsave_in_progress").is_none_or(|n| n == "0") {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// What is written between the save and the end is saved when it ends, which a server without save points would leave out.
fn save_at_its_end(connection: &mut Line) -> Result<(), Silence> {
    let _: redis::Value = redis::cmd("CONFIG")
        .arg(&["SET", "save", "3600 1"])
        .query(connection)
        .map_err(silence)?;
    Ok(())
}

fn save_now(connection: &mut Line, known: &Instance) -> Result<(), Silence> {
    let keyspace: String = redis::cmd("INFO")
        .arg("keyspace")
        .query(connection)
        .map_err(silence)?;
    if fields(&keyspace).is_empty() {
        return Ok(());
    }
    // The save of a large dataset takes its time; nothing is served meanwhile, and nothing is to be written any more.
    let patience = known.policy.service.stop_timeout.std();
    connection.set_patience(patience);
    let _: redis::Value = redis::cmd("SAVE").query(connection).map_err(silence)?;
    Ok(())
}
