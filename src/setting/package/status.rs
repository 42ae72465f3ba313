//! What dpkg has installed, from its own database: `/var/lib/dpkg/status`, and the journal in `updates/` that an interrupted dpkg left.
//! It starts no program, and a host without that database is an error, not a host without packages.

use crate::host::{Host, HostError, HostResult};
use memchr::memmem;
use std::borrow::Cow;
use std::path::Path;

const STATUS: &str = "/var/lib/dpkg/status";
const PACKAGE: &[u8] = b"Package: ";
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

#[derive(Debug)]
struct Database {
    path: String,
    content: Vec<u8>,
    /// Where each package's record begins.
    records: Vec<usize>,
}

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

impl Database {
    /// One pass over what may be megabytes; each question after it looks at the records' names only.
    fn new(path: &str, content: Vec<u8>) -> HostResult<Database> {
        let starts = memmem::find_iter(&content, PACKAGE);
        let begins_a_line = |at: &usize| content.split_at(*at).0.last().is_none_or(|b| *b == b'\n');
        let records: Vec<usize> = starts.filter(begins_a_line).collect();
        let states = memmem::find_iter(&content, b"\nStatus: ").count();
        // Each record tells its status, and an empty database is one of no packages.
        if states != records.len() || records.is_empty() && !content.trim_ascii().is_empty() {
            let cause = format!(
                "it is damaged: {} packages and {states} states (dpkg --audit)",
                records.len()
            );
            return Err(HostError::refused(format!("reading {path}"), cause));
        }
        Ok(Database {
            path: path.to_owned(),
            content,
            records,
        })
    }

    /// The package's record: `None` when there is none, `Some(None)` when it says that the package is not installed.
    fn find(&self, package: &str) -> Result<Option<Option<Installed>>, String> {
        let mut found = None;
        for at in &self.records {
            let record = self.content.split_at(*at).1;
            if !names(record, package) {
                continue;
            }
            let end = memmem::find(record, b"\n\n").unwrap_or(record.len());
            let (record, _) = record.split_at(end);
            let installed = parse(&String::from_utf8_lossy(record))?;
            // The same name may stand once for each architecture.
            if installed.is_some() || found.is_none() {
                found = Some(installed);
            }
        }
        Ok(found)
    }
}

/// Whether a record's first line is that of the package.
fn names(record: &[u8], package: &str) -> bool {
    let rest = record.strip_prefix(PACKAGE);
    let rest = rest.and_then(|rest| rest.strip_prefix(package.as_bytes()));
    rest.is_some_and(|rest| rest.starts_with(b"\n"))
}

fn parse(record: &str) -> Result<Option<Installed>, String> {
    let field = |name: &str| {
        let mut lines = record.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    };
    let package = field("Package").unwrap_or_default();
    let status = field("Status").ok_or_else(|| format!("{package} has no status"))?;
    let state = match status.split_whitespace().nth(2) {
        Some("not-installed" | "config-files") => return Ok(None),
        Some("installed") => State::Installed,
        Some("half-installed") => State::HalfInstalled,
        Some("unpacked") => State::Unpacked,
        Some("half-configured") => State::HalfConfigured,
        Some("triggers-awaited") => State::TriggersAwaited,
        Some("triggers-pending") => State::TriggersPending,
        _ => return Err(format!("{package} has the unknown status {status:?}")),
    };
    // A package that never came further than half-installed has no version.
    let version = field("Version").unwrap_or_default().to_owned();
    let (source, source_version) = match field("Source") {
        Some(source) => match source.split_once(" (") {
            Some((name, version)) => (name, version.trim_end_matches(')')),
            None => (source, version.as_str()),
        },
        None => (package, version.as_str()),
    };
    Ok(Some(Installed {
        source: source.to_owned(),
        source_version: source_version.to_owned(),
        version,
        state,
        held: status.split_whitespace().next() == Some("hold"),
    }))
}

/// `want flag state`: the flag is `ok` or `reinstreq`.
fn is_unfinished(status: &str) -> bool {
    let settled = ["ok installed", "ok config-files", "ok not-installed"];
    !settled.iter().any(|end| status.ends_with(end))
}

fn named_in(database: &[u8], is: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    for at in memmem::find_iter(database, b"\nStatus: ") {
        let (before, after) = database.split_at(at);
        let status = first_line(after.strip_prefix(b"\nStatus: ").unwrap_or(after));
        if is(&status) {
            let start = memmem::rfind(before, b"Package: ").unwrap_or(0);
            let name = first_line(before.split_at(start).1);
            names.push(name.strip_prefix("Package: ").unwrap_or(&name).to_owned());
        }
    }
    names
}

fn first_line(text: &[u8]) -> Cow<'_, str> {
    let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
    String::from_utf8_lossy(text.split_at(end).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Reach, Run};

    const DATABASE: &str = "\
Package: redis
Status: deinstall ok config-files
Version: 5:7.0.15-1

Package: redis-server
Status: install ok half-configured
Maintainer: somebody
Source: redis (5:7.0.15-1~deb12u10)
Version: 5:7.0.15-1~deb12u10+b1
Description: a text
 Package: not-a-package
 .
 Version: none

Package: nftables
Status: install reinstreq half-installed

Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc
Version: 2.36-9

Package: libc6
Status: deinstall ok config-files
Architecture: i386
Version: 2.30
";

    fn database(text: &str) -> Database {
        Database::new(STATUS, text.into()).expect("it is whole")
    }

    fn state_of(package: &str) -> Option<Installed> {
        database(DATABASE)
            .find(package)
            .expect("it parses")
            .flatten()
    }

    #[test]
    fn a_record_gives_version_source_and_state() {
        let server = state_of("redis-server").expect("it is there");
        assert_eq!(server.version, "5:7.0.15-1~deb12u10+b1");
        assert_eq!(server.source, "redis");
        assert_eq!(server.source_version, "5:7.0.15-1~deb12u10");
        assert_eq!(server.state, State::HalfConfigured);
    }

    #[test]
    fn configuration_files_alone_and_a_name_in_a_description_are_not_installed() {
        for package in ["redis", "not-a-package", "redis-serve", "server"] {
            assert_eq!(state_of(package), None, "{package}");
        }
    }

    #[test]
    fn of_two_architectures_the_installed_one_counts() {
        let libc = state_of("libc6").expect("it is there");
        assert_eq!(
            (libc.version.as_str(), libc.source.as_str(), libc.state),
            ("2.36-9", "glibc", State::Installed)
        );
    }

    #[test]
    fn a_status_that_dpkg_does_not_have_is_an_error() {
        let text = "Package: a\nStatus: install ok half-baked\n";
        assert!(database(text).find("a").is_err());
    }

    #[test]
    fn a_damaged_database_is_not_one_without_packages() {
        for damaged in [
            "\0\0\0\0",
            "Package: a\nVersion: 1\n",
            "Package: a\nStatus: x\n\nPackage: b\n",
        ] {
            assert!(
                Database::new(STATUS, damaged.into()).is_err(),
                "{damaged:?}"
            );
        }
        assert!(Database::new(STATUS, Vec::new()).is_ok(), "a new root");
    }

    #[test]
    fn unfinished_packages_are_named() {
        assert_eq!(
            named_in(DATABASE.as_bytes(), &is_unfinished),
            ["redis-server", "nftables"]
        );
        assert!(is_unfinished("install reinstreq installed"));
    }

    #[test]
    fn a_record_in_the_journal_replaces_the_one_in_the_database() {
        let root = tempfile::tempdir().expect("a directory");
        let host = Host::at(root.path(), Reach::Running).expect("a host");
        assert!(installed(&host, "libc6").is_err(), "no database, no answer");
        for dir in ["/var", "/var/lib", "/var/lib/dpkg", UPDATES] {
            host.make_dir(Path::new(dir), 0o755, host.euid(), host.euid())
                .expect("made");
        }
        let write = |path: &str, text: &str| {
            host.write_file(
                Path::new(path),
                text.as_bytes(),
                0o644,
                host.euid(),
                host.euid(),
            )
            .expect("written");
        };
        write(STATUS, DATABASE);
        write(&format!("{UPDATES}/tmp.i"), "");
        assert!(!is_interrupted(&host).expect("listed"));
        write(
            &format!("{UPDATES}/0003"),
            "Package: redis-server\nStatus: install ok installed\nVersion: 5:7.0.15-1~deb12u10+b1\n",
        );
        assert!(is_interrupted(&host).expect("listed"));
        let server = installed(&host, "redis-server").expect("read");
        assert_eq!(server.map(|s| s.state), Some(State::Installed));
    }

    #[test]
    fn every_package_of_this_machine_reads_as_dpkg_query_says() {
        let host = Host::live().expect("the root opens");
        let format =
            "${Package}\t${db:Status-Status}\t${Version}\t${source:Package}\t${source:Version}\n";
        let output = host
            .run_ok(&Run::new("dpkg-query").args(&["-W", "-f", format]))
            .expect("dpkg-query runs");
        let [database] = &Dpkg::read(&host).expect("read").0[..] else {
            panic!("dpkg runs on this machine right now");
        };
        for line in output.stdout.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [package, "installed", version, source, source_version] = fields[..] else {
                continue;
            };
            let ours = database.find(package).expect("it parses").flatten();
            let ours = ours.expect("it is installed");
            assert_eq!(
                (
                    ours.version.as_str(),
                    ours.source.as_str(),
                    ours.source_version.as_str()
                ),
                (version, source, source_version),
                "{package}"
            );
        }
    }
}
