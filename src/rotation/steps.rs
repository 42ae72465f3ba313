//! The steps of a rotation. Each is whole or not done, and can be done again; whatever cuts it off, the record tells how far it came,
//! and the passwords that count by it are those that an apply in between renders.

use super::target::{Target, is_of, known};
use super::{DIR, Holder, OF_SUPERVISOR, Rotation, digest_in, place, read};
use crate::facts::View;
use crate::host::{Host, HostError, HostResult};
use crate::policy::{Name, Policy};
use crate::redis::takeover::open;
use crate::redis::{Login, Silence, acl, live, ping};
use crate::setting::{Sight, primary, secret};
use std::path::Path;

/// Gives the users of a password file a new password beside the one that they have, or goes on with what was cut off.
/// `password` is the new one; without it one is generated. The caller holds the lock.
pub fn begin(
    sight: Sight,
    target: &Target,
    password: Option<String>,
    overlap: std::time::Duration,
    say: &mut dyn FnMut(&str),
) -> HostResult<Rotation> {
    let host = sight.host;
    let doing = || target.changing();
    target.can_be_changed(sight)?;
    let there = digest_in(host, target.file()?)?;
    let under_way = read(host, &place(target.file()?, "json"))?.filter(|r| r.fits(&there));
    let mut rotation = match under_way {
        Some(rotation) if rotation.placed => {
            // Cut off at the very last step, it has left the new password there.
            host.remove(&rotation.next())?;
            return Err(HostError::refused(
                doing(),
                format!(
                    "it was changed at {}, and the former one is valid until {}: end that with --finish first",
                    rotation.began, rotation.until
                ),
            ));
        }
        Some(rotation) => {
            say("going on with what was cut off");
            rotation
        }
        None => prepare(host, target, &there, password, overlap)?,
    };
    // From here on an apply renders both, too.
    tell_servers(sight, target, &rotation.digests(), say)?;
    place_password(sight, target, &rotation)?;
    for (name, user) in &target.users {
        let known = known(sight, name)?;
        if known.policy.replication.user.as_ref() == Some(user) {
            primary::renew(sight, known)?;
        }
    }
    rotation.holders = holders(sight, target)?;
    rotation.placed = true;
    write(host, &rotation)?;
    host.remove(&rotation.next())?;
    tracing::info!(users = ?rotation.users, until = %rotation.until, "changed a password");
    Ok(rotation)
}

/// Ends it: only the new password is valid from now on.
pub fn finish(
    sight: Sight,
    target: &Target,
    mut rotation: Rotation,
    say: &mut dyn FnMut(&str),
) -> HostResult<()> {
    let host = sight.host;
    let doing = || {
        format!(
            "ending the former password of {}",
            rotation.users.join(", ")
        )
    };
    let refuse = |why: &str| Err(HostError::refused(doing(), why));
    let there = secret::digest(host, &rotation.secret)?;
    if !there.is_some_and(|digest| rotation.fits(&digest)) {
        say("its file has another password by now, or none: the record goes");
        host.remove(&rotation.next())?;
        return host.remove(&rotation.record());
    }
    if !rotation.placed {
        return refuse(
            "the change was cut off: `secret rotate` the user again, which goes on with it",
        );
    }
    for holder in &rotation.holders {
        if started(host, holder.pid)?.as_ref() == Some(holder) {
            return refuse(OF_SUPERVISOR);
        }
    }
    target.can_be_changed(sight)?;
    rotation.former.clear();
    write(host, &rotation)?;
    tell_servers(sight, target, &rotation.digests(), say)?;
    host.remove(&rotation.next())?;
    host.remove(&rotation.record())?;
    tracing::info!(users = ?rotation.users, "ended a former password");
    Ok(())
}

/// The new password where only root reads it, then the record.
fn prepare(
    host: &Host,
    target: &Target,
    there: &str,
    password: Option<String>,
    overlap: std::time::Duration,
) -> HostResult<Rotation> {
    let password = password.map_or_else(secret::generate, Ok)?;
    // Not rounded up: one without an overlap is over at once.
    let to_second = jiff::TimestampRound::new()
        .smallest(jiff::Unit::Second)
        .mode(jiff::RoundMode::Trunc);
    let now = host.now();
    let began = now.round(to_second).unwrap_or(now);
    let rotation = Rotation {
        secret: target.file()?.to_path_buf(),
        users: target.names(),
        began,
        until: began.checked_add(overlap).unwrap_or(jiff::Timestamp::MAX),
        new: secret::digest_of(&password),
        former: vec![there.to_owned()],
        placed: false,
        holders: Vec::new(),
    };
    if rotation.new == there {
        let doing = format!("changing the password of {}", rotation.users.join(", "));
        return Err(HostError::refused(
            doing,
            "the new one is the one that it has",
        ));
    }
    let (uid, gid) = crate::setting::file::root_owner(host)?;
    host.make_dir(Path::new(DIR), 0o700, uid, gid)?;
    let line = format!("{password}\n");
    host.write_file(&rotation.next(), line.as_bytes(), 0o600, uid, gid)?;
    write(host, &rotation)?;
    Ok(rotation)
}

fn write(host: &Host, rotation: &Rotation) -> HostResult<()> {
    let path = rotation.record();
    let doing = || format!("writing {}", path.display());
    let json = serde_json::to_string_pretty(rotation)
        .map_err(|e| HostError::refused(doing(), e.to_string()))?;
    let (uid, gid) = crate::setting::file::root_owner(host)?;
    host.write_file(&path, (json + "\n").as_bytes(), 0o600, uid, gid)
}

/// The users' lines in the ACL files, then in the servers that run. Only their passwords change: what else the policy says by now is
/// for an apply.
fn tell_servers(
    sight: Sight,
    target: &Target,
    digests: &[String],
    say: &mut dyn FnMut(&str),
) -> HostResult<()> {
    for (name, user) in &target.users {
        write_line(sight.host, &known(sight, name)?.policy, user, digests)?;
    }
    for (name, user) in &target.users {
        let known = known(sight, name)?;
        if matches!(known.view, View::Told(_)) {
            live::set_passwords(&mut open(sight, known)?, user.as_str(), digests)?;
        } else {
            say(&format!("{name} does not run, and takes it when it starts"));
        }
    }
    Ok(())
}

fn write_line(host: &Host, policy: &Policy, user: &Name, digests: &[String]) -> HostResult<()> {
    let path = policy.acl_file();
    let text = host.read_text(&path)?.unwrap_or_default();
    let lines = text.split('\n').map(|line| match is_of(line, user) {
        true => acl::with_passwords(line, digests),
        false => line.to_owned(),
    });
    let new = lines.collect::<Vec<_>>().join("\n");
    match host.stat(&path)? {
        Some(stat) if new != text => {
            host.write_file(&path, new.as_bytes(), stat.mode, stat.uid, stat.gid)
        }
        _ => Ok(()),
    }
}

/// Puts the new password where its readers look, once every server has proved to take it.
fn place_password(sight: Sight, target: &Target, rotation: &Rotation) -> HostResult<()> {
    let host = sight.host;
    let file = target.file()?;
    if secret::digest(host, file)?.as_ref() == Some(&rotation.new) {
        return Ok(());
    }
    let doing = || target.changing();
    let password = secret::password(host, &rotation.next())?.unwrap_or_default();
    if secret::digest_of(&password) != rotation.new {
        let why = format!("{} is not what the record says", rotation.next().display());
        return Err(HostError::refused(doing(), why));
    }
    for (name, user) in &target.users {
        let known = known(sight, name)?;
        if !matches!(known.view, View::Told(_)) {
            continue;
        }
        let login = Login {
            user: user.to_string(),
            password: password.clone(),
        };
        match ping(&known.endpoint, Some(&login)) {
            // It is let in, and may do other things than PING.
            Ok(()) => {}
            Err(Silence::Refused(why)) if why.starts_with("NOPERM") => {}
            Err(why) => return Err(HostError::refused(doing(), why.to_string())),
        }
    }
    let stat = host
        .stat(file)?
        .ok_or_else(|| HostError::refused(doing(), format!("{} is gone", file.display())))?;
    let line = format!("{password}\n");
    host.write_file(file, line.as_bytes(), stat.mode, stat.uid, stat.gid)
}

/// The supervisors that were started with the password of `agent`, which they keep.
fn holders(sight: Sight, target: &Target) -> HostResult<Vec<Holder>> {
    let mut holders = Vec::new();
    for (name, user) in &target.users {
        let report = known(sight, name)?.report.as_ref();
        if let Some(report) = report.filter(|_| *user == Name::agent()) {
            holders.extend(started(sight.host, report.supervisor_pid)?);
        }
    }
    Ok(holders)
}

/// A process that runs now.
fn started(host: &Host, pid: i32) -> HostResult<Option<Holder>> {
    let stat = host.read_text(Path::new(&format!("/proc/{pid}/stat")))?;
    let boot = host.read_text(Path::new("/proc/sys/kernel/random/boot_id"))?;
    // The name may hold anything, parentheses too.
    let after = stat.as_deref().and_then(|stat| stat.rsplit_once(") "));
    let started = after.and_then(|(_, fields)| fields.split(' ').nth(19)?.parse().ok());
    Ok(started.map(|started| Holder {
        pid,
        started,
        boot: boot.unwrap_or_default().trim().to_owned(),
    }))
}
