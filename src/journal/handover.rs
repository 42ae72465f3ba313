//! What a rollback owes to a running server before it hands its data to the configuration before, and to those who depend on it.

use super::story::Entry;
use crate::facts::{Instance, View};
use crate::host::{HostError, HostResult, Image};
use crate::redis::{self, takeover};
use crate::setting::{Saved, Setting, Sight};
use crate::supervise::gate::Layout;
use crate::supervise::lock::left_in;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a server that is going away may still take connections.
const STOPPING: Duration = Duration::from_secs(15);

/// Refuses to restart a server whose role others depend on, or that would lose it: a replica that was made one while it runs.
pub(super) fn others_allow(sight: Sight, entries: &[Entry]) -> HostResult<()> {
    for (name, known) in &sight.facts.instances {
        let ran = |e: &Entry| {
            matches!(&e.setting, Setting::Service(service) if service == name)
                && e.before == Saved::Text(Some("running".into()))
        };
        let policy = &known.policy;
        let read_at_start = [
            policy.config_file(),
            policy.acl_file(),
            policy.settings_file(),
        ];
        let changes =
            |e: &Entry| matches!(&e.setting, Setting::File(path) if read_at_start.contains(path));
        let View::Told(told) = &known.view else {
            continue;
        };
        if !(entries.iter().any(ran) && entries.iter().any(changes)) {
            continue;
        }
        let next = match next_conf(sight, known, entries)? {
            Some(next) => next,
            None => {
                let ours = sight.host.read(&known.policy.config_file())?;
                String::from_utf8_lossy(ours.as_deref().unwrap_or_default()).into_owned()
            }
        };
        if let Some(role) = takeover::role_lost(told, takeover::makes_replica(&next)) {
            return Err(HostError::refused(
                format!("rolling back {name}"),
                format!(
                    "it has to be restarted for it, and {role}: rollback --force does it all the same"
                ),
            ));
        }
    }
    Ok(())
}

/// Saves; but a server that is just being stopped (a rollback before this one was killed) saves by itself and goes.
fn save_or_see_it_stop(sight: Sight, known: &Instance) -> HostResult<()> {
    let deadline = Instant::now() + STOPPING;
    loop {
        let Err(error) = takeover::save(sight, known) else {
            return Ok(());
        };
        if redis::ping(&known.endpoint, None) == Err(redis::Silence::Nobody) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A server that is stopped or changes its configuration saves first: a rollback that cannot keep the data is refused.
/// One that goes back to an append-only file has it written anew, since what is there is older than the data.
/// Returns the places of append-only files that nothing will read any more.
pub(super) fn save_data(
    sight: Sight,
    entries: &[Entry],
    force: bool,
    say: &mut dyn FnMut(&str),
) -> HostResult<Vec<Layout>> {
    let mut unread = Vec::new();
    for (name, known) in &sight.facts.instances {
        let touched = entries.iter().any(|e| match &e.setting {
            Setting::Service(service) => service == name,
            Setting::Package(package) => *package == known.policy.package(),
            _ => false,
        });
        if touched {
            say(&format!("saving the data of {name}"));
            save_or_see_it_stop(sight, known)?;
            let View::Told(told) = &known.view else {
                unread.extend(left_by_stopped(sight, known, entries, force)?);
                continue;
            };
            let off = told.info.get("aof_enabled").is_none_or(|v| v == "0");
            match (next_conf(sight, known, entries)?, off) {
                (Some(conf), true) if Layout::parse(&conf, &known.policy.data_dir()).appendonly => {
                    say("turning the append-only file on, which the configuration before had");
                    takeover::turn_on_aof(sight, known)?;
                }
                (Some(conf), _) if Layout::parse(&conf, &known.policy.data_dir()).appendonly => {}
                // Unchanged, it goes on being read.
                (None, _) => {}
                (Some(_), _) => unread.push(takeover::layout(known)),
            }
        }
    }
    Ok(unread)
}

/// A server that is down saves nothing any more: what it left must be what the configuration before reads.
/// Returns the place of its append-only files where nothing will read them any more.
fn left_by_stopped(
    sight: Sight,
    known: &Instance,
    entries: &[Entry],
    force: bool,
) -> HostResult<Option<Layout>> {
    let Some(next) = next_conf(sight, known, entries)? else {
        return Ok(None);
    };
    let now = sight.host.read(&known.policy.config_file())?;
    let now = String::from_utf8_lossy(now.as_deref().unwrap_or_default()).into_owned();
    let [now, next] = [now, next].map(|conf| Layout::parse(&conf, &known.policy.data_dir()));
    let found = now.look(sight.host)?;
    let left = left_in(sight.host, &now.dir)?;
    let lost = match (now.appendonly, next.appendonly) {
        (true, false) => found.aof_files && !found.snapshot_has_all(left),
        (false, true) => found.has_stale_aof(left),
        _ => false,
    };
    if lost && !force {
        let name = &known.policy.redis.name;
        return Err(HostError::refused(
            format!("rolling back {name}"),
            format!(
                "it is down, and the configuration before does not read what it wrote last: \
                 `redis-harden start {name}`, then roll back, which saves the data first; or --force"
            ),
        ));
    }
    Ok((now.appendonly && !next.appendonly).then_some(now))
}

/// The configuration that the next server starts from: what is put back, or the package's own. `None` where it stays ours.
fn next_conf(sight: Sight, known: &Instance, entries: &[Entry]) -> HostResult<Option<String>> {
    let ours = known.policy.config_file();
    let first = entries
        .iter()
        .find(|e| matches!(&e.setting, Setting::File(path) if *path == ours));
    let text = |content: &[u8]| String::from_utf8_lossy(content).into_owned();
    match first.map(|e| &e.before) {
        None => Ok(None),
        Some(Saved::Inode(Image::File { content, .. })) => Ok(Some(text(content))),
        Some(_) => {
            let user = known.policy.user();
            let stock = sight
                .host
                .read(Path::new(&format!("/etc/{user}/{user}.conf")))?;
            Ok(Some(stock.map(|c| text(&c)).unwrap_or_default()))
        }
    }
}
