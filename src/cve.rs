//! Known holes of Redis and Valkey: a dated table, and what it says of one build. It reads no host, and
//! never takes what the table does not know for mended.

mod exposure;
mod origin;
mod rows;
mod table;

pub use exposure::missing;
pub use origin::{Build, Origin, upstream_part};
pub use rows::TABLE;
pub use table::{Branch, Cell, Cve, Flavour, Need, Suite, Table};

use crate::redis::Told;
use crate::setting::package::compare_versions;

/// A hole that a build has, or may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole<'a> {
    pub cve: &'a Cve,
    pub state: State,
    /// What an attacker would need and does not find on the running server: the hole is mitigated, not mended.
    pub mitigated: Option<String>,
}

/// How much is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The build has it; this version is the first that has not.
    MendedIn(&'static str),
    /// The build has it, and nothing that mends it has been released.
    Open,
    /// The table does not know.
    Unknown,
}

/// The holes of a build, the gravest first; an error says why the table cannot tell. Without a server that told what it is
/// configured for, nothing is mitigated.
pub fn holes<'a>(
    table: &'a Table,
    build: &Build,
    told: Option<&Told>,
) -> Result<Vec<Hole<'a>>, String> {
    let mut holes = Vec::new();
    for cve in table.cves {
        let Some(state) = state(build, table.cell(cve, build)?) else {
            continue;
        };
        let mitigated = told.and_then(|told| cve.needs.iter().find_map(|n| missing(*n, told)));
        holes.push(Hole {
            cve,
            state,
            mitigated,
        });
    }
    holes.sort_by_key(|hole| std::cmp::Reverse(hole.cve.severity));
    Ok(holes)
}

/// `None` when the build has no such hole.
fn state(build: &Build, cell: Cell) -> Option<State> {
    match cell {
        Cell::Unaffected => None,
        Cell::Mended(version) if compare_versions(build.version(), version).is_ge() => None,
        Cell::Mended(version) => Some(State::MendedIn(version)),
        Cell::Open => Some(State::Open),
        Cell::Unknown => Some(State::Unknown),
    }
}

#[cfg(test)]
mod tests;
