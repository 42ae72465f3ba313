//! cloud-init on virtual machines with Debian's cloud kernel: the shipped user-data and vendor-data, a baked image, reboots, rollback.
//!
//! Needs root and `tests/install-deps`; without them every test here fails and says so. `tests/full vm` runs the ignored ones too.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

mod machine;
#[allow(dead_code, reason = "tests/debian uses the rest")]
#[path = "../debian/package.rs"]
mod package;

use machine::{Image, Seed, Told, boot};
use std::path::Path;

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/cloud-init").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

#[test]
fn try_it() {
    let suite = std::env::var("REDIS_HARDEN_TEST_SUITE").unwrap_or_else(|_| "bookworm".to_owned());
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let image = Image::of(&suite);
    let repository = scratch.path().join("repo");
    image.repository(&package::built(None), &repository);
    let boots = ["look write new-instance", "look read rollback kernel", "kernel purge", "kernel"];
    let seed = Seed {
        files: &[("user-data", &shipped("user-data.yaml")), ("meta-data", "instance-id: one\nlocal-hostname: cloud\n")],
        boots: &boots,
        repository: &repository,
    };
    let told = boot(&image, &seed, scratch.path());
    println!("{told:?}");
}
