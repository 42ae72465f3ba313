//! The column of each Debian suite against changelog.Debian of the suite's newest real package.

use redis_harden::cve::{Build, Cell, Flavour, State, TABLE, holes};
use redis_harden::facts::Distro;
use redis_harden::setting::package::{Installed, State as Dpkg, compare_versions};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What Redis's uploads say of a hole that has an id of Valkey's only.
const WITHOUT_ID: [(&str, &str); 1] = [("CVE-2026-82631", "handleClientsBlockedOnKey")];

/// An upload: its version, its day, and what it says.
struct Entry {
    version: String,
    day: jiff::civil::Date,
    text: String,
}

#[test]
fn what_a_row_says_is_mended_the_changelog_says_so_too() {
    let mut held = 0;
    for suite in ["bookworm", "trixie"] {
        let entries = changelog(&package(suite));
        for cve in TABLE.cves {
            let cell = column(cve.debian, suite);
            let Some(Cell::Mended(version)) = cell else {
                continue;
            };
            // Later uploads name it too, and a rebuild for the suite (5:7.0.15-1~deb12u1) names nothing.
            let names = |e: &&Entry| {
                let mut words = cve.ids.iter().map(|id| {
                    let known = WITHOUT_ID.iter().find(|(valkeys, _)| valkeys == id);
                    known.map_or(*id, |(_, words)| *words)
                });
                words.any(|words| e.text.contains(words))
            };
            let entry = entries.iter().rfind(names);
            let entry = entry.unwrap_or_else(|| panic!("{suite}: {:?} is nowhere", cve.ids));
            let rebuilt = version.strip_suffix("~deb12u1").unwrap_or(version);
            assert_eq!(entry.version, rebuilt, "{suite}: {:?}", cve.ids);
            held += 1;
        }
    }
    println!("{held} cells");
    assert!(held > 20);
}

#[test]
fn what_the_changelog_mends_has_a_row() {
    for suite in ["bookworm", "trixie"] {
        for entry in changelog(&package(suite)) {
            // What came after the table is no fault of it: cve.table-age says that it is old.
            if entry.day > TABLE.generated || !entry.version.contains("deb1") {
                continue;
            }
            for id in ids(&entry.text) {
                let row = TABLE.cves.iter().find(|c| c.ids.contains(&id.as_str()));
                let row = row.unwrap_or_else(|| panic!("{suite}: no row for {id}"));
                let Some(Cell::Mended(version)) = column(row.debian, suite) else {
                    panic!("{suite}: {id} was mended in {}", entry.version);
                };
                assert!(
                    compare_versions(version, &entry.version).is_le(),
                    "{suite}: {id}"
                );
            }
        }
    }
}

#[test]
fn the_newest_package_has_only_holes_that_nothing_mends() {
    for suite in ["bookworm", "trixie"] {
        let newest = &changelog(&package(suite))[0];
        let installed = Installed {
            version: newest.version.clone(),
            source: "redis".into(),
            source_version: newest.version.clone(),
            state: Dpkg::Installed,
            held: false,
        };
        let distro = Distro {
            id: "debian".into(),
            codename: suite.into(),
            ..Distro::default()
        };
        let build = Build::of_package(Flavour::Redis, &installed, &distro);
        for hole in holes(&TABLE, &build, None).unwrap() {
            assert_eq!(hole.state, State::Open, "{suite}: {:?}", hole.cve.ids);
        }
    }
}

fn column(cells: &'static [(&'static str, Cell)], suite: &str) -> Option<Cell> {
    let name = format!("redis-{suite}");
    let mut cells = cells.iter();
    cells.find(|(column, _)| *column == name).map(|(_, c)| *c)
}

/// The suite's redis-server, as tests/nspawn/root fetched it.
fn package(suite: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nspawn/root");
    let output = Command::new(script).arg(suite).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let dir = String::from_utf8(output.stdout).unwrap();
    let repo = Path::new(dir.trim()).join("repo");
    let mut names = std::fs::read_dir(&repo).unwrap().map(|e| e.unwrap().path());
    let is_server = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("redis-server_")
    };
    names.find(is_server).expect("a redis-server in the repo")
}

/// The uploads of its changelog, the newest first.
fn changelog(package: &Path) -> Vec<Entry> {
    let script = "dpkg-deb --fsys-tarfile \"$1\" | tar -xO ./usr/share/doc/redis-server/changelog.Debian.gz | gzip -dc";
    let output = Command::new("sh")
        .args(["-ec", script, "sh"])
        .arg(package)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut entries: Vec<Entry> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("redis (") {
            entries.push(Entry {
                version: rest.split_once(')').unwrap().0.to_owned(),
                day: jiff::civil::Date::MIN,
                text: String::new(),
            });
        } else if let Some((_, date)) = line.strip_prefix(" -- ").and_then(|l| l.split_once(">  "))
        {
            let date = jiff::fmt::rfc2822::parse(date).unwrap();
            entries.last_mut().unwrap().day = date.date();
        } else if let Some(entry) = entries.last_mut() {
            entry.text.push_str(line);
            entry.text.push('\n');
        }
    }
    assert!(entries.len() > 50, "{} uploads", entries.len());
    entries
}

/// The ids in a text.
fn ids(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let ids = words.filter(|w| w.starts_with("CVE-"));
    ids.map(|w| w.trim_end_matches('-').to_owned()).collect()
}
