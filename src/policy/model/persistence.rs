//! `[persistence]`: what reaches the disk, and when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[persistence]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Persistence {
    /// `SECONDS CHANGES` pairs; empty turns snapshots off.
    pub save: Vec<String>,
    /// Whether every write is logged (AOF).
    pub appendonly: bool,
    /// When the AOF reaches the disk: `always`, `everysec` or `no`.
    pub appendfsync: Fsync,
}

impl Default for Persistence {
    fn default() -> Self {
        Persistence {
            save: vec!["3600 1".into(), "300 100".into(), "60 10000".into()],
            appendonly: true,
            appendfsync: Fsync::Everysec,
        }
    }
}

/// When the AOF reaches the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    Always,
    #[default]
    Everysec,
    No,
}
