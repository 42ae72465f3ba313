//! The start of a container: what `apply` renders on a host is rendered here, anew at each start, from the policy and the passwords
//! that are mounted. It goes into directories that live no longer than the container, so nothing is journalled; it changes nothing else.

use crate::controls;
use crate::facts::{Entrypoint, Facts};
use crate::host::{Host, HostError, HostResult, Kind, Stat};
use crate::policy::{Name, PasswordSource, Policies, Policy};
use crate::redis::{acl, config};
use crate::setting::{primary, secret};
use crate::value::{Access, Account};
use std::path::{Path, PathBuf};

/// Where passwords are that nobody mounts: made at each start, since nobody outside needs them.
const SECRETS: &str = "/etc/redis-harden/secrets";

/// Whose the rendered files are, and who runs the server.
struct Owner {
    /// Root where root starts the container: then the server cannot change its own rules. Else who does.
    uid: u32,
    gid: u32,
    server: (u32, u32),
}

/// Renders redis.conf, the users and the supervisor's settings of an instance.
///
/// # Errors
/// A password that is not mounted, a directory that may not be written, a data directory of somebody else's.
pub fn render(host: &Host, policies: &Policies, facts: &mut Facts, name: &Name) -> HostResult<()> {
    let doing = || format!("rendering the configuration of {name}");
    let refuse = |cause: &str| Err(HostError::refused(doing(), cause));
    let Some(policy) = policies.instance(name.as_str()) else {
        return refuse("the policy has no such instance");
    };
    if !host.is_running() || !host.is_live_root() {
        return refuse("only the container itself knows its memory and has its passwords");
    }
    let owner = owner(host, policy, facts)?;
    // This process becomes the supervisor.
    facts.entrypoint = Some(match owner.uid {
        0 => Entrypoint::Another,
        uid => Entrypoint::Own(uid, owner.gid),
    });
    directories(host, policy, &owner)?;
    passwords(host, policy, facts, &owner)?;
    data(host, policy, &owner)?;
    let (Some(maxmemory), Some(settings)) = (
        facts.maxmemory.get(name.as_str()),
        controls::supervisor_settings(policy, facts),
    ) else {
        return refuse("maxmemory cannot be worked out: /proc/meminfo tells no memory");
    };
    let conf = config::render(policy, *maxmemory, facts.version(policy));
    let users = acl::render(policy, &facts.digests);
    let mut files = vec![
        (policy.config_file(), conf),
        (policy.acl_file(), users),
        (policy.settings_file(), settings.render()),
    ];
    if policy.replication.user.is_some() {
        files.push((policy.primary_password_file(), primary::text(host, policy)?));
    }
    for (path, text) in files {
        host.write_file(&path, text.as_bytes(), 0o640, owner.uid, owner.gid)?;
    }
    Ok(())
}

fn owner(host: &Host, policy: &Policy, facts: &Facts) -> HostResult<Owner> {
    if !facts.is_root() {
        let own = (host.euid(), nix::unistd::getegid().as_raw());
        return Ok(Owner {
            uid: own.0,
            gid: own.1,
            server: own,
        });
    }
    let ids = (
        facts.accounts.uid(policy.user()),
        facts.accounts.gid(policy.group()),
    );
    let (Some(uid), Some(gid)) = ids else {
        let doing = format!("looking up {}:{}", policy.user(), policy.group());
        return Err(HostError::refused(
            doing,
            "there is no such user or group in this image",
        ));
    };
    Ok(Owner {
        uid: 0,
        gid,
        server: (uid, gid),
    })
}

/// Root makes those of a host. Whoever else takes what is mounted as it is: who mounts it says whose it is.
fn directories(host: &Host, policy: &Policy, owner: &Owner) -> HostResult<()> {
    let (server, group) = owner.server;
    let root = owner.uid == 0;
    let private = if root { 0 } else { owner.gid };
    let log = policy.log_file();
    let dirs = [
        (
            Some("/etc/redis-harden/redis".into()),
            0o750,
            owner.uid,
            owner.gid,
        ),
        (Some(SECRETS.into()), 0o711, owner.uid, private),
        (Some(policy.run_dir()), 0o2750, server, group),
        (Some(policy.state_dir()), 0o750, server, group),
        (
            log.and_then(|file| Some(file.parent()?.to_path_buf())),
            0o2750,
            server,
            group,
        ),
    ];
    for (path, mode, uid, gid) in dirs {
        let path: PathBuf = match path {
            Some(path) => path,
            None => continue,
        };
        let there = host.stat(&path)?.filter(|stat| stat.kind == Kind::Dir);
        let fits = |stat: Stat| !root || (stat.uid, stat.gid, stat.mode) == (uid, gid, mode);
        if !there.is_some_and(fits) {
            let made = host.make_dir(&path, mode, uid, gid);
            made.map_err(|e| writable(e, &path))?;
        }
    }
    Ok(())
}

/// What a read-only root, or another user than the image's, needs.
fn writable(error: HostError, path: &Path) -> HostError {
    HostError {
        cause: format!(
            "{}; mount a tmpfs at {} that uid {} may write",
            error.cause,
            path.display(),
            nix::unistd::geteuid()
        ),
        ..error
    }
}

/// One that the policy places outside our own directory is mounted there, or the container must not start.
fn passwords(host: &Host, policy: &Policy, facts: &mut Facts, owner: &Owner) -> HostResult<()> {
    for (user, _) in policy.acl_users() {
        let source = policy.password_of(&user);
        let PasswordSource::File(path) = &source else {
            given(host, facts, &user, source)?;
            continue;
        };
        let digest = || secret::digest(host, path).map_err(|e| readable(e, host.euid()));
        if !path.starts_with(SECRETS) && digest()?.is_none() {
            return Err(HostError::refused(
                format!("reading the password of {user} from {}", path.display()),
                "there is none: mount it there, as a file with the password in its first line",
            ));
        }
        if path.starts_with(SECRETS) {
            let whose = |id: u32| Account {
                name: id.to_string(),
                id: Some(id),
            };
            let access = Access {
                user: whose(owner.uid),
                group: whose(if owner.uid == 0 { 0 } else { owner.gid }),
                mode: 0o600,
            };
            secret::write(host, path, &access).map_err(|e| writable(e, Path::new(SECRETS)))?;
        }
        if let Some(digest) = digest()? {
            facts.digests.insert(source, vec![digest]);
        }
    }
    Ok(())
}

/// One that whoever starts the container gives it, such as systemd-nspawn.
fn given(host: &Host, facts: &mut Facts, user: &Name, source: PasswordSource) -> HostResult<()> {
    match secret::password_of(host, &source)? {
        Some(password) => {
            let digest = secret::digest_of(&password);
            facts.digests.insert(source, vec![digest]);
            Ok(())
        }
        None => Err(HostError::refused(
            format!("reading the password of {user} from {source}"),
            "there is none: give it to the container when it starts, or name a password-file and mount that",
        )),
    }
}

/// An engine mounts a secret as it finds it.
fn readable(error: HostError, uid: u32) -> HostError {
    match error.is_denied() {
        true => HostError {
            cause: format!(
                "{}; let uid {uid} read it, by its group and mode 0440",
                error.cause
            ),
            ..error
        },
        false => error,
    }
}

/// The volume: root gives it to the server, anybody else must have it already. What is in it is not gone through.
fn data(host: &Host, policy: &Policy, owner: &Owner) -> HostResult<()> {
    let path = policy.data_dir();
    let (uid, gid) = owner.server;
    let doing = || format!("taking the data directory {}", path.display());
    let stat = match host.stat(&path)? {
        Some(stat) if owner.uid != 0 || stat.uid == uid => stat,
        _ => {
            host.make_dir(&path, 0o750, uid, gid)?;
            tracing::info!(data = %path.display(), uid, "gave the data directory to the server");
            return strangers(host, &path, uid);
        }
    };
    if stat.uid != uid && host.may_write(&path).is_err() {
        let cause = format!(
            "it is owned by {}:{}, and the server runs as {uid}:{gid}: chown the volume (fsGroup: {gid} in Kubernetes), or start the container as root",
            stat.uid, stat.gid
        );
        return Err(HostError::refused(doing(), cause));
    }
    strangers(host, &path, uid)
}

/// Data that the server may not read would end it, or worse, start it empty.
fn strangers(host: &Host, path: &Path, uid: u32) -> HostResult<()> {
    for name in host.list(path)? {
        let file = path.join(&name);
        let stat = host.stat(&file)?;
        let another = stat.is_some_and(|s| s.uid != uid && s.mode & 0o077 == 0);
        if another && name != "lost+found" {
            return Err(HostError::refused(
                format!("looking at {}", file.display()),
                format!(
                    "it is another user's, and the server (uid {uid}) may not read it: chown -R {uid} what is in the volume"
                ),
            ));
        }
    }
    Ok(())
}
