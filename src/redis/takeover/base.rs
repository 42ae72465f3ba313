//! A server that is down and has a snapshot but no append-only file yet: the first base is made of the snapshot, as Redis would read it.
//! The base is a second name of the same file, which Redis never writes into, and the manifest, which makes it count, comes last.

use super::Held;
use crate::facts::Instance;
use crate::host::{HostError, HostResult, Kind, Run};
use crate::redis::{Told, config};
use crate::setting::Sight;
use crate::supervise::gate::{Layout, Left, danger};
use crate::supervise::lock::left_in;
use std::path::Path;

/// Where our configuration says that the data is.
pub(crate) fn layout(known: &Instance) -> Layout {
    let lines = config::render(&known.policy, 0, None);
    Layout::parse(&lines, &known.policy.data_dir())
}

/// Makes what is there load under our configuration, or refuses with the next step.
pub(super) fn build(sight: Sight, known: &Instance, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    let layout = layout(known);
    let mut found = layout.look(sight.host)?;
    let left = left_in(sight.host, &layout.dir)?;
    // Only for a snapshot that loads: with none, what is in the append-only files is better than nothing.
    if layout.appendonly && found.has_stale_aof(left) && found.snapshot.is_some() {
        verify(sight, known, &layout.snapshot)?;
        say("the append-only files are older than the data: the last server ran without them");
        layout.set_aside(sight.host, say)?;
        found = layout.look(sight.host)?;
    }
    let left = match layout.appendonly {
        // What another server has saved since is taken over here.
        true => Left {
            snapshot: None,
            ..left
        },
        false => left,
    };
    let Some(why) = danger(&layout, &found, left) else {
        return Ok(());
    };
    let doing = || format!("starting {}", known.policy.redis.name);
    // Append-only files without a manifest, or that nothing would read, are for a person to judge.
    if !layout.appendonly || found.aof_files || found.snapshot.is_none() {
        return Err(HostError::refused(doing(), why));
    }
    let user = known.policy.user();
    let ids = (
        sight.facts.accounts.uid(user),
        sight.facts.accounts.gid(known.policy.group()),
    );
    let (Some(uid), Some(gid)) = ids else {
        let cause = format!("there is no user {user} to own the append-only file");
        return Err(HostError::refused(doing(), cause));
    };
    say(&format!(
        "making the first append-only file from {}",
        layout.snapshot.display()
    ));
    let snapshot = sight.host.stat(&layout.snapshot)?;
    if snapshot.is_none_or(|s| s.kind != Kind::File) {
        let cause = format!("{} is not a regular file", layout.snapshot.display());
        return Err(HostError::refused(doing(), cause));
    }
    sight.host.make_dir(&layout.aof_dir, 0o750, uid, gid)?;
    let name = format!("{}.1.base.rdb", layout.aof_name);
    let base = layout.aof_dir.join(&name);
    if !already(sight, &layout, &base)? {
        sight.host.remove(&base)?;
        sight.host.set_access(&layout.snapshot, 0o640, uid, gid)?;
        verify(sight, known, &layout.snapshot)?;
        sight.host.hard_link(&layout.snapshot, &base)?;
    }
    // Checked by the name that will be loaded.
    verify(sight, known, &base)?;
    let manifest = format!("file {name} seq 1 type b\n");
    sight
        .host
        .write_file(&layout.manifest(), manifest.as_bytes(), 0o640, uid, gid)
}

/// Takes the manifest of a base back that no server has used: a later snapshot would be passed over for it.
pub(crate) fn take_back(sight: Sight, known: &Instance) -> HostResult<()> {
    let layout = layout(known);
    let found = layout.look(sight.host)?;
    if found.manifest && found.linked && !found.aof_files {
        sight.host.remove(&layout.manifest())?;
    }
    Ok(())
}

fn already(sight: Sight, layout: &Layout, base: &Path) -> HostResult<bool> {
    Ok(sight.host.stat(base)?.is_some() && sight.host.same_inode(&layout.snapshot, base)?)
}

/// Refuses a snapshot, just saved by a running server, that Redis's checker finds fewer keys in than the server held.
pub(super) fn has_all(sight: Sight, known: &Instance, told: &Told, held: Held) -> HostResult<()> {
    let place = |name: &str| told.directives.get(name).map(Path::new);
    let (Some(dir), Some(name)) = (place("dir"), place("dbfilename")) else {
        return Ok(());
    };
    let snapshot = dir.join(name);
    // Of an empty dataset none was saved.
    let saved = match held.keys {
        0 => return Ok(()),
        _ => keys_read(&verify(sight, known, &snapshot)?),
    };
    match saved {
        Some(saved) if saved >= held.keys => Ok(()),
        saved => Err(HostError::refused(
            format!("saving the data of {}", known.policy.redis.name),
            format!(
                "it holds {} keys, and {} has {}",
                held.keys,
                snapshot.display(),
                saved.map_or("an unknown number".to_owned(), |n| n.to_string())
            ),
        )),
    }
}

/// `[info] 10 keys read`.
fn keys_read(said: &str) -> Option<u64> {
    let mut counts = said
        .lines()
        .filter_map(|line| line.strip_suffix(" keys read"));
    counts.next_back()?.rsplit(' ').next()?.parse().ok()
}

/// Redis's own checker, as the server's user: what it reads is that user's. Returns what it said.
fn verify(sight: Sight, known: &Instance, snapshot: &Path) -> HostResult<String> {
    let checker = format!("{}-check-rdb", known.policy.user());
    let (user, group) = (known.policy.user(), known.policy.group());
    let run = Run::new("setpriv")
        .args(&["--reuid", user, "--regid", group, "--clear-groups"])
        .args(&["--no-new-privs", &checker])
        .arg(sight.host.real(snapshot).display().to_string())
        .limit(known.policy.service.start_timeout.std());
    sight.host.run_ok(&run).map(|output| output.stdout)
}
