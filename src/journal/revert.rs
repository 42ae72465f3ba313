//! Puts back: a group that failed, a run that was interrupted, a run that somebody rolls back.

use super::RUNS;
use super::apply::is_unit;
use super::conflict::{Conflict, Force, conflicts, place};
use super::handover;
use super::log::{Outcome, Run};
use super::story::{Entry, Story, runs};
use super::trail::Event;
use crate::facts::Facts;
use crate::host::{Host, HostError, HostResult};
use crate::pki;
use crate::policy::Policies;
use crate::setting::package::{self, Guard, Patience};
use crate::setting::{Saved, Setting, Sight, secret, service};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Puts the entries back in reverse. A server that was not running is stopped first, and one that was is started last,
/// when its own files are there again. What fails does not keep the rest from being put back.
pub fn undo(
    sight: Sight,
    run: &mut Run,
    entries: &[Entry],
    say: &mut dyn FnMut(&str),
) -> Vec<HostError> {
    let mut errors = Vec::new();
    let mut stuck: Vec<PathBuf> = Vec::new();
    let is_service = |e: &&Entry| matches!(e.setting, Setting::Service(_));
    let ran = |e: &&Entry| ran_before(sight, e, entries);
    let mut put_back = |entry: &Entry, say: &mut dyn FnMut(&str)| {
        if is_back(sight, entry) {
            errors.extend(run.undone(entry.n).err());
            return;
        }
        // What was there before it, and the directory that it is in, wait for it in the journal: the next rollback goes on here.
        let place = place(&entry.setting);
        if stuck.iter().any(|path| path.starts_with(&place)) {
            return;
        }
        let stays = matches!(entry.setting, Setting::Package(_)) || entry.before == Saved::Kept;
        say(&format!(
            "{}: {}",
            if stays { "keeping" } else { "putting back" },
            entry.setting
        ));
        let restored = entry
            .setting
            .restore(sight, &entry.before, say)
            .and_then(|()| run.undone(entry.n));
        if let Err(error) = restored {
            errors.push(error);
            stuck.push(place);
        }
    };
    for entry in entries.iter().rev().filter(is_service).filter(|e| !ran(e)) {
        put_back(entry, say);
    }
    for entry in entries.iter().rev().filter(|e| !is_service(e)) {
        put_back(entry, say);
    }
    if entries.iter().any(|e| is_unit(&e.setting)) {
        let reloaded = service::reload_units(sight.host, sight.facts);
        if let Err(e) = reloaded {
            say(&e.to_string());
        }
    }
    for entry in entries.iter().filter(is_service).filter(ran) {
        put_back(entry, say);
    }
    errors
}

/// Whether an inode is as it was: a write that failed has changed nothing, and what could not be written cannot be put back either.
fn is_back(sight: Sight, entry: &Entry) -> bool {
    // What cannot be looked at is put back, and that says why it cannot.
    matches!(entry.before, Saved::Inode(_))
        && entry.setting.save(sight).ok().as_ref() == Some(&entry.before)
}

/// Whether a service ran before the run: not where the run itself installed it, whose package's script then started it.
fn ran_before(sight: Sight, entry: &Entry, entries: &[Entry]) -> bool {
    let Setting::Service(name) = &entry.setting else {
        return false;
    };
    let package = sight.facts.instances.get(name).map(|i| i.policy.package());
    let installed = entries.iter().any(|e| {
        let ours = matches!(&e.setting, Setting::Package(p) if Some(p.as_str()) == package);
        ours && e.before == Saved::Text(None)
    });
    !installed && entry.before == Saved::Text(Some("running".into()))
}

/// Undoes the group in which an earlier run was interrupted, so that none is left half-done. Says which.
pub fn recover(host: &Host, policies: &Policies, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    if let Some(guard) = Guard::left_over(host)? {
        // A package manager outlives the apply that started it: its scripts end, and are finished, under the guard.
        package::recover(host, Patience::default(), say)?;
        say("taking down the guard over package scripts that an interrupted run left");
        guard.take_down(host)?;
    }
    let stories = runs(host)?;
    sweep(host, &stories)?;
    if stories.iter().all(|story| story.outcome.is_some()) {
        return Ok(());
    }
    let facts = Facts::gather(host, policies)?;
    recover_runs(Sight::new(host, &facts), stories, say)
}

fn recover_runs(sight: Sight, stories: Vec<Story>, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    for story in stories {
        if story.outcome.is_some() {
            continue;
        }
        let entries: Vec<Entry> = story.half_done().into_iter().cloned().collect();
        let half: BTreeSet<&str> = entries.iter().map(|e| e.group.as_str()).collect();
        let runs_here = |e: &Entry| sight.host.is_running() || !e.setting.is_of_a_running_system();
        if !entries.iter().all(runs_here) {
            say(&format!(
                "run {} was interrupted, and is recovered by the next apply on the running system",
                story.header.run
            ));
            continue;
        }
        let mut run = Run::resume(sight.host, &story);
        let groups: Vec<&str> = half.into_iter().collect();
        if groups.is_empty() {
            say(&format!(
                "run {} was interrupted between two groups; what it did is kept",
                story.header.run
            ));
        } else {
            say(&format!(
                "run {} was interrupted: undoing {}",
                story.header.run,
                groups.join(", ")
            ));
        }
        for error in undo(sight, &mut run, &entries, say) {
            // It stays in the journal as not put back; what is wrong with it now must not keep every later run from its work.
            say(&format!("not put back: {error}"));
        }
        run.end(Outcome::Recovered)?;
    }
    Ok(())
}

/// Removes the temporary files of writes that were cut off, beside the places that the runs write to.
fn sweep(host: &Host, stories: &[Story]) -> HostResult<()> {
    let mut dirs: BTreeSet<PathBuf> = BTreeSet::from([secret::ASIDE.into()]);
    for run in host.list(Path::new(RUNS))? {
        dirs.insert(Path::new(RUNS).join(run));
    }
    let entries = stories.iter().flat_map(|s| &s.entries);
    let written = entries.filter_map(|e| e.setting.written());
    dirs.extend(written.filter_map(|path| path.parent().map(Path::to_owned)));
    dirs.extend(pki::DIRECTORIES.map(PathBuf::from));
    sweep_in(host, &dirs)
}

/// The same in these directories.
pub fn sweep_in<'a>(host: &Host, dirs: impl IntoIterator<Item = &'a PathBuf>) -> HostResult<()> {
    for dir in dirs {
        for name in host.list(dir)? {
            let Some(writer) = temporary(&name) else {
                continue;
            };
            if host.stat(&Path::new("/proc").join(writer))?.is_none() {
                host.remove(&dir.join(name))?;
            }
        }
    }
    Ok(())
}

/// The process that was writing `.NAME.redis-harden.PID`.
fn temporary(name: &str) -> Option<&str> {
    let (_, pid) = name.strip_prefix('.')?.rsplit_once(".redis-harden.")?;
    pid.parse::<u32>().is_ok().then_some(pid)
}

/// Undoes a run. `Ok(Err(…))` lists what somebody changed since; nothing has been touched then, unless `force`.
pub fn rollback(
    sight: Sight,
    story: &Story,
    force: &Force,
    ended: Outcome,
    say: &mut dyn FnMut(&str),
) -> HostResult<Result<(), Vec<Conflict>>> {
    let entries: Vec<Entry> = story.in_force().into_iter().cloned().collect();
    can_be_undone(sight, &entries)?;
    let mut conflicts = conflicts(sight, story, &entries)?;
    conflicts.retain(|conflict| !force.covers(conflict));
    if !conflicts.is_empty() {
        return Ok(Err(conflicts));
    }
    let everything = matches!(force, Force::Everything);
    if !everything {
        handover::others_allow(sight, &entries)?;
    }
    let unread = handover::save_data(sight, &entries, everything, say)?;
    let mut run = Run::resume(sight.host, story);
    run.tell(Event::RollbackBegins);
    let mut left = undo(sight, &mut run, &entries, say).into_iter();
    let undone = match left.next() {
        Some(error) => Err(error),
        None => unread
            .iter()
            .try_for_each(|layout| layout.set_aside(sight.host, say))
            .and_then(|()| run.end(ended)),
    };
    if undone.is_err() {
        run.tell(Event::RollbackFailed);
    }
    undone.map(Ok)
}

/// Refuses, before anything is touched, what could only be undone in part.
fn can_be_undone(sight: Sight, entries: &[Entry]) -> HostResult<()> {
    for entry in entries {
        let refuse = |cause: String| {
            let doing = format!("putting back: {}", entry.setting);
            Err(HostError::refused(doing, cause))
        };
        if entry.setting.is_of_a_running_system() && !sight.host.is_running() {
            return refuse("the run changed a running system: roll it back there".into());
        }
        match &entry.setting {
            Setting::Service(name) if !sight.facts.instances.contains_key(name) => {
                return refuse(format!(
                    "the policy has no instance {name} any more: give the one that it was applied with (--policy FILE)"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
