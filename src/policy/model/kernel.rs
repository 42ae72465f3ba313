//! `[kernel]`: what the kernel of the host must be set to.

use crate::policy::scalar::SysctlRule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `[kernel]`: host-wide; over several instances the strictest holds.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Kernel {
    /// `vm.overcommit_memory`: 1 is what Redis asks for.
    #[schemars(range(min = 0, max = 2))]
    pub overcommit_memory: u8,
    /// `net.core.somaxconn`, at least.
    #[schemars(range(min = 1, max = 2147483647))]
    pub somaxconn: u32,
    /// `net.ipv4.tcp_max_syn_backlog`, at least.
    #[schemars(range(min = 1, max = 2147483647))]
    pub tcp_max_syn_backlog: u32,
    /// `vm.swappiness`, at most.
    #[schemars(range(min = 0, max = 200))]
    pub swappiness: u32,
    /// Any other sysctl: a value, `{ at-least = N }` or `{ at-most = N }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({"vm.max_map_count": {"at-least": 65530}, "net.ipv4.tcp_tw_reuse": 1}))]
    pub sysctl: BTreeMap<String, SysctlRule>,
}

impl Default for Kernel {
    fn default() -> Self {
        Kernel {
            overcommit_memory: 1,
            somaxconn: 4096,
            tcp_max_syn_backlog: 4096,
            swappiness: 10,
            sysctl: BTreeMap::new(),
        }
    }
}
