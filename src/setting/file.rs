//! Files, directories and their modes.

use super::{Obstacle, Reading, Sight};
use crate::facts::Facts;
use crate::host::{Host, HostError, HostResult, Image, Kind, Stat};
use crate::value::{Access, Account, FileValue, Value};
use std::path::Path;

/// A rendered file with its content, owner and mode.
pub fn read(host: &Host, path: &Path, facts: &Facts) -> HostResult<Option<Value>> {
    let Some(stat) = host.stat(path)? else {
        return Ok(None);
    };
    if stat.kind != Kind::File {
        return Ok(Some(Value::text(
            format!("not a regular file ({:?})", stat.kind).to_lowercase(),
        )));
    }
    let content = host.read_untrusted(path)?.unwrap_or_default();
    Ok(Some(Value::File(FileValue {
        content,
        access: access(&stat, facts),
    })))
}

/// A directory's owner and mode.
pub fn read_dir(host: &Host, path: &Path, facts: &Facts) -> HostResult<Option<Value>> {
    Ok(host.stat(path)?.map(|stat| match stat.kind {
        Kind::Dir => Value::Dir(access(&stat, facts)),
        kind => Value::text(format!("not a directory ({kind:?})").to_lowercase()),
    }))
}

/// The permission bits of what is there; a link's target is not looked at.
pub fn read_mode(host: &Host, path: &Path) -> HostResult<Option<Value>> {
    Ok(host.stat(path)?.map(|stat| Value::Mode(stat.mode)))
}

/// All permission bits that any file in the directory, or in a directory below it, has.
pub fn read_modes_below(host: &Host, path: &Path) -> Reading {
    match host.stat(path) {
        Ok(Some(_)) => {}
        Ok(None) => return Reading::NotApplicable(format!("there is no {}", path.display())),
        Err(e) => return Reading::Unknown(e.to_string()),
    }
    modes_below(host, path, 2)
        .map(|bits| Some(Value::Mode(bits)))
        .into()
}

fn modes_below(host: &Host, path: &Path, depth: u32) -> HostResult<u32> {
    let mut bits = 0;
    for name in host.list(path)? {
        let below = path.join(&name);
        match host.stat(&below)? {
            Some(stat) if stat.kind == Kind::File => bits |= stat.mode & 0o777,
            Some(stat) if stat.kind == Kind::Dir && depth > 1 => {
                bits |= modes_below(host, &below, depth - 1)?
            }
            _ => {}
        }
    }
    Ok(bits)
}

/// Where nothing is, nobody can be allowed too much.
pub fn of_what_is_there(path: &Path, read: HostResult<Option<Value>>) -> Reading {
    match read {
        Ok(None) => Reading::NotApplicable(format!("{} does not exist", path.display())),
        other => other.into(),
    }
}

/// The kind of the file system that holds `path`, or its nearest existing parent.
pub fn read_file_system(host: &Host, path: &Path) -> Reading {
    let mounts = match host.read_text(Path::new("/proc/self/mountinfo")) {
        Ok(Some(text)) => text,
        Ok(None) => return Reading::NotApplicable("/proc is not mounted".into()),
        Err(e) => return Reading::Unknown(e.to_string()),
    };
    match mount_of(&mounts, path) {
        Some(kind) => Reading::Value(Value::text(kind), None),
        None => Reading::Unknown(format!(
            "no mount in /proc/self/mountinfo holds {}",
            path.display()
        )),
    }
}

/// The type of the last mount whose mount point is a prefix of `path`. Source: proc_pid_mountinfo(5).
fn mount_of(mountinfo: &str, path: &Path) -> Option<String> {
    let mut best: Option<(usize, String)> = None;
    for line in mountinfo.lines() {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?.replace("\\040", " ");
        let kind = right.split(' ').next()?;
        if path.starts_with(&point) && best.as_ref().is_none_or(|(len, _)| point.len() >= *len) {
            best = Some((point.len(), kind.to_owned()));
        }
    }
    best.map(|(_, kind)| kind)
}

/// Free bytes at `path` or its nearest existing parent.
pub fn read_free_space(host: &Host, path: &Path) -> Reading {
    for dir in path.ancestors() {
        match host.stat(dir) {
            Ok(Some(_)) => {
                let free = host
                    .free_space(dir)
                    .map(|bytes| Some(Value::Int(i64::try_from(bytes).unwrap_or(i64::MAX))));
                return free.into();
            }
            Ok(None) => continue,
            Err(e) => return Reading::Unknown(e.to_string()),
        }
    }
    Reading::Absent
}

/// Writes a rendered file.
pub fn write(host: &Host, path: &Path, value: &FileValue) -> HostResult<()> {
    let (uid, gid) = ids(path, &value.access)?;
    host.write_file(path, &value.content, value.access.mode, uid, gid)
}

/// An instance's data directory that is in use by somebody else is not taken from them.
pub fn obstacle_dir(sight: Sight, path: &Path) -> Option<Obstacle> {
    let known = sight.facts.instances.values();
    let policy = known.map(|i| &i.policy).find(|p| p.data_dir() == path)?;
    match stranger(sight, path, policy.user()) {
        Ok(None) => None,
        Ok(Some(owner)) => Some(Obstacle::Hand(format!(
            "{} is not empty and belongs to {owner}: if the data is this Redis's, chown -R {}:{} {}",
            path.display(),
            policy.user(),
            policy.group(),
            path.display()
        ))),
        Err(e) => Some(Obstacle::Hand(e.to_string())),
    }
}

/// Whose directory it is, when there is something in it and it is not `user`'s.
fn stranger(sight: Sight, path: &Path, user: &str) -> HostResult<Option<String>> {
    let Some(stat) = sight.host.stat(path)? else {
        return Ok(None);
    };
    if stat.kind != Kind::Dir || sight.facts.accounts.uid(user) == Some(stat.uid) {
        return Ok(None);
    }
    let names = sight.host.list(path)?;
    // A new ext4 file system is not quite empty.
    let used = names.iter().any(|name| name != "lost+found");
    Ok(used.then(|| sight.facts.user_of(stat.uid).name))
}

/// Makes a directory, or corrects its owner and mode.
pub fn write_dir(host: &Host, path: &Path, access: &Access) -> HostResult<()> {
    let (uid, gid) = ids(path, access)?;
    host.make_dir(path, access.mode, uid, gid)
}

/// Changes permission bits only.
pub fn write_mode(host: &Host, path: &Path, mode: u32) -> HostResult<()> {
    let stat = host.stat(path)?.ok_or_else(|| {
        HostError::refused(
            format!("changing the mode of {}", path.display()),
            "it does not exist",
        )
    })?;
    host.set_access(path, mode, stat.uid, stat.gid)
}

/// Whether `path` is a copy of the file `source` of this machine, and root's alone to write.
pub fn read_copy(host: &Host, path: &Path, source: &Path) -> HostResult<Option<Value>> {
    let Some(stat) = host.stat(path)? else {
        return Ok(None);
    };
    let theirs = host.own_file(source)?;
    let same =
        stat.size == theirs.len() as u64 && host.read_untrusted(path)?.as_deref() == Some(&theirs);
    let roots =
        stat.kind == Kind::File && stat.uid == root_owner(host)?.0 && stat.mode & 0o022 == 0;
    Ok(Some(Value::Flag(same && roots)))
}

/// Copies the file `source` of this machine to `path`, executable and root's.
pub fn write_copy(host: &Host, path: &Path, source: &Path) -> HostResult<()> {
    let (uid, gid) = root_owner(host)?;
    host.write_file(path, &host.own_file(source)?, 0o755, uid, gid)
}

/// Root's ids; on a fake host those of its root directory's owner.
pub fn root_owner(host: &Host) -> HostResult<(u32, u32)> {
    Ok(host
        .stat(Path::new("/"))?
        .map_or((0, 0), |s| (s.uid, s.gid)))
}

/// Puts an inode back. A directory that we made and that is not empty any more stays: what is in it is not ours.
pub fn restore(host: &Host, path: &Path, image: &Image) -> HostResult<()> {
    match image {
        Image::Absent
            if host.stat(path)?.is_some_and(|s| s.kind == Kind::Dir)
                && !host.list(path)?.is_empty() =>
        {
            Ok(())
        }
        image => host.put(path, image),
    }
}

/// The owner's and group's ids; an account that does not exist yet cannot own anything.
pub fn ids(path: &Path, access: &Access) -> HostResult<(u32, u32)> {
    let id = |account: &Account, what: &str| {
        account.id.ok_or_else(|| {
            HostError::refused(
                format!("writing {}", path.display()),
                format!("its {what} {} does not exist", account.name),
            )
        })
    };
    Ok((id(&access.user, "owner")?, id(&access.group, "group")?))
}

/// The owner, group and mode of what is there.
pub fn read_owned(sight: Sight, path: &Path) -> HostResult<Option<Value>> {
    let stat = sight.host.stat(path)?;
    Ok(stat.map(|stat| Value::Owned(access(&stat, sight.facts))))
}

/// Gives it to its owner and group.
pub fn write_access(host: &Host, path: &Path, access: &Access) -> HostResult<()> {
    let (uid, gid) = ids(path, access)?;
    host.set_access(path, access.mode, uid, gid)
}

/// Its mode in octal, its owner's and its group's number: a private key has no place in a journal.
pub fn save_access(host: &Host, path: &Path) -> HostResult<Option<String>> {
    let stat = host.stat(path)?;
    Ok(stat.map(|stat| format!("{:o} {} {}", stat.mode, stat.uid, stat.gid)))
}

/// Puts back what `save_access` gave, where the file is still there.
pub fn restore_access(host: &Host, path: &Path, saved: &str) -> HostResult<()> {
    let mut words = saved.split(' ');
    let mode = words.next().and_then(|w| u32::from_str_radix(w, 8).ok());
    let mut number = || words.next().and_then(|w| w.parse().ok());
    match (mode, number(), number()) {
        _ if host.stat(path)?.is_none() => Ok(()),
        (Some(mode), Some(uid), Some(gid)) => host.set_access(path, mode, uid, gid),
        _ => Err(HostError::refused(
            format!("changing the owner and mode of {}", path.display()),
            format!("{saved:?} is no owner and mode"),
        )),
    }
}

/// Owner, group and mode by name.
pub fn access(stat: &Stat, facts: &Facts) -> Access {
    Access {
        user: facts.user_of(stat.uid),
        group: facts.group_of(stat.gid),
        mode: stat.mode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_holds_a_path() {
        let info = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 21 0:5 / /var/lib/redis rw shared:1 - tmpfs tmpfs rw\n";
        assert_eq!(
            mount_of(info, Path::new("/var/lib/redis/appendonlydir")),
            Some("tmpfs".into())
        );
        assert_eq!(
            mount_of(info, Path::new("/var/lib/redis-b")),
            Some("ext4".into())
        );
    }
}
