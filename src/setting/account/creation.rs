//! The service user, made where there is none. No account that exists is changed.

use super::Accounts;
use crate::host::{Host, HostError, HostResult, Run};
use crate::setting::{Obstacle, Sight};
use std::path::Path;

pub(super) const NOLOGIN: &str = "/usr/sbin/nologin";

/// Makes a system user and its group as Debian's redis-tools makes them. One that is there already stays as it is.
pub fn create_service_user(host: &Host, name: &str, home: &Path) -> HostResult<()> {
    let doing = || format!("creating the user {name}");
    let accounts = Accounts::read(host)?;
    if accounts.user(name)?.is_some() {
        return Ok(());
    }
    let home = home
        .to_str()
        .ok_or_else(|| HostError::refused(doing(), "its home is not UTF-8 text"))?;
    if host.find_program("adduser").is_some() {
        // The very call of redis-tools' postinst.
        let adduser =
            Run::new("adduser").args(&["--system", "--home", home, "--quiet", "--group", name]);
        return host.run_ok(&adduser).map(drop);
    }
    add_user(host, &accounts, name, home)
}

/// An account that exists is its owner's to change: other things may depend on its shell, home and id.
pub fn obstacle(sight: Sight, name: &str) -> Option<Obstacle> {
    // Where the name service does not answer, the write says why.
    let exists = matches!(sight.facts.accounts.user(name), Ok(Some(_)));
    exists.then(|| {
        Obstacle::Hand(format!(
            "{name} exists already, and no account that exists is changed here; see usermod(8)"
        ))
    })
}

/// As adduser does it itself, where only `useradd` is there; but the home directory is left to its own setting.
fn add_user(host: &Host, accounts: &Accounts, name: &str, home: &str) -> HostResult<()> {
    let (uid, gid) = accounts.free_system_ids().ok_or_else(|| {
        HostError::refused(
            format!("creating the user {name}"),
            "no system id from 100 to 999 is free",
        )
    })?;
    // A group that is there already is the user's, as with adduser.
    let gid = match accounts.gid(name) {
        Some(gid) => gid.to_string(),
        None => {
            let groupadd =
                Run::new("groupadd").args(&["--system", "--gid", &gid.to_string(), name]);
            host.run_ok(&groupadd)?;
            gid.to_string()
        }
    };
    let useradd = Run::new("useradd")
        .args(&[
            "--system",
            "--uid",
            &uid.to_string(),
            "--gid",
            &gid,
            "--comment",
            "",
        ])
        .args(&[
            "--home-dir",
            home,
            "--no-create-home",
            "--shell",
            NOLOGIN,
            name,
        ]);
    host.run_ok(&useradd).map(drop)
}
