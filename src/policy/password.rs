//! Where the password of a user comes from: a file of its own, or a credential of systemd's. Pure: reads neither.

use super::{Name, Policy};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a password is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PasswordSource {
    /// The first line of a file.
    File(PathBuf),
    /// The first line of a systemd credential, by its name. It is somebody else's to make and to change.
    Credential(String),
}

impl PasswordSource {
    /// The file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            PasswordSource::File(path) => Some(path),
            PasswordSource::Credential(_) => None,
        }
    }
}

impl fmt::Display for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasswordSource::File(path) => write!(f, "{}", path.display()),
            PasswordSource::Credential(name) => write!(f, "the systemd credential {name}"),
        }
    }
}

impl Policy {
    /// Where the password of an ACL user comes from.
    pub fn password_of(&self, user: &Name) -> PasswordSource {
        let named = self.acl.get(user);
        match named.and_then(|user| user.password_credential.clone()) {
            Some(name) => PasswordSource::Credential(name),
            None => PasswordSource::File(self.secret_file(user)),
        }
    }
}
