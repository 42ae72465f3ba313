//! What dpkg has installed, from its own database: `/var/lib/dpkg/status`, and the journal in `updates/` that an interrupted dpkg left.
//! It starts no program, and a host without that database is an error, not a host without packages.

mod database;
#[cfg(test)]
mod tests;

use crate::host::{Host, HostError, HostResult};
use database::{Database, is_unfinished, named_in};
use std::path::Path;

const STATUS: &str = "/var/lib/dpkg/status";
const UPDATES: &str = "/var/lib/dpkg/updates";

/// A package whose files are on the host, wholly or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    pub version: String,
    /// The source package that it was built from, and that one's version: what security tables go by.
    pub source: String,
    pub source_version: String,
    pub state: State,
    /// Whether it is to be kept as it is: `apt-mark hold`.
    pub held: bool,
}

/// How far dpkg has come with a package, as `dpkg-query`'s `db:Status-Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Installed,
    /// Unpacked only in part.
    HalfInstalled,
    /// Unpacked; its configuration was never tried.
    Unpacked,
    /// Its `postinst` failed, or was killed.
    HalfConfigured,
    /// Configured; it waits for another package's trigger.
    TriggersAwaited,
    /// Configured; a trigger of its own is to be run.
    TriggersPending,
}

impl State {
    /// Whether its own `postinst` has run to the end.
    pub fn is_configured(self) -> bool {
        matches!(
            self,
            State::Installed | State::TriggersAwaited | State::TriggersPending
        )
    }
}

/// The installed package of that name; `None` when dpkg has none, or its configuration files only.
pub fn installed(host: &Host, package: &str) -> HostResult<Option<Installed>> {
    Dpkg::read(host)?.installed(package)
}

/// The packages that dpkg has begun and not finished, sorted.
pub fn unfinished(host: &Host) -> HostResult<Vec<String>> {
    Ok(Dpkg::read(host)?.named(&is_unfinished))
}

/// The packages whose files are in no known state: dpkg does nothing with them but unpack them anew.
pub(super) fn needing_reinstallation(host: &Host) -> HostResult<Vec<String>> {
    let must = |status: &str| status.split(' ').nth(1) == Some("reinstreq");
    Ok(Dpkg::read(host)?.named(&must))
}

/// Whether dpkg was ended before it could fold its journal into its database: it refuses all else until `--configure -a`.
pub(super) fn is_interrupted(host: &Host) -> HostResult<bool> {
    Ok(!journal(host)?.is_empty())
}

/// What dpkg knows, as it stands in its files.
#[derive(Debug)]
pub struct Dpkg(Vec<Database>);

impl Dpkg {
    /// Reads the database and its journal.
    pub fn read(host: &Host) -> HostResult<Dpkg> {
        let mut databases = Vec::new();
        for path in std::iter::once(STATUS.to_owned()).chain(journal(host)?) {
            match host.read(Path::new(&path))? {
                Some(content) => databases.push(Database::new(&path, content)?),
                None if path == STATUS => {
                    return Err(HostError::refused(
                        format!("reading {STATUS}"),
                        "it does not exist (not a Debian-based host?)",
                    ));
                }
                // A dpkg that runs right now has folded this record in since we listed it.
                None => {}
            }
        }
        Ok(Dpkg(databases))
    }

    /// The installed package of that name; `None` when there is none, or its configuration files only.
    pub fn installed(&self, package: &str) -> HostResult<Option<Installed>> {
        let mut found = None;
        for database in &self.0 {
            // A later record of dpkg's journal replaces the earlier one.
            if let Some(latest) = database
                .find(package)
                .map_err(|cause| HostError::refused(format!("reading {}", database.path), cause))?
            {
                found = latest;
            }
        }
        Ok(found)
    }

    /// The packages with such a status, sorted.
    fn named(&self, is: &dyn Fn(&str) -> bool) -> Vec<String> {
        let databases = self.0.iter();
        let mut names: Vec<String> = databases
            .flat_map(|database| named_in(&database.content, is))
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// The records of dpkg's journal, oldest first: their names are numbers.
fn journal(host: &Host) -> HostResult<Vec<String>> {
    let names = host.list(Path::new(UPDATES))?;
    Ok(names
        .iter()
        .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
        .map(|name| format!("{UPDATES}/{name}"))
        .collect())
}
