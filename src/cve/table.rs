//! The table's shape and its columns. Its rows are generated from `data/cve.toml`, so that no start of the program parses them.

use super::{Build, Origin};
use crate::control::Severity;
use jiff::civil::Date;
use std::fmt;

/// The whole table.
#[derive(Debug)]
pub struct Table {
    /// The day on which it was last held against its sources.
    pub generated: Date,
    pub branches: &'static [Branch],
    pub suites: &'static [Suite],
    pub cves: &'static [Cve],
}

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    Redis,
    Valkey,
}

/// A branch of upstream releases.
#[derive(Debug)]
pub struct Branch {
    pub flavour: Flavour,
    /// `7.4`.
    pub name: &'static str,
    /// The last day of support.
    pub ends: Option<Date>,
    /// The release after which known holes stayed open.
    pub last: Option<&'static str>,
}

/// A suite of Debian's.
#[derive(Debug)]
pub struct Suite {
    pub name: &'static str,
    /// The number in its revisions: `~deb12u10`.
    pub release: Option<u32>,
    /// The last day of long-term support; backports have none.
    pub ends: Option<Date>,
    pub flavours: &'static [Flavour],
}

/// One hole, or several that were mended together.
#[derive(Debug, PartialEq, Eq)]
pub struct Cve {
    pub ids: &'static [&'static str],
    pub title: &'static str,
    pub severity: Severity,
    /// All that an attacker must find.
    pub needs: &'static [Need],
    /// By branch; absent where the hole is not Redis's.
    pub redis: Option<Cells>,
    pub valkey: Option<Cells>,
    /// By flavour and suite, such as `redis-bookworm`.
    pub debian: Cells,
}

/// A row's cells by column.
pub type Cells = &'static [(&'static str, Cell)];

/// Something of a server without which a hole cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Tls,
    Cluster,
    Scripting,
    Restore,
    ReplicaWritable,
    Modules,
    UnixSocket,
    Bits32,
    /// The tool redis-check-aof: nothing of a server's configuration shuts it out.
    AofCheck,
}

/// What a row says of a branch or suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// From this version on.
    Mended(&'static str),
    Open,
    Unaffected,
    Unknown,
}

impl Table {
    /// Days since it was held against its sources.
    pub fn age(&self, now: jiff::Timestamp) -> i64 {
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        // The difference of two dates without a unit asked for is in days.
        let since = today - self.generated;
        i64::from(since.get_days())
    }

    /// What a row says of a build; an error says why it cannot. A test holds every row to name every suite, so a column that a
    /// row lacks is a branch that it does not concern, or a hole of the other flavour's.
    pub(super) fn cell(&self, cve: &Cve, build: &Build) -> Result<Cell, String> {
        let (column, cells) = match (&build.origin, build.flavour) {
            (Origin::Debian { .. }, flavour) => {
                let suite = self.suite(build)?;
                (format!("{flavour}-{}", suite.name), Some(cve.debian))
            }
            (Origin::Vendor { .. } | Origin::Source { .. }, flavour) => {
                let branch = self.branch(build)?;
                let cells = match flavour {
                    Flavour::Redis => cve.redis,
                    Flavour::Valkey => cve.valkey,
                };
                (branch.name.to_owned(), cells)
            }
            (Origin::Other { .. }, _) => return Err(self.has_no(build)),
        };
        let mut cells = cells.unwrap_or_default().iter();
        let cell = cells.find(|(name, _)| *name == column);
        Ok(cell.map_or(Cell::Unaffected, |(_, cell)| *cell))
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
