//! Whatever a caller hands down, an apply makes the same tree: a umask, limits, closed descriptors, blocked and ignored signals, and
//! an environment that was made to mislead.

use super::harness::{Fake, binary};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// Each file and directory of ours with its mode, and its content where that is the same on every host.
fn made(tree: &Fake) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![tree.root().to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).expect("listed").flatten() {
            let path = entry.path();
            let below = path
                .strip_prefix(tree.root())
                .expect("below it")
                .display()
                .to_string();
            let meta = fs::symlink_metadata(&path).expect("there");
            // The journal has times and numbers in it.
            if meta.is_dir() && !below.starts_with("var/lib/redis-harden/runs/") {
                todo.push(path.clone());
            }
            found.push(format!(
                "{below} {:o} {}:{}",
                meta.mode(),
                meta.uid(),
                meta.gid()
            ));
        }
    }
    found.sort();
    found
}

/// Applies in a new tree, from a shell's line in which `"$@"` is the program.
fn applied(line: &str) -> (Vec<String>, Option<i32>) {
    let tree = Fake::debian();
    let evil = tree.root().parent().expect("a parent").join("evil");
    let _ = fs::create_dir(&evil);
    for name in [
        "nft",
        "systemctl",
        "dpkg-query",
        "sh",
        "redis-server",
        "unshare",
    ] {
        let program = evil.join(name);
        let text = format!(
            "#!/bin/sh\ntouch {}\nexit 1\n",
            evil.join("was-run").display()
        );
        fs::write(&program, text).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
    }
    let status = Command::new("/bin/bash")
        .args(["-c", line, "caller", binary(), "--root"])
        .arg(tree.root())
        .arg("apply")
        .env("EVIL", &evil)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("bash runs");
    assert!(
        !evil.join("was-run").exists(),
        "{line}: a program of the caller's was run"
    );
    (made(&tree), status.code())
}

#[test]
fn what_the_caller_hands_down_changes_nothing() {
    let (usual, code) = applied(r#"exec "$@""#);
    assert!(
        usual.iter().any(|line| line.contains("redis-harden")),
        "{usual:?}"
    );
    for line in [
        r#"umask 0777; exec "$@""#,
        r#"umask 0; exec "$@""#,
        r#"exec "$@" <&- >&- 2>&-"#,
        r#"ulimit -n 24; exec "$@""#,
        r#"ulimit -c unlimited; ulimit -s 2048; exec "$@""#,
        r#"trap '' HUP INT TERM PIPE QUIT ALRM USR1 USR2 CHLD; exec "$@""#,
        r#"PATH=$EVIL IFS=/ CDPATH=/ HOME=/nowhere TMPDIR=$EVIL exec "$@""#,
        r#"LANG=tr_TR.UTF-8 LC_ALL=xx TZ=:/etc/passwd RUST_BACKTRACE=full COLUMNS=1 exec "$@""#,
        r#"XDG_CONFIG_HOME=$EVIL SYSTEMD_UNIT_PATH=$EVIL SYSTEMD_OFFLINE=1 DPKG_ADMINDIR=$EVIL exec "$@""#,
        r#"cd "$EVIL" && exec "$@""#,
    ] {
        let (tree, ended) = applied(line);
        assert_eq!(ended, code, "{line}");
        assert_eq!(tree, usual, "{line}");
    }
}
