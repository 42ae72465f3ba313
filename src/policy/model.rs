//! The sections of a policy, as typed data with their defaults, each of more than a key or two in a file of its own. Nothing here reads a file.

mod acl;
mod firewall;
mod kernel;
mod legacy;
mod memory;
mod persistence;
mod redis;
mod service;

pub use acl::{AclUser, Role};
pub use firewall::{Firewall, PublishedPorts};
pub use kernel::Kernel;
pub use legacy::Legacy;
pub use memory::{HugePages, MemorySection};
pub use persistence::{Fsync, Persistence};
pub use redis::{DirectiveValue, Flavour, Install, LogLevel, Redis};
pub use service::{DataLoss, Service};

use crate::policy::scalar::{Auto, Name};
use crate::policy::tls::Tls;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One instance's policy: what a host and its Redis must be.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Policy {
    /// A built-in profile (`production`, `cache`, `durable`, `strict`, `container`) or a path, relative to this file. Without it: `production`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"production")]
    pub extends: Option<String>,
    /// The server.
    pub redis: Redis,
    /// The kernel's settings: host-wide, the strictest of all instances.
    pub kernel: Kernel,
    /// Memory.
    pub memory: MemorySection,
    /// Resource limits of the server's process.
    pub limits: Limits,
    /// The packet filter.
    pub firewall: Firewall,
    /// What is on disk.
    pub persistence: Persistence,
    /// ACL users by name. `admin` (root's apply) and `agent` (the supervisor's) always exist.
    pub acl: BTreeMap<Name, AclUser>,
    /// What this server shows its primary.
    pub replication: Replication,
    /// Encrypted connections.
    pub tls: Tls,
    /// How the supervisor runs the server.
    pub service: Service,
    /// Programs that know no users yet.
    pub legacy: Legacy,
    /// Accepted findings. Waivers add up: an overlay never drops one that it does not repeat.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiver: Vec<Waiver>,
}

/// `[limits]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Open files; `auto` is what maxclients needs, and not below 65535.
    pub nofile: Auto<u32>,
}

/// `[replication]`: as whom this server logs in at its primary, now or after a failover.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Replication {
    /// The ACL user, with its password; every node of a set has the same. Without it nothing is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"app")]
    pub user: Option<Name>,
}

/// `[[waiver]]`: a finding that somebody accepts, and why.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Waiver {
    /// A glob over control ids.
    #[schemars(example = &"kernel.swappiness")]
    pub control: String,
    /// Why it is accepted; a report shows it.
    #[schemars(example = &"shared with a database that needs swap; decided by the platform team")]
    pub reason: String,
    /// `YYYY-MM-DD`, the last day on which it counts; afterwards the control fails again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2099-12-31")]
    pub expires: Option<String>,
}
