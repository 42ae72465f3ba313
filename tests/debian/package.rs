//! Packages for the tests, built by the same command as those that are released, from the binary under test.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The version before, for upgrades.
pub const BEFORE: &str = "0.1.0~before";

/// The package as its users get it; `version` gives it another one.
pub fn built(version: Option<&str>) -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let mut build = Command::new(repository.join("packaging/debian/build"));
    build
        .arg(out.path())
        .env("REDIS_HARDEN_BINARY", env!("CARGO_BIN_EXE_redis-harden"))
        .env("DPKG_DEB_COMPRESSOR_TYPE", "gzip")
        .env("DPKG_DEB_COMPRESSOR_LEVEL", "1");
    if let Some(version) = version {
        build.env("REDIS_HARDEN_VERSION", version);
    }
    let path = said(&mut build);
    // The caller owns it from here on; the directory is below target/.
    let kept = out.keep();
    kept.join(Path::new(&path).file_name().expect("a file"))
}

/// The example of another package that uses ours, built as its author would.
pub fn example() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/examples/myapp");
    let out = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let dir = out.keep();
    said(Command::new("cp").arg("-R").arg(source).arg(&dir));
    said(
        Command::new("dpkg-buildpackage")
            .args(["--build=binary", "--no-sign"])
            .current_dir(dir.join("myapp")),
    );
    dir.join("myapp_1.0_all.deb")
}

/// What a command prints.
pub fn said(command: &mut Command) -> String {
    let output = command.output().expect("tests/install-deps");
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
