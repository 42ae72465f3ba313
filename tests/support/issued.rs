//! The certificates of the TLS tests.
#![allow(clippy::disallowed_methods, reason = "a test runs openssl itself")]

use std::path::Path;
use std::process::Command;

/// A directory with all certificates of tests/fixtures/tls/make, made now.
pub fn certificates() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("it is made");
    let make = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls/make");
    let made = Command::new(make)
        .arg(dir.path())
        .output()
        .expect("it is made");
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{errors}");
    dir
}
