//! What speaks against a rollback: somebody has changed a thing since, or a later run stands on it.

use super::digest;
use super::story::{Entry, Story, runs};
use crate::host::{HostResult, Image};
use crate::setting::{Saved, Setting, Sight};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Something that somebody changed since we wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub setting: String,
    pub why: String,
}

/// What a rollback puts back although somebody has changed it since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Force {
    /// Only what is named: words of settings, as a conflict shows them.
    Named(Vec<String>),
    Everything,
}

impl Force {
    pub(super) fn covers(&self, conflict: &Conflict) -> bool {
        match self {
            Force::Everything => true,
            // `file /etc/x` is meant by `/etc/x` too.
            Force::Named(names) => names.iter().any(|name| {
                conflict.setting == *name || conflict.setting.split(' ').next_back() == Some(name)
            }),
        }
    }
}

/// What is no longer as the run left it. Of several changes to one place, the last one counts.
pub(super) fn conflicts(
    sight: Sight,
    story: &Story,
    entries: &[Entry],
) -> HostResult<Vec<Conflict>> {
    let mut seen = BTreeSet::new();
    let mut conflicts = needed(sight, story, entries)?;
    for entry in entries.iter().rev() {
        // A server comes and goes, and a package may have been upgraded: neither is somebody's edit.
        let moves = matches!(entry.setting, Setting::Service(_) | Setting::Package(_));
        // One that was perhaps done, and failed, may have left what the one before it did not.
        if moves || !seen.insert(place(&entry.setting)) || !entry.done {
            continue;
        }
        let saved = entry.setting.save(sight)?;
        let lives = matches!(
            entry.setting,
            Setting::Live(_) | Setting::LiveUsers(_) | Setting::LivePrimaryPassword(_)
        );
        // A server that is down has no values of its own.
        if lives && saved == Saved::Text(None) {
            continue;
        }
        let now = digest(&entry.setting, &saved);
        // A rollback that was killed has put some back without saying so.
        let back = now == digest(&entry.setting, &entry.before);
        if now != entry.after && !back {
            conflicts.push(Conflict {
                setting: entry.setting.to_string(),
                why: "it is not what the run left: somebody has changed it since".into(),
            });
        }
    }
    Ok(conflicts)
}

/// What a service of a later run needs: its program would be stopped with its package, or gone at its next start.
fn needed(sight: Sight, story: &Story, entries: &[Entry]) -> HostResult<Vec<Conflict>> {
    let is_ours = |name: &str| {
        let mut settings = entries.iter().map(|entry| &entry.setting);
        settings.any(|setting| matches!(setting, Setting::Service(ours) if ours == name))
    };
    let mut needed = Vec::new();
    for later in runs(sight.host)? {
        if later.header.run <= story.header.run {
            continue;
        }
        for name in later.in_force().into_iter().filter_map(service_of) {
            let uses = |entry: &&Entry| takes_away_from(sight, entry, name);
            let lost = entries.iter().filter(uses).filter(|_| !is_ours(name));
            needed.extend(lost.map(|entry| Conflict {
                setting: entry.setting.to_string(),
                why: format!(
                    "the service {name} of run {} needs it: roll that back first",
                    later.header.run
                ),
            }));
        }
    }
    Ok(needed)
}

fn service_of(entry: &Entry) -> Option<&str> {
    match &entry.setting {
        Setting::Service(name) => Some(name),
        _ => None,
    }
}

/// Whether putting this back takes a service's program away.
fn takes_away_from(sight: Sight, entry: &Entry, name: &str) -> bool {
    match (&entry.setting, &entry.before) {
        (Setting::Binary { .. }, Saved::Inode(Image::Absent)) => true,
        (Setting::Package(package), Saved::Text(None)) => {
            let known = sight.facts.instances.get(name);
            known.is_some_and(|known| known.policy.package() == package)
        }
        _ => false,
    }
}

/// What a setting writes to: several may share a file. What is no file is its own name.
pub(super) fn place(setting: &Setting) -> PathBuf {
    let written = setting.written();
    written.unwrap_or_else(|| setting.to_string().into())
}
