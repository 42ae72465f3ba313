//! The certificates of the TLS tests.
#![allow(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// A directory with all certificates of tests/fixtures/tls/make. They are made once by each test binary that wants some.
pub fn certificates() -> tempfile::TempDir {
    static MADE: LazyLock<PathBuf> = LazyLock::new(make);
    let dir = tempfile::tempdir().expect("a directory");
    for entry in std::fs::read_dir(&*MADE).expect("they are made") {
        let entry = entry.expect("a file");
        std::fs::copy(entry.path(), dir.path().join(entry.file_name())).expect("a copy");
    }
    dir
}

fn make() -> PathBuf {
    let binary = concat!("certificates-", env!("CARGO_CRATE_NAME"));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(binary);
    // Those of a former run have aged.
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory");
    let make = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls/make");
    let made = Command::new(make).arg(&dir).output().expect("it runs");
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{errors}");
    dir
}
