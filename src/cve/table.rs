//! The table as it is written in `data/cve.toml`. Parsed when it is asked for, not at every start of the program.

use super::{Build, Origin};
use crate::control::Severity;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Table {
    /// The day on which it was last held against its sources.
    #[serde(deserialize_with = "day")]
    pub generated: Date,
    pub sources: Vec<String>,
    #[serde(rename = "branch")]
    pub branches: Vec<Branch>,
    #[serde(rename = "suite")]
    pub suites: Vec<Suite>,
    #[serde(rename = "cve")]
    pub cves: Vec<Cve>,
}

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    Redis,
    Valkey,
}

/// A branch of upstream releases.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Branch {
    pub flavour: Flavour,
    /// `7.4`.
    pub name: String,
    /// The last day of support.
    #[serde(default, deserialize_with = "optional_day")]
    pub ends: Option<Date>,
    /// The release after which known holes stayed open.
    pub last: Option<String>,
}

/// A suite of Debian's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Suite {
    pub name: String,
    /// The number in its revisions: `~deb12u10`.
    pub release: Option<u32>,
    /// The last day of long-term support; backports have none.
    #[serde(default, deserialize_with = "optional_day")]
    pub ends: Option<Date>,
    pub flavours: Vec<Flavour>,
}

/// One hole, or several that were mended together.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cve {
    pub ids: Vec<String>,
    pub title: String,
    pub severity: Severity,
    /// All that an attacker must find.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// By branch; absent where the hole is not Redis's.
    pub redis: Option<BTreeMap<String, Cell>>,
    pub valkey: Option<BTreeMap<String, Cell>>,
    /// By flavour and suite, such as `redis-bookworm`.
    pub debian: BTreeMap<String, Cell>,
    /// Where the row comes from.
    pub source: String,
}

/// Something of a server without which a hole cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    Tls,
    Cluster,
    Scripting,
    Restore,
    ReplicaWritable,
    Modules,
    UnixSocket,
    #[serde(rename = "32-bit")]
    Bits32,
    /// The tool redis-check-aof: nothing of a server's configuration shuts it out.
    AofCheck,
}

/// What a row says of a branch or suite.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Cell {
    /// From this version on.
    Mended(String),
    Open,
    Unaffected,
    Unknown,
}

impl TryFrom<String> for Cell {
    type Error = String;

    fn try_from(text: String) -> Result<Cell, String> {
        match text.as_str() {
            "none" => Ok(Cell::Open),
            "unaffected" => Ok(Cell::Unaffected),
            "unknown" => Ok(Cell::Unknown),
            version if version.starts_with(|c: char| c.is_ascii_digit()) => Ok(Cell::Mended(text)),
            _ => Err(format!("{text:?} is no version and none of the words")),
        }
    }
}

impl Table {
    /// The one that is compiled in.
    pub fn embedded() -> Table {
        let text = include_str!("../../data/cve.toml");
        toml::from_str(text).expect("the tests parse this very text")
    }

    /// Days since it was held against its sources.
    pub fn age(&self, now: jiff::Timestamp) -> i64 {
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        // The difference of two dates without a unit asked for is in days.
        let since = today - self.generated;
        i64::from(since.get_days())
    }

    /// What a row says of a build; an error says why it cannot.
    pub(super) fn cell<'a>(&'a self, cve: &'a Cve, build: &Build) -> Result<&'a Cell, String> {
        match &build.origin {
            Origin::Debian { .. } => {
                let suite = self.suite(build)?;
                let key = format!("{}-{}", build.flavour, suite.name);
                // A test holds every row to name every suite; a hole of another flavour's is not named.
                Ok(cve.debian.get(&key).unwrap_or(&Cell::Unaffected))
            }
            Origin::Vendor { .. } | Origin::Source { .. } => {
                let branch = self.branch(build)?;
                let cells = match build.flavour {
                    Flavour::Redis => &cve.redis,
                    Flavour::Valkey => &cve.valkey,
                };
                let cell = cells.as_ref().and_then(|cells| cells.get(&branch.name));
                Ok(cell.unwrap_or(&Cell::Unaffected))
            }
            Origin::Other { .. } => Err(self.has_no(build)),
        }
    }

    /// The suite of a Debian build.
    pub fn suite(&self, build: &Build) -> Result<&Suite, String> {
        let name = build.suite(self).ok_or_else(|| self.has_no(build))?;
        let mut suites = self.suites.iter();
        suites
            .find(|s| s.name == name && s.flavours.contains(&build.flavour))
            .ok_or_else(|| self.has_no(build))
    }

    /// The branch of an upstream build.
    pub fn branch(&self, build: &Build) -> Result<&Branch, String> {
        let name = build.branch();
        let mut branches = self.branches.iter();
        branches
            .find(|b| b.name == name && b.flavour == build.flavour)
            .ok_or_else(|| self.has_no(build))
    }

    fn has_no(&self, build: &Build) -> String {
        format!("the table of {} has no column for {build}", self.generated)
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flavour::Redis => "redis",
            Flavour::Valkey => "valkey",
        })
    }
}

fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

fn optional_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    day(deserializer).map(Some)
}
