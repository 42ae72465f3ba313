//! The shipped files as cloud-init itself judges them, and what must not be in them.

use super::machine::said;
use super::{suite, text};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FILES: [&str; 3] = ["user-data.yaml", "vendor-data.yaml", "baked.yaml"];

/// `cloud-init schema` of Debian's own cloud-init.
fn judged(cloud_init: &Path, content: &str) -> Output {
    let dir = tempfile::tempdir_in(cloud_init).expect("a cache is ours");
    let file = dir.path().join("file.yaml");
    std::fs::write(&file, content).expect("our own directory");
    let inside = Path::new("/").join(file.strip_prefix(cloud_init).expect("it is below"));
    Command::new("chroot")
        .arg(cloud_init)
        .args(["cloud-init", "schema", "--config-file"])
        .arg(inside)
        .output()
        .expect("coreutils")
}

#[test]
fn cloud_init_calls_the_shipped_files_valid_and_they_hold_no_secret() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/cloud-init");
    let cloud_init = PathBuf::from(said(Command::new(script).arg(suite())));
    for name in FILES {
        let content = text(name);
        let ran = judged(&cloud_init, &content);
        assert!(
            ran.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
        let settings = content
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        for line in settings {
            let line = line.to_lowercase();
            for word in ["pass", "secret", "token", "requirepass", "auth"] {
                assert!(!line.contains(word), "{name}: {line}");
            }
        }
        // The judge is awake.
        let broken = content.replace("write_files:", "write_files: 3\nwas:");
        assert!(!judged(&cloud_init, &broken).status.success(), "{name}");
    }
}
