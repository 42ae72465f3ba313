//! Users and groups: read from `/etc/passwd`, `/etc/group` and `/etc/shadow` below the root, and the service user made as Debian's package makes it.
//! It changes no account that exists, and starts no program to read one.

mod creation;
mod reading;
#[cfg(test)]
mod tests;
mod text;

pub use creation::{create_service_user, obstacle};
pub use reading::{read_group, read_groups_of, read_id, read_password, read_user};

use crate::host::{Host, HostError, HostResult};
use std::path::{Path, PathBuf};
use text::{judge_password, parse_groups, parse_users};

/// Debian Policy 9.2.2: ids that packages may take while they are installed.
const SYSTEM_IDS: std::ops::RangeInclusive<u32> = 100..=999;

/// A user, as `/etc/passwd` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEntry {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: PathBuf,
    pub shell: PathBuf,
    /// The password field: `x` when `/etc/shadow` has it.
    password: String,
}

/// Whether a password opens an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// None does.
    Locked,
    /// One does.
    Set,
    /// An empty one does.
    Empty,
}

/// The users and groups of a host.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    users: Vec<UserEntry>,
    groups: Vec<Group>,
    /// Whether this machine's name service may be asked too (LDAP, systemd): never about another root.
    live: bool,
}

#[derive(Clone, Debug)]
struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

impl UserEntry {
    /// Whether it is below the first id of people's accounts.
    pub fn is_system(&self) -> bool {
        self.uid != 0 && self.uid <= *SYSTEM_IDS.end()
    }
}

impl Accounts {
    /// The host's accounts; a tree without `/etc/passwd` has none.
    pub fn read(host: &Host) -> HostResult<Accounts> {
        let text = |path: &str| -> HostResult<String> {
            let bytes = host.read(Path::new(path))?.unwrap_or_default();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Accounts {
            users: parse_users(&text("/etc/passwd")?),
            groups: parse_groups(&text("/etc/group")?),
            live: host.is_live_root(),
        })
    }

    /// A user by name.
    pub fn user(&self, name: &str) -> HostResult<Option<UserEntry>> {
        match self.local_user(name) {
            Some(user) => Ok(Some(user.clone())),
            None if self.live => user_of_name_service(name),
            None => Ok(None),
        }
    }

    /// A user's id.
    pub fn uid(&self, name: &str) -> Option<u32> {
        // A name service that does not answer knows no user for us: whoever makes one asks `user`, which says why.
        self.user(name).ok().flatten().map(|user| user.uid)
    }

    /// A group's id.
    pub fn gid(&self, name: &str) -> Option<u32> {
        let local = self.groups.iter().find(|group| group.name == name);
        if let Some(group) = local {
            return Some(group.gid);
        }
        // As for `uid`.
        let other = self
            .live
            .then(|| nix::unistd::Group::from_name(name).ok().flatten());
        other.flatten().map(|group| group.gid.as_raw())
    }

    /// The name that `/etc/passwd` has for an id.
    pub fn user_name(&self, uid: u32) -> Option<&str> {
        let user = self.users.iter().find(|user| user.uid == uid)?;
        Some(&user.name)
    }

    /// The name that `/etc/group` has for an id.
    pub fn group_name(&self, gid: u32) -> Option<&str> {
        let group = self.groups.iter().find(|group| group.gid == gid)?;
        Some(&group.name)
    }

    /// The names of the groups that a user is in beside its own, sorted.
    pub fn groups_of(&self, user: &UserEntry) -> Vec<&str> {
        // Its primary group is its own only where it has its name.
        let own = |group: &&Group| group.gid == user.gid && group.name == user.name;
        let others = self.groups.iter().filter(|group| !own(group));
        let mut names: Vec<&str> = others
            .filter(|group| group.members.contains(&user.name) || group.gid == user.gid)
            .map(|group| group.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The users that a group is given to, as their own or beside it.
    pub fn members(&self, gid: u32) -> Vec<&UserEntry> {
        let group = self.groups.iter().find(|group| group.gid == gid);
        let named = |user: &&UserEntry| group.is_some_and(|g| g.members.contains(&user.name));
        let users = self.users.iter();
        users
            .filter(|user| user.gid == gid || named(user))
            .collect()
    }

    /// Whether more than one name has this id.
    pub fn is_shared(&self, uid: u32) -> bool {
        self.users.iter().filter(|user| user.uid == uid).count() > 1
    }

    /// Whether a password opens a local user's account; `None` when `/etc/passwd` has no such user.
    pub fn password(&self, host: &Host, name: &str) -> HostResult<Option<Password>> {
        let Some(user) = self.local_user(name) else {
            return Ok(None);
        };
        if user.password != "x" {
            return Ok(Some(judge_password(&user.password)));
        }
        let shadow = host.read(Path::new("/etc/shadow"))?.unwrap_or_default();
        let shadow = String::from_utf8_lossy(&shadow);
        let mut lines = shadow.lines().map(|line| line.split(':'));
        let password = lines.find_map(|mut fields| {
            (fields.next() == Some(name)).then(|| fields.next().unwrap_or_default().to_owned())
        });
        // Without a line in the shadow file there is no password that could match.
        Ok(Some(
            password.map_or(Password::Locked, |p| judge_password(&p)),
        ))
    }

    fn local_user(&self, name: &str) -> Option<&UserEntry> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The ids that adduser would take: the first free one of users, and the first free one of groups.
    fn free_system_ids(&self) -> Option<(u32, u32)> {
        let uid = SYSTEM_IDS
            .into_iter()
            .find(|id| self.user_name(*id).is_none())?;
        let gid = SYSTEM_IDS
            .into_iter()
            .find(|id| self.group_name(*id).is_none())?;
        Some((uid, gid))
    }
}

fn user_of_name_service(name: &str) -> HostResult<Option<UserEntry>> {
    let user = nix::unistd::User::from_name(name)
        .map_err(|e| HostError::errno(format!("asking the name service for the user {name}"), e))?;
    Ok(user.map(|user| UserEntry {
        name: user.name,
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        home: user.dir,
        shell: user.shell,
        password: user.passwd.to_string_lossy().into_owned(),
    }))
}
