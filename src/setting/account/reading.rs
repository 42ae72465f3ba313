//! Accounts as settings.

use super::{Accounts, Password};
use crate::host::HostResult;
use crate::setting::{Reading, Sight};
use crate::value::{UserValue, Value};
use std::path::Path;

/// Shells that let nobody in.
const NO_LOGIN: [&str; 5] = [
    "/usr/sbin/nologin",
    "/sbin/nologin",
    "/usr/bin/nologin",
    "/bin/false",
    "/usr/bin/false",
];

/// A user's home, shell and kind. Read anew: a facts' list may be older than the user.
pub fn read_user(sight: Sight, name: &str) -> Reading {
    let user = || -> HostResult<Option<Value>> {
        let accounts = Accounts::read(sight.host)?;
        Ok(accounts.user(name)?.map(|u| {
            Value::User(UserValue {
                home: u.home.clone(),
                login: !NO_LOGIN.iter().any(|shell| u.shell == Path::new(shell)),
                // An id that two names share is nobody's own.
                system: u.is_system() && !accounts.is_shared(u.uid),
            })
        }))
    };
    user().into()
}

/// The id of a user.
pub fn read_id(sight: Sight, name: &str) -> Reading {
    let accounts = Accounts::read(sight.host);
    let found = accounts.and_then(|all| all.user(name));
    Reading::from(found.map(|user| user.map(|user| Value::Int(user.uid.into()))))
}

/// Whether the group exists.
pub fn read_group(sight: Sight, name: &str) -> Reading {
    let found = Accounts::read(sight.host).map(|a| a.gid(name).map(|_| Value::Present));
    found.into()
}

/// The groups that a user is in beside its own.
pub fn read_groups_of(sight: Sight, name: &str) -> Reading {
    let accounts = &sight.facts.accounts;
    match accounts.user(name) {
        Ok(Some(user)) => {
            let groups = accounts
                .groups_of(&user)
                .into_iter()
                .map(str::to_owned)
                .collect();
            Reading::Value(Value::Words(groups), None)
        }
        Ok(None) => Reading::NotApplicable(format!("there is no user {name}")),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// Whether a password opens the account: `/etc/shadow` is root's to read.
pub fn read_password(sight: Sight, name: &str) -> Reading {
    match sight.facts.accounts.password(sight.host, name) {
        Ok(Some(Password::Locked)) => Reading::Value(Value::Flag(false), None),
        Ok(Some(Password::Set)) => Reading::Value(Value::Flag(true), None),
        Ok(Some(Password::Empty)) => {
            Reading::Value(Value::Flag(true), Some("an empty password".into()))
        }
        Ok(None) => Reading::NotApplicable(format!("/etc/passwd has no user {name}")),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}
