//! A container whose root is nobody outside, as LXC's are: what it has not is left out of the unit, and told.

use super::support::nspawn::Machine;
use super::{BINARY, UNIT, serves_hardened};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

/// With the binary under test, which belongs to the container's root.
fn with_our_binary() -> Machine {
    let machine = Machine::boot_unprivileged();
    machine.install(Path::new(env!("CARGO_BIN_EXE_redis-harden")), BINARY, 0o755);
    let root = machine.disk().join("etc").metadata().expect("a directory");
    assert_ne!(root.uid(), 0);
    let binary = machine.disk().join(BINARY.trim_start_matches('/'));
    chown(binary, Some(root.uid()), Some(root.gid())).expect("root's right");
    machine
}

#[test]
fn the_unit_starts_in_an_unprivileged_container_also_without_user_namespaces() {
    let machine = with_our_binary();
    println!("{}", machine.exec(&[BINARY, "apply"]));
    serves_hardened(&machine);
    let missing = |control: &str| {
        let check = machine.exec(&[BINARY, "check", "--fail-on", "low", "--only", control]);
        (check.code, check.to_string())
    };
    assert_eq!(missing("sandbox.private-users").0, 0);

    machine.set_of_namespace("/proc/sys/user/max_user_namespaces", "0");
    machine.systemctl(&["restart", UNIT]).exits(1);
    let status = machine.property(UNIT, "ExecMainStatus");
    assert_eq!(status, "217", "the package's PrivateUsers=true fails here");
    println!("{}", machine.exec(&[BINARY, "apply"]));
    serves_hardened(&machine);
    assert_eq!(machine.exec(&[BINARY, "plan"]).code, 0);
    let (code, said) = missing("sandbox.private-users");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("raise user.max_user_namespaces"), "{said}");

    machine.set_of_namespace("/proc/sys/user/max_user_namespaces", "1000");
    machine.exec(&[BINARY, "apply"]);
    serves_hardened(&machine);
    assert_eq!(missing("sandbox.private-users").0, 0);
}
