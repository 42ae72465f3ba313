//! Under another root, under dpkg: files only, and a line that says so.

use super::harness::{Fake, Ran, binary, clean, copy_binary};
use std::fs;
use std::process::Command;

/// A tree with the binary and the libraries that it needs, so that it can be run inside.
fn inhabited() -> Fake {
    let tree = Fake::debian();
    let inside = tree.at("usr/sbin/redis-harden");
    fs::create_dir_all(inside.parent().expect("below the root")).expect("our own tree");
    copy_binary(&inside);
    let ldd = Command::new("ldd")
        .arg(binary())
        .output()
        .expect("libc-bin");
    let text = String::from_utf8(ldd.stdout).expect("UTF-8");
    for library in text.split_whitespace().filter(|word| word.starts_with('/')) {
        let at = tree.at(library);
        fs::create_dir_all(at.parent().expect("below the root")).expect("our own tree");
        fs::copy(library, &at).expect("a copy");
    }
    tree
}

/// Runs it inside, in mount and PID namespaces of its own that end with it.
fn inside(tree: &Fake, mounts: &str, command: &str) -> Ran {
    let root = tree.root().display();
    let script = format!("{mounts}\nexec chroot {root} /usr/sbin/redis-harden {command}");
    let script = script.replace("ROOT", &root.to_string());
    let args = [
        "--mount",
        "--net",
        "--propagation",
        "private",
        "sh",
        "-ec",
        &script,
    ];
    Ran::of(&mut clean(Command::new("unshare"), &args))
}

/// With /proc and /sys, as image builders mount them.
const MOUNTED: &str = "mkdir -p ROOT/proc ROOT/sys; mount -t proc -o ro proc ROOT/proc; mount -t sysfs -o ro sysfs ROOT/sys";

fn prepares_files_only(mounts: &str, why: &str) {
    let tree = inhabited();
    let swappiness = fs::read_to_string("/proc/sys/vm/swappiness").expect("/proc");
    let ran = inside(&tree, mounts, "apply");
    ran.exits(0);
    assert!(
        ran.err.starts_with(&format!("· files only: {why}\n")),
        "{ran}"
    );
    assert_eq!(
        fs::read_to_string("/proc/sys/vm/swappiness").expect("/proc"),
        swappiness
    );
    assert!(tree.has("etc/sysctl.d/99-zz-redis-harden.conf"), "{ran}");
    assert!(!tree.has("etc/redis-harden/secrets/admin"), "{ran}");
    assert!(!tree.has("etc/redis-harden/redis/default.conf"), "{ran}");
    let unit = tree.text("etc/systemd/system/redis-harden.service");
    assert!(
        unit.contains("\nExecStart=/usr/sbin/redis-harden apply --boot\n"),
        "{unit}"
    );
    let check = inside(&tree, mounts, "check");
    assert!(
        check.exits(0).starts_with(&format!("files only: {why}\n")),
        "{check}"
    );
    assert!(
        inside(&tree, mounts, "apply")
            .exits(0)
            .starts_with("nothing to change\n")
    );
}

#[test]
fn a_chroot_with_proc() {
    prepares_files_only(
        MOUNTED,
        "this is a chroot: the system that runs has another root",
    );
}

#[test]
fn a_chroot_without_proc() {
    prepares_files_only(
        "true",
        "this is a chroot, or half a system: no /proc is mounted",
    );
}

#[test]
fn a_policy_named_in_a_chroot_is_the_boot_units() {
    let tree = inhabited();
    tree.file("srv/it's 100%.toml", "[redis]\nport = 6380\n");
    inside(&tree, "true", "--policy \"/srv/it's 100%.toml\" apply").exits(0);
    let unit = tree.text("etc/systemd/system/redis-harden.service");
    let line =
        "\nExecStart=/usr/sbin/redis-harden --policy \"/srv/it's 100%%.toml\" apply --boot\n";
    assert!(unit.contains(line), "{unit}");
    assert!(!tree.has("etc/redis-harden/policy.toml"));
}

#[test]
fn dpkg_root_is_a_tree() {
    let tree = Fake::debian();
    let root = tree.root().to_str().expect("UTF-8");
    let run = |args: &[&str]| {
        let mut command = super::harness::command(args);
        command.env("DPKG_ROOT", root);
        command.env("DPKG_MAINTSCRIPT_NAME", "postinst");
        Ran::of(&mut command)
    };
    let ran = run(&["apply"]);
    ran.exits(0);
    assert!(
        ran.err
            .starts_with(&format!("· files only: DPKG_ROOT is {root}\n")),
        "{ran}"
    );
    assert!(tree.has("etc/sysctl.d/99-zz-redis-harden.conf"), "{ran}");
    assert!(!tree.has("etc/redis-harden/secrets/admin"), "{ran}");
    assert!(run(&["apply"]).exits(0).starts_with("nothing to change\n"));
}

#[test]
fn a_maintainer_script_without_systemd_judges_files_only() {
    if std::path::Path::new("/run/systemd/system").exists() {
        panic!("this test needs a machine, or a container, without a running systemd");
    }
    let mut check = super::harness::command(&["check", "--only", "kernel.*"]);
    let ran = Ran::of(check.env("DPKG_MAINTSCRIPT_NAME", "postinst"));
    assert!(
        ran.out
            .starts_with("files only: a maintainer script without a running systemd\n"),
        "{ran}"
    );
}
