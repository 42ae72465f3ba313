//! `[memory]`: huge pages, and what maxmemory leaves free.

use crate::policy::scalar::{Auto, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[memory]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MemorySection {
    /// `madvise` (which `never` satisfies too) or `never`.
    pub transparent_huge_pages: HugePages,
    /// Memory limit ÷ maxmemory that `maxmemory = "auto"` leaves for fragmentation, copy-on-write and buffers.
    #[schemars(range(min = 1.0, max = 10.0))]
    pub headroom: f64,
    /// Memory of the unit, its saving child included, under systemd. `auto`: 2.75 times maxmemory where data is saved, 1.75 times otherwise,
    /// and 256 MiB, where the machine has more than that; `"0"` is no limit.
    pub limit: Auto<Size>,
}

impl Default for MemorySection {
    fn default() -> Self {
        MemorySection {
            transparent_huge_pages: HugePages::Madvise,
            headroom: 2.0,
            limit: Auto::Auto,
        }
    }
}

/// The mode of transparent huge pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HugePages {
    Never,
    #[default]
    Madvise,
}
