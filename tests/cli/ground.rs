//! The ground moves under an apply: what cannot be written although one is root, and file systems that come and go.

use super::harness::{Fake, binary};
use std::path::Path;
use std::process::{Command, Stdio};

const VALUES: &str = "/etc/sysctl.d/99-zz-redis-harden.conf";

fn immutable(path: &Path, flag: &str) {
    let ran = Command::new("chattr").arg(flag).arg(path).status();
    assert!(
        ran.expect("chattr runs").success(),
        "chattr {flag}: a file system without it?"
    );
}

#[test]
fn what_is_immutable_is_told_and_the_rest_is_applied_and_rolled_back() {
    let tree = Fake::debian();
    tree.dir("/etc/sysctl.d", 0o755, 0, 0);
    let before = tree.snapshot();
    let dir = tree.at("/etc/sysctl.d");
    immutable(&dir, "+i");
    let refused = tree.run(&["apply"]);
    immutable(&dir, "-i");
    refused.exits(2);
    assert!(refused.err.contains("EPERM"), "{refused}");
    assert!(!tree.has(VALUES));
    assert!(tree.has("/etc/redis-harden/firewall.nft"));

    tree.run(&["apply"]).exits(0);
    let file = tree.at(VALUES);
    immutable(&file, "+i");
    let refused = tree.run(&["rollback"]);
    immutable(&file, "-i");
    refused.exits(2);
    assert!(tree.has(VALUES), "{refused}");
    for _ in 0..2 {
        tree.run(&["rollback"]).exits(0);
    }
    tree.is_as_before_but_the_journal(&before);
}

#[test]
fn a_file_system_that_comes_and_goes_leaves_nothing_half_done() {
    let tree = Fake::debian();
    tree.dir("/etc/sysctl.d", 0o755, 0, 0);
    let at = tree.at("/etc/sysctl.d");
    let goes_on = tempfile::NamedTempFile::new().expect("a file");
    // A loop that is killed could leave a mount(8) behind, which mounts later.
    let script =
        "while [ -e \"$4\" ]; do mount -t tmpfs none \"$1\"; umount -l \"$1\"; done & moving=$!
        for i in 1 2 3 4 5 6 7 8; do \"$2\" --root \"$3\" apply; \"$2\" --root \"$3\" rollback; done
        rm \"$4\"; wait $moving; while umount \"$1\" 2>/dev/null; do :; done
        \"$2\" --root \"$3\" apply";
    let ran = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .args([at.as_path(), Path::new(binary()), tree.root()])
        .arg(goes_on.path())
        .stdin(Stdio::null())
        .output()
        .expect("unshare, as root");
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert!(tree.text(VALUES).contains("vm.overcommit_memory = 1"));
    let names = std::fs::read_dir(&at).expect("listed");
    assert_eq!(names.count(), 1, "a file that is half written stays behind");
}
