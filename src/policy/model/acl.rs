//! `[acl.NAME]`: a user of Redis, its rules and where its password is.

use crate::policy::scalar::Octal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[acl.NAME]`: a user of Redis.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AclUser {
    /// Ready-made rules: `admin`, `agent`, `application`, `read-only`, `metrics`, `backup`, `replica` or `sentinel`; `rules` come after them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"application")]
    pub role: Option<Role>,
    /// ACL rules, such as `"~app:* +@read"`. Passwords do not belong here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"~app:* +@read")]
    pub rules: Option<String>,
    /// Where the password is; by default `/etc/redis-harden/secrets/NAME`, generated when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/redis-harden/secrets/app")]
    pub password_file: Option<PathBuf>,
    /// The systemd credential that holds the password, such as in `/etc/credstore.encrypted`; never together with a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"redis-app")]
    pub password_credential: Option<String>,
    /// Owner of the password file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"root")]
    pub owner: Option<String>,
    /// Group of the password file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"www-data")]
    pub group: Option<String>,
    /// Mode of the password file; `"0600"` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"0640")]
    pub mode: Option<Octal>,
}

/// A least-privilege set of ACL rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything.
    Admin,
    /// What the supervisor asks.
    Agent,
    /// Reads and writes; no administration, no scripts.
    Application,
    /// Reads, and no channels.
    ReadOnly,
    /// What an exporter asks; no key.
    Metrics,
    /// Snapshots, and a copy of all data over the connection.
    Backup,
    /// What a replica asks of its primary.
    Replica,
    /// What a Sentinel asks of the servers that it watches.
    Sentinel,
}
