//! Trees that do not run: judged by their files, prepared without anything that copies of them must not share.

use super::harness::{FIXED, Fake, of_root};
use crate::tree::{Allowed, Tree, What};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// What the host itself has to make.
const HOSTS_OWN: [&str; 6] = [
    "etc/redis-harden/secrets/admin",
    "etc/redis-harden/secrets/agent",
    "etc/redis-harden/secrets/app",
    "etc/redis-harden/redis/default.acl",
    "etc/redis-harden/redis/default.conf",
    "etc/redis-harden/redis/default.toml",
];

const BOOT_UNIT: &str = "etc/systemd/system/redis-harden.service";
const FIRST_BOOT_UNIT: &str = "etc/systemd/system/redis-harden-first-boot.service";

fn files_of_ours(tree: &Fake) -> Vec<String> {
    Tree::of(tree.root()).paths().map(str::to_owned).collect()
}

#[test]
fn check_judges_files_and_says_that_it_does() {
    let tree = Fake::debian();
    let ran = tree.run(&["check"]);
    let first = format!(
        "files only: {} is a tree that does not run\n",
        tree.root().display()
    );
    assert!(ran.exits(1).starts_with(&first), "{ran}");
    assert_eq!(ran.out.matches("files only: ").count(), 1, "{ran}");
    let json = tree.run(&["check", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(json.exits(1)).expect("JSON");
    assert_eq!(json["host"]["hostname"], "image");
    assert_eq!(json["host"]["memory"], 0);
    let of = |id: &str| {
        let controls = json["controls"].as_array().expect("a list");
        let found = controls.iter().find(|c| c["id"] == id);
        found.unwrap_or_else(|| panic!("no control {id}")).clone()
    };
    let bind = of("network.bind");
    assert_eq!(bind["status"], "not-applicable");
    assert!(
        bind["findings"][0]["because"]
            .as_str()
            .expect("a reason")
            .ends_with("is a tree that does not run")
    );
    let passwords = of("files.passwords");
    assert_eq!(passwords["status"], "not-applicable");
    assert_eq!(
        passwords["findings"][0]["because"],
        "passwords are generated on the host itself: copies of this tree would share them"
    );
}

#[test]
fn a_plan_says_what_is_generated_at_first_boot() {
    let tree = Fake::debian();
    let ran = tree.run(&["plan"]);
    ran.exits(1);
    for path in HOSTS_OWN {
        let line = format!("/{path}: generated at first boot\n");
        assert!(ran.out.contains(&line), "{line:?} is not in {ran}");
    }
}

#[test]
fn apply_makes_nothing_that_copies_must_not_share() {
    for tree in [Fake::debian(), Fake::bare()] {
        let ran = tree.run(&["apply"]);
        ran.exits(0);
        assert!(
            ran.out
                .contains("settings are generated at first boot, and Redis cannot start before"),
            "{ran}"
        );
        for path in HOSTS_OWN {
            assert!(!tree.has(path), "{path} was made: {ran}");
        }
        for path in files_of_ours(&tree) {
            let text = fs::read(tree.at(&path)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            // Our binary's own texts aside.
            if !path.ends_with("/redis-harden") && !path.starts_with("/var/lib/redis-harden/runs") {
                assert!(!text.contains("maxmemory "), "{path}:\n{text}");
                assert!(!text.contains("that apply generates"), "{path}:\n{text}");
            }
        }
    }
}

#[test]
fn the_first_boots_unit_is_enabled_and_would_make_it() {
    let tree = Fake::debian();
    tree.run(&["apply"]).exits(0);
    let unit = tree.text(FIRST_BOOT_UNIT);
    for line in [
        "ExecStart=/usr/local/sbin/redis-harden apply --first-boot",
        "Before=redis-server.service",
        "ConditionPathExists=|!/etc/redis-harden/redis/default.conf",
        "ConditionPathExists=|!/etc/redis-harden/secrets/agent",
    ] {
        assert!(unit.contains(&format!("\n{line}\n")), "{line}: {unit}");
    }
    for name in ["redis-harden", "redis-harden-first-boot"] {
        let wants = "etc/systemd/system/multi-user.target.wants";
        let link = tree.at(&format!("{wants}/{name}.service"));
        let target = fs::read_link(link).expect("a link");
        let unit = format!("/etc/systemd/system/{name}.service");
        assert_eq!(target.to_str(), Some(unit.as_str()));
    }
    assert!(tree.has("usr/local/sbin/redis-harden"));
    // Redis comes after it, and not without its password.
    let drop_in = tree.text("etc/systemd/system/redis-server.service.d/50-redis-harden.conf");
    assert!(
        drop_in.contains("\nAfter=redis-harden-first-boot.service\n"),
        "{drop_in}"
    );
    assert!(
        drop_in.contains("\nLoadCredential=agent:/etc/redis-harden/secrets/agent\n"),
        "{drop_in}"
    );
}

#[test]
fn nothing_waits_for_the_unit_of_each_boot() {
    let tree = Fake::debian();
    tree.run(&["apply"]).exits(0);
    let unit = tree.text(BOOT_UNIT);
    for line in [
        "ExecStart=/usr/local/sbin/redis-harden apply --boot",
        "ConditionPathExists=/etc/redis-harden/redis/default.conf",
    ] {
        assert!(unit.contains(&format!("\n{line}\n")), "{line}: {unit}");
    }
    let waits = unit.lines().filter(|line| line.starts_with("Before="));
    assert_eq!(waits.collect::<Vec<_>>(), ["Before=shutdown.target"]);
    let drop_in = tree.text("etc/systemd/system/redis-server.service.d/50-redis-harden.conf");
    assert!(!drop_in.contains("redis-harden.service"), "{drop_in}");
}

#[test]
fn apply_again_changes_nothing() {
    for tree in [Fake::debian(), Fake::bare()] {
        tree.run(&["apply"]).exits(0);
        let before = tree.snapshot();
        let ran = tree.run(&["apply"]);
        assert!(ran.exits(0).starts_with("nothing to change\n"), "{ran}");
        tree.is_untouched_but_the_lock(&before);
    }
}

#[test]
fn rollback_restores_the_tree_byte_for_byte() {
    for tree in [Fake::debian(), Fake::bare()] {
        tree.file(
            "etc/sysctl.d/99-zz-redis-harden.conf",
            "# an older one\nvm.swappiness = 60\n",
        );
        tree.mode("etc/sysctl.d/99-zz-redis-harden.conf", 0o600);
        let before = tree.snapshot();
        tree.run(&["apply"]).exits(0);
        assert_eq!(tree.run(&["rollback"]).exits(0), "run 1 is rolled back\n");
        tree.is_as_before_but_the_journal(&before);
    }
}

#[test]
fn two_trees_of_one_image_are_the_same_but_for_time_stamps() {
    let (a, b) = (Fake::debian(), Fake::debian());
    for tree in [&a, &b] {
        tree.file("etc/redis-harden/policy.toml", FIXED);
        tree.run(&["apply", "--message", "image"]).exits(0);
    }
    let journal = [
        Allowed {
            glob: "/var/lib/redis-harden/runs/*/log",
            what: What::Anything,
            because: "it says when",
        },
        Allowed {
            glob: "/var/lib/redis-harden/lock",
            what: What::Anything,
            because: "it says who held it",
        },
    ];
    super::harness::same(&a.snapshot(), &b.snapshot(), &journal);
}

#[test]
fn fixed_sizes_are_rendered_where_the_accounts_exist() {
    let tree = Fake::debian();
    tree.file("etc/redis-harden/policy.toml", FIXED);
    tree.run(&["apply"]).exits(0);
    assert!(
        tree.text("etc/redis-harden/redis/default.conf")
            .contains("\nmaxmemory 67108864\n")
    );
    let stat = fs::metadata(tree.at("etc/redis-harden/redis/default.conf")).expect("rendered");
    assert_eq!(
        (stat.mode() & 0o7777, stat.uid(), stat.gid()),
        (0o640, 0, 998)
    );
    assert!(!tree.has("etc/redis-harden/secrets/agent"));
    assert!(!tree.has("etc/redis-harden/redis/default.acl"));

    let tree = Fake::bare();
    tree.file("etc/redis-harden/policy.toml", FIXED);
    let ran = tree.run(&["apply"]);
    ran.exits(0);
    assert!(!tree.has("etc/redis-harden/redis"), "{ran}");
    let plan = tree.run(&["plan"]);
    assert!(
        plan.exits(0).contains(
            "/default.conf: generated at first boot\n    the group redis does not exist yet\n"
        ),
        "{plan}"
    );
}

#[test]
fn percent_of_the_memory_is_the_hosts_own() {
    let tree = Fake::debian();
    // As in a chroot, where the builder's /proc is mounted.
    tree.file("proc/meminfo", "MemTotal: 4194304 kB\n");
    for value in ["40%", "auto"] {
        let policy = format!("[redis]\nmaxmemory = \"{value}\"\n");
        tree.file("etc/redis-harden/policy.toml", &policy);
        tree.run(&["apply"]).exits(0);
        assert!(!tree.has("etc/redis-harden/redis/default.conf"));
    }
}

#[test]
fn a_tree_of_a_host_that_has_run_is_judged_by_its_passwords() {
    let tree = Fake::debian();
    tree.dir("etc/redis-harden/secrets", 0o711, 0, 0);
    for user in ["admin", "agent", "app"] {
        tree.file(&format!("etc/redis-harden/secrets/{user}"), "0123\n");
        tree.mode(&format!("etc/redis-harden/secrets/{user}"), 0o600);
    }
    let only = ["check", "--only", "files.passwords"];
    tree.run(&only).exits(0);
    tree.mode("etc/redis-harden/secrets/app", 0o644);
    tree.run(&only).exits(1);
    tree.run(&["apply", "--only", "files.passwords"]).exits(0);
    tree.run(&only).exits(0);
    assert_eq!(tree.text("etc/redis-harden/secrets/app"), "0123\n");
}

#[test]
fn a_policy_from_outside_is_the_trees_own_afterwards() {
    let tree = Fake::debian();
    let dir = of_root();
    let (base, policy) = (dir.path().join("base.toml"), dir.path().join("p.toml"));
    fs::write(&base, "[redis]\nport = 6380\n").expect("our own");
    let text = "# ours\n[redis]\nport = 6390\n";
    fs::write(&policy, text).expect("our own");
    let named = policy.to_str().expect("UTF-8");
    let before = tree.snapshot();
    tree.run(&["--policy", named, "apply"]).exits(0);
    assert_eq!(tree.text("etc/redis-harden/policy.toml"), text);
    let stat = fs::metadata(tree.at("etc/redis-harden/policy.toml")).expect("written");
    assert_eq!(
        (stat.mode() & 0o7777, stat.uid(), stat.gid()),
        (0o644, 0, 0)
    );
    assert!(
        tree.text(BOOT_UNIT)
            .contains("/redis-harden apply --boot\n")
    );
    // The boot, which reads the tree's own policy, finds nothing else to do.
    tree.run(&["plan"]).exits(0);
    // One that extends another file is merged into one.
    fs::write(&policy, "extends = \"base.toml\"\n").expect("our own");
    tree.run(&["--policy", named, "apply"]).exits(0);
    let merged = tree.text("etc/redis-harden/policy.toml");
    assert!(
        merged.starts_with("# Merged by redis-harden from "),
        "{merged}"
    );
    let ran = tree.run(&["policy", "show"]);
    assert!(ran.exits(0).contains("port = 6380"), "{ran}");
    tree.run(&["plan"]).exits(0);
    for _ in 0..2 {
        tree.run(&["rollback"]).exits(0);
    }
    tree.is_as_before_but_the_journal(&before);
}

#[test]
fn no_program_of_the_tree_or_of_this_machine_is_run() {
    let tree = Fake::bare();
    for program in ["adduser", "useradd", "systemctl", "apt-get", "nft"] {
        let path = format!("usr/sbin/{program}");
        tree.file(
            &path,
            "#!/bin/sh\ntouch /ran-a-program \"$(dirname \"$0\")/ran\"\n",
        );
        tree.mode(&path, 0o755);
    }
    tree.run(&["apply"]).exits(0);
    assert!(!tree.has("usr/sbin/ran") && !std::path::Path::new("/ran-a-program").exists());
    tree.run(&["start"])
        .refuses_with(&["programs are not run on a tree"]);
}

#[test]
fn a_trees_passwords_are_left_to_the_host_wherever_they_come_from() {
    let tree = Fake::debian();
    let policy = "extends = \"production\"\n[acl.app]\nrole = \"application\"\npassword-credential = \"redis-app\"\n\
         [acl.replica]\nrole = \"replica\"\n[replication]\nuser = \"replica\"\n[legacy]\ndefault-until = \"2099-12-31\"\n";
    tree.file("etc/redis-harden/policy.toml", policy);
    tree.file("etc/credstore/redis-app", "a password of somebody's\n");
    tree.run(&["apply"]).exits(0);
    for path in [
        "redis/default.acl",
        "redis/default.auth",
        "secrets/replica",
        "secrets/default",
    ] {
        assert!(!tree.has(&format!("etc/redis-harden/{path}")), "{path}");
    }
    // What ends `default` is a file like others, and waits for the host.
    let timer = "redis-harden-legacy.timer";
    let units = [
        format!("etc/systemd/system/{timer}"),
        format!("etc/systemd/system/multi-user.target.wants/{timer}"),
    ];
    assert!(units.iter().all(|unit| tree.has(unit)));
    assert!(
        tree.text(&units[0])
            .contains("OnCalendar=2100-01-01 00:00:00 UTC")
    );
    tree.run(&["rollback"]).exits(0);
    assert!(!units.iter().any(|unit| tree.has(unit)));
}
