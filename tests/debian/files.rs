//! The package file itself: the same bytes twice, and nothing that Debian's own checker objects to.

use super::package::{built, said};
use std::process::Command;

#[test]
fn the_same_program_is_packed_into_the_same_bytes() {
    let read = |deb| std::fs::read(deb).expect("the package");
    assert!(read(built(None)) == read(built(None)));
}

#[test]
fn lintian_objects_to_nothing_that_is_not_explained() {
    let mut lintian = Command::new("lintian");
    lintian.args([
        "--allow-root",
        "--pedantic",
        "--fail-on=error,warning,info,pedantic",
    ]);
    assert_eq!(said(lintian.arg(built(None))), "");
}

#[test]
fn the_apparmor_profile_is_one_that_its_compiler_takes() {
    let profile = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/packaging/debian/apparmor/redis-harden"
    );
    let mut parser = Command::new("apparmor_parser");
    // Compiled, cached nowhere, and loaded into no kernel.
    parser.args(["--skip-kernel-load", "--skip-cache", "--warn=all"]);
    let done = parser
        .arg("--debug")
        .arg(profile)
        .output()
        .expect("tests/install-deps");
    assert!(done.status.success(), "{done:?}");
    let names = said(Command::new("apparmor_parser").args(["--names", profile]));
    assert_eq!(names, "redis-harden");
}

#[test]
fn piuparts_finds_nothing_left() {
    let piuparts = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/debian/piuparts");
    let passed = said(Command::new(piuparts).arg(built(None)));
    assert!(passed.contains("PASS: All tests."), "{passed}");
}

#[test]
fn the_package_itself_changes_no_value_of_the_kernel() {
    let mut list = Command::new("dpkg-deb");
    let listed = said(list.arg("--contents").arg(built(None)));
    let at_boot = [
        "/sysctl.d/",
        "/tmpfiles.d/",
        "/modules-load.d/",
        "/modprobe.d/",
    ];
    let files: Vec<&str> = listed
        .lines()
        .filter(|line| at_boot.iter().any(|dir| line.contains(dir)) && !line.ends_with('/'))
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    // The directory of apply's lock.
    assert_eq!(files, ["./usr/lib/tmpfiles.d/redis-harden.conf"]);
}
