//! The directives that each version of the servers knows, with their kinds and defaults: `data/directives/`, asked of the servers themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

/// A server whose directives are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Debian 12.
    Redis70,
    /// Debian 13.
    Redis80,
    /// Debian 13.
    Valkey81,
}

/// A directive as the table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Its name of today.
    pub name: &'static str,
    /// What it takes, in the table's words; `kind.rs` reads them.
    pub kind: &'static str,
    /// What `CONFIG GET` shows when nobody set it.
    pub default: &'static str,
}

/// The directives of one version.
#[derive(Debug)]
pub struct Table {
    pub version: Version,
    lines: BTreeMap<&'static str, &'static str>,
}

static REDIS_70: LazyLock<Table> = LazyLock::new(|| Table::read(Version::Redis70));
static REDIS_80: LazyLock<Table> = LazyLock::new(|| Table::read(Version::Redis80));
static VALKEY_81: LazyLock<Table> = LazyLock::new(|| Table::read(Version::Valkey81));

impl Version {
    /// All that have a table.
    pub const ALL: [Version; 3] = [Version::Redis70, Version::Redis80, Version::Valkey81];

    /// From `redis` or `valkey` and its version number, or a Debian package's; `None` without a table.
    pub fn of(flavour: &str, number: &str) -> Option<Version> {
        let upstream = number.split_once(':').map_or(number, |(_, rest)| rest);
        let mut parts = upstream.split('.');
        match (flavour, parts.next()?, parts.next()?) {
            ("redis", "7", "0") => Some(Version::Redis70),
            ("redis", "8", "0") => Some(Version::Redis80),
            ("valkey", "8", "1") => Some(Version::Valkey81),
            _ => None,
        }
    }

    /// Its file in `data/directives/`.
    pub fn file(self) -> &'static str {
        match self {
            Version::Redis70 => "redis-7.0.txt",
            Version::Redis80 => "redis-8.0.txt",
            Version::Valkey81 => "valkey-8.1.txt",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Version::Redis70 => include_str!("../../../data/directives/redis-7.0.txt"),
            Version::Redis80 => include_str!("../../../data/directives/redis-8.0.txt"),
            Version::Valkey81 => include_str!("../../../data/directives/valkey-8.1.txt"),
        }
    }

    /// Directives that its parser takes and does nothing with. Source: `deprecated_configs` in each version's config.c.
    pub fn ignores(self, name: &str) -> bool {
        match name {
            "list-max-ziplist-entries" | "list-max-ziplist-value" | "lua-replicate-commands" => {
                true
            }
            "io-threads-do-reads" => self != Version::Redis70,
            "dynamic-hz" => self == Version::Valkey81,
            _ => false,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::Redis70 => "Redis 7.0",
            Version::Redis80 => "Redis 8.0",
            Version::Valkey81 => "Valkey 8.1",
        })
    }
}

impl Table {
    /// The table of a version.
    pub fn of(version: Version) -> &'static Table {
        match version {
            Version::Redis70 => &REDIS_70,
            Version::Redis80 => &REDIS_80,
            Version::Valkey81 => &VALKEY_81,
        }
    }

    fn read(version: Version) -> Table {
        let lines = version.text().lines().filter(|l| !l.starts_with('#'));
        let lines = lines.filter_map(|line| line.split_once(' ')).collect();
        Table { version, lines }
    }

    /// A directive by any of its names, in lower case.
    pub fn directive(&self, name: &str) -> Option<Directive> {
        let (name, rest) = self.lines.get_key_value(name)?;
        if let Some(today) = rest.strip_prefix('=') {
            return self.directive(today);
        }
        let (kind, default) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(Directive {
            name,
            kind,
            default,
        })
    }

    /// All directives, by their names of today.
    pub fn directives(&self) -> impl Iterator<Item = Directive> + '_ {
        let today = self.lines.iter().filter(|(_, rest)| !rest.starts_with('='));
        today.filter_map(|(name, _)| self.directive(name))
    }

    /// All names, the older ones too.
    pub fn names(&self) -> BTreeSet<&'static str> {
        self.lines.keys().copied().collect()
    }
}
