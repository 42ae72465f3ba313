//! What the postinst decides: whom it converts, whom it leaves alone, and who may tell it not to.

use super::host::{
    BINARY, as_admin, booted, install, is_stock, is_supervised, pid, said, with_package,
    with_stock_data,
};
use super::package;

#[test]
fn a_running_server_with_data_is_left_alone_until_somebody_asks() {
    let mut machine = with_stock_data();
    let running = pid(&machine);
    let done = install(&machine, &package::built(None));
    println!("{}", said(&done));
    done.ok();
    assert!(said(&done).contains("restart pending"), "{done}");
    assert_eq!(pid(&machine), running);
    assert_eq!(machine.exec(&["redis-cli", "dbsize"]).ok(), "1000");
    let check = machine.exec(&[BINARY, "check", "--only", "service.running"]);
    assert_eq!(check.code, 1, "it is a finding: {check}");

    machine.reboot();
    is_stock(&machine);
    assert_eq!(machine.exec(&["redis-cli", "dbsize"]).ok(), "1000");

    machine.exec(&[BINARY, "apply"]).ok();
    is_supervised(&machine);
    assert_eq!(as_admin(&machine, &["dbsize"]), "1000");
}

#[test]
fn debconf_keeps_it_from_applying() {
    let machine = booted();
    machine
        .sh("echo 'redis-harden redis-harden/apply boolean false' | debconf-set-selections")
        .ok();
    let done = install(&machine, &package::built(None));
    done.ok();
    assert!(said(&done).contains("nothing applied: debconf"), "{done}");
    is_stock(&machine);
    assert_eq!(
        machine
            .sh("ls /etc/systemd/system/redis-server.service.d 2>/dev/null || true")
            .ok(),
        ""
    );
}

#[test]
fn policy_rc_d_keeps_the_service_down_and_the_files_are_there_for_its_first_start() {
    let machine = booted();
    machine.write("/usr/sbin/policy-rc.d", b"#!/bin/sh\nexit 101\n", 0o755);
    let done = install(&machine, &package::built(None));
    println!("{}", said(&done));
    done.ok();
    assert!(said(&done).contains("not starting redis-server"), "{done}");
    assert_ne!(machine.systemctl(&["is-active", "redis-server"]).code, 0);
    machine.exec(&["rm", "/usr/sbin/policy-rc.d"]).ok();
    machine.systemctl(&["start", "redis-server"]).ok();
    is_supervised(&machine);
}

#[test]
fn another_package_has_its_overlay_applied() {
    let machine = with_package();
    let done = install(&machine, &package::example());
    done.ok();
    assert_eq!(
        as_admin(&machine, &["config", "get", "maxclients"]),
        "maxclients\n12000"
    );
    let history = machine.exec(&[BINARY, "history"]);
    assert!(history.ok().contains("myapp"), "{history}");
}
