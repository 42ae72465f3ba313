//! From root to the server's user, for good: what only root can do is done first, then the whole supervisor steps down.

use super::process;
use super::scheduling;
use super::settings::Settings;
use crate::contain::plan::Plan;
use crate::contain::{capabilities, mounts};
use crate::host::{Host, HostError, HostResult};
use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    Gid, Group, Uid, User, geteuid, getresgid, getresuid, setgroups, setresgid, setresuid,
};
use std::path::Path;

/// The server's user and group by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uid: Uid,
    pub gid: Gid,
}

impl Identity {
    /// Looks the settings' user and group up.
    pub fn of(settings: &Settings) -> HostResult<Identity> {
        let (user, group) = (&settings.user, &settings.group);
        let missing = || {
            HostError::refused(
                format!("looking up {user}:{group}"),
                "there is no such user or group",
            )
        };
        let fail = |e| HostError::errno(format!("looking up {user}:{group}"), e);
        // A container may be run as a number that has no name.
        let uid = match user.parse() {
            Ok(number) => Uid::from_raw(number),
            Err(_) => (User::from_name(user).map_err(fail)?.ok_or_else(missing)?).uid,
        };
        let gid = match group.parse() {
            Ok(number) => Gid::from_raw(number),
            Err(_) => (Group::from_name(group).map_err(fail)?.ok_or_else(missing)?).gid,
        };
        if uid.is_root() {
            return Err(HostError::refused(
                "starting the server",
                "its user is root",
            ));
        }
        Ok(Identity { uid, gid })
    }
}

/// Makes the run-time directories where root must, raises the limits, and leaves root behind. Returns the open files that hold.
pub fn step_down(host: &Host, settings: &Settings) -> HostResult<u64> {
    let identity = Identity::of(settings)?;
    umask(Mode::from_bits_truncate(0o027));
    let nofile = limits(settings)?;
    scheduling::without_huge_pages();
    if geteuid().is_root() {
        scheduling::set(&settings.scheduling)?;
        make_dirs(host, settings, identity)?;
        if let Err(e) = mounts::shut_in(&Plan::of(settings)) {
            tracing::debug!(error = %e, "mounts are as this host permits");
        }
        become_user(identity)?;
    } else if geteuid() != identity.uid {
        let cause = format!("this is neither root nor {} (run as root?)", settings.user);
        return Err(HostError::refused("starting the supervisor", cause));
    }
    seal()?;
    Ok(nofile)
}

/// Only leaves root behind: for a server that is not run as ours are.
pub fn become_user_of(settings: &Settings) -> HostResult<()> {
    become_user(Identity::of(settings)?)?;
    seal()
}

fn limits(settings: &Settings) -> HostResult<u64> {
    let fail = |e| HostError::errno("forbidding core dumps, which would hold the data", e);
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(fail)?;
    let nofile = process::raise_nofile(settings.nofile)?;
    // 32 is CONFIG_MIN_RESERVED_FDS in Redis's server.h.
    let allows = nofile.saturating_sub(32);
    if allows < settings.maxclients {
        let cause = format!(
            "{nofile} open files are allowed, which is enough for {allows} clients, and redis.maxclients is {}: raise the hard limit \
             (LimitNOFILE= of the unit, --ulimit nofile= of the container), or lower redis.maxclients and apply",
            settings.maxclients
        );
        return Err(HostError::refused("starting the server", cause));
    }
    if nofile < settings.nofile {
        tracing::warn!(
            wanted = settings.nofile,
            nofile,
            maxclients = allows,
            "the limit of open files cannot be raised further"
        );
    }
    Ok(nofile)
}

fn make_dirs(host: &Host, settings: &Settings, identity: Identity) -> HostResult<()> {
    let (uid, gid) = (identity.uid.as_raw(), identity.gid.as_raw());
    let dirs: [(&Path, u32); 2] = [(&settings.state_dir, 0o750), (&settings.run_dir, 0o2750)];
    for (path, mode) in dirs {
        host.make_dir(path, mode, uid, gid)?;
    }
    Ok(())
}

/// Groups first: without root they can no longer be dropped.
fn become_user(Identity { uid, gid }: Identity) -> HostResult<()> {
    let fail = |e| HostError::errno(format!("becoming user {uid}"), e);
    capabilities::empty_bounding_set();
    setgroups(&[]).map_err(fail)?;
    setresgid(gid, gid, gid).map_err(fail)?;
    setresuid(uid, uid, uid).map_err(fail)?;
    let (users, groups) = (getresuid().map_err(fail)?, getresgid().map_err(fail)?);
    let users_hold = [users.real, users.effective, users.saved] == [uid; 3];
    let groups_hold = [groups.real, groups.effective, groups.saved] == [gid; 3];
    if users_hold && groups_hold {
        return Ok(());
    }
    Err(HostError::refused(
        format!("becoming user {uid}"),
        "some of root's ids are still held",
    ))
}

/// The probe's password is in our memory, and the server has our uid: it must not be able to look.
fn seal() -> HostResult<()> {
    let fail = |e| HostError::errno("sealing the supervisor", e);
    set_dumpable(false).map_err(fail)?;
    set_no_new_privs().map_err(fail)
}
