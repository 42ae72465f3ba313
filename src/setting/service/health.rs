//! Whether a server that was restarted is sound: all that was saved is loaded, it can save where it now is confined to, and it stays.

use super::Sight;
use crate::facts::{Instance, View};
use crate::host::{HostError, HostResult};
use crate::redis::Silence;
use crate::redis::takeover::{self, Held};
use crate::supervise::state::{self, Report};
use std::time::{Duration, Instant};

/// A server that dies of what it is confined to dies soon: its first cron runs, its first child.
const SETTLE: Duration = Duration::from_millis(250);

/// What the server that is about to be restarted holds; nothing where none runs, or its data may go.
pub(super) fn hold(sight: Sight, known: &Instance) -> HostResult<Option<Held>> {
    match &known.view {
        View::Told(told) if takeover::is_kept(known, told) => {}
        _ => return Ok(None),
    }
    takeover::hold(&mut takeover::open(sight, known)?)
        .map_err(|why| failed(known, &why.to_string()))
}

/// A server that was not ended after all takes writes again; after a while it does so by itself.
pub(super) fn release(sight: Sight, known: &Instance) {
    if let Ok(mut connection) = takeover::open(sight, known) {
        let _ = takeover::release(&mut connection);
    }
}

/// Refuses a server that has not loaded what the one before held, cannot save, or is not the one that answered first.
pub(super) fn verify(
    sight: Sight,
    known: &Instance,
    held: Option<Held>,
    say: &mut dyn FnMut(&str),
) -> HostResult<()> {
    let begun = Instant::now();
    let first = processes(sight, known)?;
    let mut connection = takeover::open_ours(sight, known)?;
    let silent = |why: Silence| failed(known, &why.to_string());
    let info = takeover::info(&mut connection).map_err(silent)?;
    if let Some(why) = held.and_then(|held| held.missing(&info)) {
        // What it would write at its end must not take the place of what is there.
        takeover::end_without_saving(&mut connection)?;
        return Err(failed(known, &why));
    }
    takeover::try_to_save(&mut connection, known, &info, say)?;
    std::thread::sleep(SETTLE.saturating_sub(begun.elapsed()));
    match processes(sight, known)? == first {
        true => Ok(()),
        false => Err(failed(
            known,
            "it ended after its first answer; its log says why",
        )),
    }
}

/// The supervisor and its server: another pair is another start.
fn processes(sight: Sight, known: &Instance) -> HostResult<Option<(i32, Option<i32>)>> {
    let report = state::read(sight.host, known.policy.redis.name.as_str())?;
    Ok(report.map(
        |Report {
             supervisor_pid,
             server_pid,
             ..
         }| (supervisor_pid, server_pid),
    ))
}

fn failed(known: &Instance, why: &str) -> HostError {
    HostError::refused(format!("restarting {}", known.policy.redis.name), why)
}
