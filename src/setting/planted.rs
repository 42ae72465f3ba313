//! Dumps, and files of the service user's, where programs are started from and logins decided: what `CONFIG SET dir` and `SAVE`
//! leave behind. Only looked at.

use super::{Reading, Sight, traces};
use crate::host::{HostResult, Kind};
use std::path::{Path, PathBuf};

/// Where the published attacks write. Source: redis issue 3594; Debian's cron and RHEL's; sshd(8), sudoers(5).
pub const PLACES: [&str; 9] = [
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/profile.d",
    "/etc/sudoers.d",
    "/etc/systemd/system",
    "/root/.ssh",
    "/var/spool/cron",
    "/var/spool/cron/crontabs",
];

/// Files that are run, or read line by line by what skips the lines that it does not know.
const FILES: [&str; 6] = [
    "/etc/crontab",
    "/etc/profile",
    "/etc/rc.local",
    "/root/.bash_profile",
    "/root/.bashrc",
    "/root/.profile",
];

/// The files there that begin as a dump does, or that the service user owns.
pub fn read(sight: Sight, user: &str) -> Reading {
    match planted(sight, user) {
        Ok(found) => traces::words(found),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

fn planted(sight: Sight, user: &str) -> HostResult<Vec<String>> {
    let host = sight.host;
    let uid = sight.facts.accounts.uid(user);
    let mut found = Vec::new();
    for path in candidates(sight)? {
        let Some(stat) = host.stat(&path)?.filter(|stat| stat.kind == Kind::File) else {
            continue;
        };
        let is_his = uid.is_some_and(|uid| uid != 0 && uid == stat.uid);
        let head = host.read_head(&path, 5)?.unwrap_or_default();
        if is_his || head == b"REDIS" {
            found.push(path.display().to_string());
        }
    }
    Ok(found)
}

fn candidates(sight: Sight) -> HostResult<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = FILES.iter().map(PathBuf::from).collect();
    for place in PLACES {
        let place = Path::new(place);
        let names = sight.host.list(place)?;
        all.extend(names.iter().map(|name| place.join(name)));
    }
    Ok(all)
}
