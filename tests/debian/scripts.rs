//! The maintainer scripts alone, on a tree that is not the machine's.

use std::path::Path;
use std::process::{Command, Output};
use std::{fs, os::unix::fs::PermissionsExt};

const DROP_INS: &str = "etc/systemd/system/redis-server.service.d";

/// A tree in which ours was applied and is about to be removed.
fn applied() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    for dir in [DROP_INS, "var/lib/redis-harden", "usr/sbin"] {
        fs::create_dir_all(root.path().join(dir)).expect("made");
    }
    let ours = "[Service]\nExecStart=\nExecStart=/usr/sbin/redis-harden supervise redis\n";
    fs::write(
        root.path().join(DROP_INS).join("50-redis-harden.conf"),
        ours,
    )
    .expect("written");
    fs::write(root.path().join("usr/sbin/redis-harden"), "the program").expect("written");
    root
}

fn removed(root: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/debian/prerm");
    let mut prerm = Command::new("sh");
    prerm.arg(script).arg("remove").env("DPKG_ROOT", root);
    prerm.output().expect("a shell")
}

#[test]
fn a_removal_leaves_a_static_unit_and_the_program_for_a_purge() {
    let root = applied();
    let done = removed(root.path());
    assert!(done.status.success(), "{done:?}");
    let unit = root
        .path()
        .join(DROP_INS)
        .join("55-redis-harden-removed.conf");
    let unit = fs::read_to_string(unit).expect("written");
    assert!(
        unit.contains("\nExecStart=/usr/bin/redis-server /etc/redis/redis.conf "),
        "{unit}"
    );
    let kept = root.path().join("var/lib/redis-harden/program");
    assert_eq!(fs::read(&kept).expect("kept"), b"the program");
    let mode = fs::metadata(&kept).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_program_that_cannot_be_kept_is_said_and_blocks_no_removal() {
    let root = applied();
    fs::remove_file(root.path().join("usr/sbin/redis-harden")).expect("removed");
    let done = removed(root.path());
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("program could not be kept"), "{said}");
}

#[test]
fn a_server_that_could_not_start_again_keeps_the_package() {
    let root = applied();
    // A directory in the place of the file, which stops root too.
    let unit = root
        .path()
        .join(DROP_INS)
        .join(".55-redis-harden-removed.new");
    fs::create_dir(unit).expect("made");
    assert!(!removed(root.path()).status.success());
}
