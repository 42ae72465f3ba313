//! An image that is baked with `--root` and boots: the host itself makes what copies must not share, and Redis waits for it.
//!
//! Needs root and `tests/install-deps`, as `tests/systemd` does.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

use std::path::Path;
use std::process::Command;

mod support {
    pub mod disk;
    #[expect(dead_code, reason = "tests/systemd uses the rest")]
    pub mod nspawn;
    #[expect(dead_code, reason = "tests/systemd uses the rest")]
    pub mod tree;
}

use support::nspawn::Machine;

const BINARY: &str = "/usr/local/sbin/redis-harden";
const UNIT: &str = "redis-server.service";
const FIRST_BOOT: &str = "redis-harden-first-boot.service";
const EACH_BOOT: &str = "redis-harden.service";
const MADE_AT_BOOT: [&str; 4] = [
    "/etc/redis-harden/secrets/admin",
    "/etc/redis-harden/secrets/agent",
    "/etc/redis-harden/redis/default.conf",
    "/etc/redis-harden/redis/default.acl",
];

/// The binary of this machine on the halted machine's disk, as an image builder runs it.
fn bake(disk: &Path, args: &[&str]) {
    let baked = Command::new(env!("CARGO_BIN_EXE_redis-harden"))
        .arg("--root")
        .arg(disk)
        .args(args)
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&baked.stderr).into_owned();
    assert!(
        baked.status.success(),
        "{}\n{said}",
        String::from_utf8_lossy(&baked.stdout)
    );
}

#[test]
fn a_baked_image_makes_its_own_secrets_before_redis_starts() {
    let mut machine = Machine::boot();
    machine.exec(&["apt-get", "-qq", "update"]).ok();
    let install = [
        "apt-get",
        "-qq",
        "-y",
        "install",
        "redis-server",
        "nftables",
    ];
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    machine.exec_with(&quiet, &install).ok();
    machine.power_off();

    bake(&machine.disk(), &["apply"]);
    for path in MADE_AT_BOOT {
        assert!(!machine.tree().has(path), "{path} is in the image");
    }

    machine.power_on();
    for path in MADE_AT_BOOT {
        assert!(machine.tree().has(path), "{path} was not made at boot");
    }
    let ran = |machine: &Machine, unit: &str| {
        let times = machine.property(unit, "ExecMainStartTimestampMonotonic");
        (times != "0").then(|| machine.property(unit, "Result"))
    };
    assert_eq!(ran(&machine, FIRST_BOOT).as_deref(), Some("success"));
    assert_eq!(ran(&machine, EACH_BOOT), None);
    assert_eq!(machine.systemctl(&["is-active", UNIT]).ok(), "active");
    let main = machine.property(UNIT, "MainPID");
    assert!(
        machine
            .command_line(&main)
            .iter()
            .any(|word| word == "supervise"),
        "Redis does not run under the supervisor"
    );
    // The disk is an overlay of whatever room this machine has left, and the container may neither raise limits nor set
    // vm.*: none of that is the image's.
    let of_the_container = [
        "--skip",
        "files.data-mount",
        "--skip",
        "files.free-space",
        "--skip",
        "limits.*",
        "--skip",
        "kernel.overcommit-memory",
        "--skip",
        "kernel.swappiness",
    ];
    let check = [&[BINARY, "check"][..], &of_the_container].concat();
    machine.exec(&check).ok();

    // A second boot finds nothing to do, and keeps the passwords.
    let secret = machine.exec(&["cat", MADE_AT_BOOT[0]]).ok().to_owned();
    machine.reboot();
    assert_eq!(machine.exec(&["cat", MADE_AT_BOOT[0]]).ok(), secret);
    assert_eq!(ran(&machine, FIRST_BOOT), None);
    assert_eq!(ran(&machine, EACH_BOOT).as_deref(), Some("success"));
    machine.exec(&[BINARY, "plan"]).ok();
}

#[test]
fn without_the_first_boots_unit_redis_does_not_start() {
    let mut machine = Machine::boot();
    machine.exec(&["apt-get", "-qq", "update"]).ok();
    let install = [
        "apt-get",
        "-qq",
        "-y",
        "install",
        "redis-server",
        "nftables",
    ];
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    machine.exec_with(&quiet, &install).ok();
    machine.power_off();
    bake(&machine.disk(), &["apply"]);
    let link = "etc/systemd/system/multi-user.target.wants/redis-harden-first-boot.service";
    std::fs::remove_file(machine.disk().join(link)).expect("apply made it");

    machine.power_on();
    machine.systemctl(&["is-active", UNIT]).exits(3);
    machine.exec(&[BINARY, "supervise"]).exits(78);
}
