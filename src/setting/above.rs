//! Who could put another directory in the place of one: everybody who may write to a directory above it, on the way that the kernel
//! goes, links and all.

use super::account::UserEntry;
use super::{Reading, Sight, traces};
use crate::host::{HostResult, Kind, Stat};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The kernel's own limit.
const MAX_LINKS: usize = 40;

/// The directories above a path that somebody else than root may change, each with who.
pub fn read(sight: Sight, path: &Path) -> Reading {
    match above(sight, path) {
        Ok(dirs) => {
            let others = dirs.iter().filter_map(|(dir, stat)| {
                Some(format!("{} ({})", dir.display(), who(sight, stat)?))
            });
            traces::words(others.collect())
        }
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// The directories that the way to a path goes through, without its last.
fn above(sight: Sight, path: &Path) -> HostResult<Vec<(PathBuf, Stat)>> {
    let (mut at, mut passed, mut seen) = (PathBuf::from("/"), Vec::new(), BTreeSet::new());
    let mut todo = components(path);
    let mut links = 0;
    loop {
        let Some(stat) = sight.host.stat(&at)? else {
            return Ok(passed);
        };
        if stat.kind == Kind::Link {
            links += 1;
            let target = sight.host.read_link(&at)?.unwrap_or_default();
            at.pop();
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            todo.extend(components(&target));
            if links > MAX_LINKS {
                return Ok(passed);
            }
        } else if todo.is_empty() {
            return Ok(passed);
        } else if seen.insert(at.clone()) {
            passed.push((at.clone(), stat));
        }
        match todo.pop() {
            Some(name) if name == ".." => {
                at.pop();
            }
            Some(name) => at.push(name),
            None => return Ok(passed),
        }
    }
}

/// In reverse: the next is popped off the end.
fn components(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_os_string()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect::<Vec<_>>().into_iter().rev().collect()
}

/// Who else than root may make and rename things in a directory.
fn who(sight: Sight, stat: &Stat) -> Option<String> {
    let facts = sight.facts;
    if !sight.host.is_roots(stat) {
        return Some(format!("owned by {}", facts.user_of(stat.uid).name));
    }
    if stat.mode & 0o002 != 0 {
        return Some(format!("mode {:04o}: everybody", stat.mode));
    }
    let group = facts.group_of(stat.gid).name;
    let members = facts.accounts.members(stat.gid);
    let is_open = stat.mode & 0o020 != 0 && members.iter().any(|user| is_other(sight, user));
    is_open.then(|| format!("mode {:04o}: group {group}", stat.mode))
}

/// A person, or a service user of ours. A system user of another service may have a directory of its group's, as syslog has
/// /var/log on Ubuntu.
fn is_other(sight: Sight, user: &UserEntry) -> bool {
    let mut instances = sight.facts.instances.values();
    user.uid != 0 && !user.is_system() || instances.any(|known| known.policy.user() == user.name)
}
