//! The role, run by real ansible-core against a Debian in a chroot: changed once, then never again, and nothing at all with --check.
//! There redis-harden writes files only; what it does on a host that runs is the matter of the other tests.

use super::image::{checkout, debian, ok};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A host, and the controller's directory.
struct Host {
    dir: TempDir,
    root: PathBuf,
}

impl Host {
    fn new() -> Host {
        let dir = TempDir::new().expect("a directory");
        let root = dir.path().join("root");
        debian(&root, &["redis-server", "python3"]);
        fs::copy(
            env!("CARGO_BIN_EXE_redis-harden"),
            root.join("usr/sbin/redis-harden"),
        )
        .expect("ours");
        Host { dir, root }
    }

    /// What ansible-playbook says, and whether it succeeded.
    fn play(&self, words: &[&str], variables: &str) -> (bool, String) {
        let playbook = "- hosts: all\n  gather_facts: false\n  roles: [redis_harden]\n";
        let path = |name: &str| self.dir.path().join(name);
        fs::write(path("site.yml"), playbook).expect("ours");
        fs::write(path("variables.json"), variables).expect("ours");
        fs::write(path("enter"), ENTER).expect("ours");
        ok(Command::new("chmod").arg("+x").arg(path("enter")));
        let tools = ok(&mut Command::new(checkout("tests/container/tools")));
        let bin = Path::new(tools.trim());
        let inventory = format!(
            "box ansible_host={} ansible_ssh_executable={} ansible_ssh_transfer_method=piped ansible_python_interpreter=/usr/bin/python3\n",
            self.root.display(),
            path("enter").display()
        );
        fs::write(path("hosts"), inventory).expect("ours");
        let mut playbook = Command::new(bin.join("ansible-playbook"));
        playbook
            .arg("-i")
            .arg(path("hosts"))
            .arg("-e")
            .arg(format!("@{}", path("variables.json").display()));
        playbook
            .args(words)
            .arg(path("site.yml"))
            .current_dir(self.dir.path());
        playbook.env("ANSIBLE_ROLES_PATH", checkout("packaging/ansible/roles"));
        playbook
            .env("ANSIBLE_LOCAL_TEMP", path("tmp"))
            .env("ANSIBLE_NOCOLOR", "1")
            .env("ANSIBLE_PIPELINING", "true")
            .env("ANSIBLE_SSH_ARGS", "");
        playbook
            .env("ANSIBLE_HOME", path("home"))
            .env("LC_ALL", "C.UTF-8");
        let ran = playbook.output().expect("ansible-playbook");
        let said = [ran.stdout, ran.stderr].concat();
        (
            ran.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    /// Each path of the host's own with its mode, owner, and content.
    fn tree(&self) -> String {
        let script = "cd \"$1\" && find . -xdev \\( -path ./root/.ansible -o -path ./tmp -o -name __pycache__ -o -path ./var/lib/redis-harden/lock \\) -prune -o -printf '%p %m %u %g %l\\n' | sort && \
            find etc var usr/sbin -xdev -type f ! -path var/lib/redis-harden/lock -exec sha256sum {} + | sort";
        ok(Command::new("sh")
            .args(["-euc", script, "tree"])
            .arg(&self.root))
    }
}

/// In ssh's place: the host is a directory. Its /proc is this machine's, so that it is seen to be a chroot, and is not to be written.
const ENTER: &str = r#"#!/bin/bash
set -euo pipefail
command=${*: -1}
root=${*: -2:1}
proc='mount --bind /proc "$1/proc" && mount --bind /proc/sys "$1/proc/sys" && mount -o remount,ro,bind "$1/proc/sys"'
exec unshare --mount sh -c "$proc"' && exec chroot "$1" /bin/sh -c "$2"' enter "$root" "$command"
"#;

/// `changed=` of the recap.
#[track_caller]
fn changed(said: &str) -> u32 {
    let recap = said
        .lines()
        .find(|l| l.starts_with("box ") && l.contains("changed="))
        .unwrap_or_else(|| panic!("{said}"));
    let word = recap
        .split_whitespace()
        .find_map(|w| w.strip_prefix("changed="));
    word.and_then(|n| n.parse().ok())
        .unwrap_or_else(|| panic!("{recap}"))
}

const VARIABLES: &str = r#"{"redis_harden_install": false, "redis_harden_policy": "[redis]\nport = 7000\n",
    "redis_harden_overlays": {"50-site.toml": "[redis]\nmaxclients = 500\n"}}"#;

/// What CI has the time for; the plays are `tests/full packaging`'s.
#[test]
fn the_role_and_its_example_are_ansibles() {
    let tools = ok(&mut Command::new(checkout("tests/container/tools")));
    let dir = TempDir::new().expect("a directory");
    let mut playbook = Command::new(Path::new(tools.trim()).join("ansible-playbook"));
    playbook.args(["-i", "redis,", "--syntax-check"]);
    playbook.arg(checkout("packaging/ansible/site.yml"));
    playbook.env("ANSIBLE_ROLES_PATH", checkout("packaging/ansible/roles"));
    playbook
        .env("ANSIBLE_HOME", dir.path())
        .env("ANSIBLE_LOCAL_TEMP", dir.path());
    let said = ok(playbook.env("LC_ALL", "C.UTF-8"));
    assert!(said.contains("site.yml"), "{said}");
}

#[test]
#[ignore = "three plays: `tests/full packaging` runs them"]
fn a_play_changes_a_host_once_and_its_check_changes_nothing() {
    let host = Host::new();
    let before = host.tree();
    let (fine, said) = host.play(&["--check"], VARIABLES);
    assert!(fine && changed(&said) > 0, "{said}");
    is_same(&host.tree(), &before);

    let (fine, said) = host.play(&[], VARIABLES);
    assert!(fine && changed(&said) >= 4, "{said}");
    let sysctls = fs::read_to_string(host.root.join("etc/sysctl.d/99-zz-redis-harden.conf"))
        .expect("applied");
    assert!(sysctls.contains("vm.overcommit_memory"), "{sysctls}");

    let before = host.tree();
    let (fine, said) = host.play(&[], VARIABLES);
    assert!(fine && changed(&said) == 0, "{said}");
    is_same(&host.tree(), &before);
}

#[test]
#[ignore = "four plays: likewise"]
fn a_play_of_what_is_so_and_one_that_is_wrong_change_nothing() {
    let host = Host::new();
    let (fine, said) = host.play(&[], VARIABLES);
    assert!(fine, "{said}");
    let before = host.tree();
    let (fine, said) = host.play(&["--check"], VARIABLES);
    assert!(fine && changed(&said) == 0, "{said}");
    is_same(&host.tree(), &before);
    const WRONG: &str =
        r#"{"redis_harden_install": false, "redis_harden_policy": "[redis]\nprot = 1\n"}"#;
    let (fine, said) = host.play(&[], WRONG);
    assert!(!fine && said.contains("did you mean"), "{said}");
    is_same(&host.tree(), &before);
}

#[track_caller]
fn is_same(now: &str, before: &str) {
    let known: BTreeSet<&str> = before.lines().collect();
    let now: BTreeSet<&str> = now.lines().collect();
    let differ: Vec<_> = known.symmetric_difference(&now).collect();
    assert!(differ.is_empty(), "{differ:#?}");
}
