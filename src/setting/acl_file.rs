//! An ACL file on disk, which the server itself may write: what must stand in it, and what must not.

use super::Reading;
use crate::host::Host;
use crate::redis::users::User;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// What is looked for in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AclFileFact {
    /// Whether it says what `default` may do. `Value::Flag`.
    NamesDefault,
    /// Passwords in clear text. `Value::Lines`, or nothing.
    PlainPasswords,
}

impl fmt::Display for AclFileFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AclFileFact::NamesDefault => "names the user default",
            AclFileFact::PlainPasswords => "passwords in clear text",
        })
    }
}

/// Reads it; that there is none is another control's finding.
pub fn read(host: &Host, path: &Path, what: AclFileFact) -> Reading {
    let text = match host.read_untrusted(path) {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(None) => return Reading::NotApplicable(format!("there is no {}", path.display())),
        Err(e) => return Reading::Unknown(e.to_string()),
    };
    match what {
        AclFileFact::NamesDefault => {
            let users = User::parse_all(&text);
            Reading::Value(Value::Flag(users.iter().any(|u| u.name == "default")), None)
        }
        AclFileFact::PlainPasswords => {
            let plain = |line: &&str| line.split_whitespace().any(|rule| rule.starts_with('>'));
            let lines = text.lines().filter(plain).count();
            match i64::try_from(lines).unwrap_or(i64::MAX) {
                0 => Reading::Absent,
                lines => Reading::Value(Value::Lines(lines), None),
            }
        }
    }
}
