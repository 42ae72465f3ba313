//! cloud-init on virtual machines with Debian's cloud kernel: the shipped user-data and vendor-data, a baked image, reboots, rollback.
//!
//! Needs root and `tests/install-deps`; without them every test here fails and says so. The machines take minutes: `tests/full vm`, or
//! for a first boot alone `cargo test --test vm first_boot -- --ignored`.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

mod hardened;
mod machine;
#[allow(dead_code, reason = "tests/debian uses the rest")]
#[path = "../debian/package.rs"]
mod package;
mod schema;

use hardened::{
    is_confined, is_debians, is_hardened, nothing_was_refused, trespassers_are_refused,
};
use machine::{Image, Seed, Told, boot, said};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What is of the units that run at boot: for the kernel, what an image left, the packet filter.
const FIRST_BOOT: &str = "inactive\nactive\nactive";
const LATER_BOOT: &str = "active\ninactive\nactive";

/// The supervisor and its server.
const SERVICE: [&str; 2] = ["redis-harden", "redis-server"];

/// Debian 12 unless `REDIS_HARDEN_TEST_SUITE` says otherwise.
fn suite() -> String {
    std::env::var("REDIS_HARDEN_TEST_SUITE").unwrap_or_else(|_| "bookworm".to_owned())
}

fn shipped(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/cloud-init");
    dir.join(name)
}

fn text(name: &str) -> String {
    let path = shipped(name);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

fn meta_data(name: &str) -> String {
    format!("instance-id: {name}\nlocal-hostname: {name}\n")
}

#[test]
#[ignore = "a machine and a boot: tests/full vm"]
fn a_fresh_host_is_hardened_once_its_first_boot_is_over() {
    let (suite, scratch) = (suite(), scratch());
    let told = of_user_data(&suite, &["look write refusals"], scratch.path());
    is_hardened(&told, 0, &suite);
    assert_eq!(told.ok(0, "maxclients"), "maxclients\n5000");
    assert_eq!(told.said(0, "at-boot"), FIRST_BOOT);
    assert_eq!(told.ok(0, "write"), "OK");
    nothing_was_refused(&told, 0);
}

#[test]
#[ignore = "a machine and four boots: tests/full vm"]
fn user_data_hardens_a_fresh_host_and_a_rollback_leaves_debians_kernel() {
    let (suite, scratch) = (suite(), scratch());
    let boots = [
        "look write work refusals new-instance",
        "look read refusals trespass rollback kernel stock",
        "kernel stock purge",
        "kernel stock",
    ];
    let told = of_user_data(&suite, &boots, scratch.path());

    for boot in [0, 1] {
        is_hardened(&told, boot, &suite);
        assert_eq!(told.ok(boot, "maxclients"), "maxclients\n5000");
    }
    // The second time all of cloud-init ran again, as on a new instance.
    assert_eq!(told.said(1, "at-boot"), LATER_BOOT);
    assert_eq!(told.ok(0, "write"), "OK");
    assert_eq!(told.ok(1, "read"), "through 0", "Redis's data is there");
    assert_eq!(told.ok(0, "secrets"), told.ok(1, "secrets"));

    assert_eq!(
        told.ok(0, "persisted"),
        "rdb_last_bgsave_status:ok\naof_last_bgrewrite_status:ok"
    );
    for asked in ["bgsave", "rewrite", "rotate", "new-log", "restart"] {
        told.ok(0, asked);
    }
    assert_eq!(told.ok(0, "work-kept"), "through 0");
    is_confined(&told, 0, "confined-anew", &SERVICE);
    nothing_was_refused(&told, 0);
    nothing_was_refused(&told, 1);
    trespassers_are_refused(&told, 1);

    let first = told.ok(1, "rollback-1");
    assert!(first.ends_with("is rolled back"), "{first}");
    // Now, after another boot, with the package there and without it.
    told.ok(2, "purge");
    for boot in 1..=3 {
        is_debians(&told, boot);
    }
    for boot in 1..=3 {
        assert_eq!(
            told.ok(boot, "stock"),
            "through 0",
            "without a password, as Debian has it"
        );
    }
}

#[test]
#[ignore = "a machine and two boots: tests/full vm"]
fn vendor_data_applies_at_each_boot_and_a_machine_that_is_cut_off_keeps_its_data() {
    let (suite, scratch) = (suite(), scratch());
    let image = Image::of(&suite);
    let repository = scratch.path().join("repo");
    image.repository(&package::built(None), &repository);
    let seed = Seed {
        files: &[
            ("user-data", "#cloud-config\n{}\n"),
            ("vendor-data", &text("vendor-data.yaml")),
            ("meta-data", &meta_data("fleet")),
        ],
        boots: &[
            "look write crash",
            "look read prove tls instance unloaded locked removed refusals",
        ],
        repository: &repository,
    };
    let told = boot(&image, &seed, scratch.path());

    for boot in [0, 1] {
        is_hardened(&told, boot, &suite);
        assert_eq!(told.ok(boot, "maxclients"), "maxclients\n8000");
        let result: serde_json::Value =
            serde_json::from_str(told.ok(boot, "result")).expect("JSON");
        assert_eq!(result["message"], "fleet, at boot");
    }
    assert_eq!(told.ok(1, "read"), "through 0", "Redis's data is there");

    // 0: each attempt was refused.
    println!("{}", told.ok(1, "prove"));
    for asked in ["tls-init", "tls-apply", "tls-served"] {
        told.ok(1, asked);
    }
    is_confined(&told, 1, "tls-confined", &SERVICE);
    told.ok(1, "instance-apply");
    assert_eq!(told.ok(1, "instance-active"), "active");
    is_confined(&told, 1, "instance-confined", &SERVICE);
    for asked in [
        "unload",
        "unloaded-start",
        "load",
        "loaded-start",
        "loaded-check",
    ] {
        told.ok(1, asked);
    }
    assert_eq!(told.ok(1, "unloaded-ping"), "PONG");
    let status = told.ok(1, "unloaded-status");
    assert!(status.contains("\n  AppArmor: unconfined\n"), "{status}");
    let status = told.ok(1, "unloaded-json");
    assert!(status.contains("\"mode\": \"unconfined\""), "{status}");
    told.exits(1, "unloaded-check", 1);
    let waited: u32 = told.ok(1, "locked-for").parse().expect("seconds");
    let applied = told.ok(1, "locked");
    assert!(waited >= 18, "{waited} s: {applied}");
    assert_eq!(told.ok(1, "nftables-back"), "installed");
    told.ok(1, "remove");
    assert_eq!(told.ok(1, "static-ping"), "PONG");
    is_confined(&told, 1, "static-confined", &["redis-server"]);
    nothing_was_refused(&told, 1);
}

#[test]
#[ignore = "two machines and three boots: tests/full vm"]
fn clones_of_a_baked_image_start_hardened_with_secrets_of_their_own_and_keep_them() {
    let (suite, scratch) = (suite(), scratch());
    let fresh = Image::of(&suite);
    let repository = scratch.path().join("repo");
    fresh.repository(&package::built(None), &repository);
    let image = baked(&fresh, &repository, scratch.path());

    let two_boots: &[&str] = &["look starts write refusals", "look read refusals"];
    let clones = [("one", two_boots), ("two", &["look starts"])].map(|(name, boots)| {
        let seed = Seed {
            files: &[
                ("user-data", &text("baked.yaml")),
                ("meta-data", &meta_data(name)),
            ],
            boots,
            repository: &repository,
        };
        let dir = scratch.path().join(name);
        std::fs::create_dir(&dir).expect("our own directory");
        boot(&image, &seed, &dir)
    });
    for told in &clones {
        is_hardened(told, 0, &suite);
        assert_eq!(told.ok(0, "maxclients"), "maxclients\n3000");
        started_hardened(told);
    }
    let [again, _] = &clones;
    is_hardened(again, 1, &suite);
    assert_eq!(again.said(1, "at-boot"), LATER_BOOT);
    assert_eq!(again.ok(1, "read"), "through 0", "Redis's data is there");
    assert_eq!(again.ok(0, "secrets"), again.ok(1, "secrets"));
    for boot in [0, 1] {
        nothing_was_refused(again, boot);
    }
    let [one, two] = clones.each_ref().map(|told| told.ok(0, "secrets"));
    for (one, two) in one.lines().zip(two.lines()) {
        assert_ne!(one, two, "a password that two machines share");
    }
}

/// What a machine tells that was given the shipped user-data.
fn of_user_data(suite: &str, boots: &[&str], scratch: &Path) -> Told {
    let image = Image::of(suite);
    let repository = scratch.join("repo");
    image.repository(&package::built(None), &repository);
    let seed = Seed {
        files: &[
            ("user-data", &text("user-data.yaml")),
            ("meta-data", &meta_data("fresh")),
        ],
        boots,
        repository: &repository,
    };
    boot(&image, &seed, scratch)
}

/// The image's tree with the package and its hardening in it, as `bake` makes it.
fn baked(fresh: &Image, repository: &Path, scratch: &Path) -> Image {
    let tree = scratch.join("tree");
    said(
        Command::new("cp")
            .args(["-a", "--reflink=auto"])
            .args([fresh.tree(), tree.clone()]),
    );
    let seed = tree.join("opt/seed");
    said(Command::new("cp").arg("-R").arg(repository).arg(&seed));
    // The program under test is that which the image's builder has in its path.
    let path = Path::new(env!("CARGO_BIN_EXE_redis-harden"));
    let path = path.parent().expect("a file's directory").display();
    let path = format!("{path}:{}", std::env::var("PATH").expect("a path"));
    said(Command::new(shipped("bake")).arg(&tree).env("PATH", path));
    std::fs::remove_dir_all(seed.join("repo")).expect("our own directory");
    fresh.with_tree(&tree, &scratch.join("disk"))
}

/// Redis was started once in this boot, and by the supervisor.
fn started_hardened(told: &Told) {
    let starts = told.ok(0, "starts");
    let (times, runs) = starts.split_once('\n').expect("two lines");
    assert_eq!(times, "1", "{starts}");
    assert!(runs.contains("redis-harden supervise"), "{starts}");
    assert_eq!(told.said(0, "at-boot"), FIRST_BOOT);
}
