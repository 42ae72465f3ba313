//! Records of a database made up, and of this machine's own against dpkg-query.

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
