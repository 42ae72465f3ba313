//! A small Debian root for a test: built once by mmdebstrap below `target/`, and laid under a fresh overlay for each run.
//! Needs root, and on the first run mmdebstrap and the machine's package mirror.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Packages that the tests install; fetched once, so that later runs need no network.
const FETCHED: &str = "redis-server nftables";

/// A run in a fresh root.
pub struct Inside {
    dir: tempfile::TempDir,
    output: Output,
}

/// Runs the ignored test `name` of this very binary in a fresh root, in its own PID and mount namespace.
/// `setup` is a shell script that prepares the root, which it finds as its working directory.
pub fn run(name: &str, setup: &str, unshare: &[&str]) -> Inside {
    let base = base();
    let dir = tempfile::tempdir_in(target()).expect("a directory");
    let exe = std::env::current_exe().expect("this binary");
    let script = r#"
        cd "$1"
        mkdir upper work root
        mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay root
        cd root
        mount -t proc proc proc
        mount --rbind /dev dev
        cp /etc/resolv.conf etc/resolv.conf
        cp "$3" test-binary
        eval "$5"
        exec chroot . /test-binary --exact "$4" --ignored --nocapture
    "#;
    let output = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child"])
        .args(unshare)
        .args(["sh", "-ec", script, "sh"])
        .args([dir.path(), base, &exe])
        .args([name, setup])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .expect("unshare runs");
    Inside { dir, output }
}

impl Inside {
    /// What the test wrote to `/result`. Panics with all that was printed when it did not pass.
    pub fn passed(self) -> String {
        let text = [self.output.stdout, self.output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(
            self.output.status.success() && text.contains("1 passed"),
            "the test inside the root did not pass:\n{text}"
        );
        println!("{text}");
        let result = self.dir.path().join("upper/result");
        std::fs::read_to_string(result).unwrap_or_default()
    }
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The root that all runs share, read-only.
fn base() -> &'static PathBuf {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    BASE.get_or_init(|| {
        let base = target().join("bookworm");
        if !base.join("complete").exists() {
            build(&base);
        }
        base
    })
}

fn build(base: &Path) {
    let sources = [
        "/etc/apt/sources.list",
        "/etc/apt/sources.list.d/debian.sources",
    ];
    let sources = sources.iter().filter(|file| Path::new(file).exists());
    sh(&format!("rm -rf {}", base.display()));
    let built = Command::new("mmdebstrap")
        .args([
            "--quiet",
            "--variant=minbase",
            "--include=adduser",
            "bookworm",
        ])
        .arg(base)
        .args(sources)
        .status()
        .expect("mmdebstrap is installed");
    assert!(built.success(), "mmdebstrap did not build a root");
    // An init and a runlevel, so that services are started as on a machine that has booted.
    sh(&format!(
        "set -e; cd {}; ln -s /bin/true sbin/init; printf '#!/bin/sh\\necho N 2\\n' > sbin/runlevel
        chmod 755 sbin/runlevel; cp /etc/resolv.conf etc/
        chroot . apt-get -q update; chroot . apt-get -qyd --no-install-recommends install {FETCHED}; touch complete",
        base.display()
    ));
}

fn sh(script: &str) {
    let done = Command::new("sh")
        .args(["-c", script])
        .status()
        .expect("sh runs");
    assert!(done.success(), "{script}");
}
