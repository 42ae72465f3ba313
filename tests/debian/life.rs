//! Installed, upgraded, removed, installed again and purged: the server goes on, and nothing that it holds is lost.

use super::host::{
    BINARY, apt, as_admin, booted, install, is_static, is_stock, is_supervised, pid, said,
    with_package,
};
use super::package;
use super::support::left::left_behind;
use super::support::tree::Tree;

#[test]
fn a_fresh_install_serves_hardened_and_a_removal_leaves_it_serving_without_us() {
    let mut machine = with_package();
    is_supervised(&machine);
    let plan = machine.exec(&[BINARY, "plan"]);
    assert_eq!(plan.code, 0, "the postinst has left nothing to do: {plan}");
    as_admin(&machine, &["set", "written", "before"]);

    let running = pid(&machine);
    let removed = apt(&machine, &["remove", "redis-harden"]);
    println!("{}", said(&removed));
    removed.ok();
    assert_eq!(pid(&machine), running, "a removal restarts nothing");
    machine.systemctl(&["restart", "redis-server"]).ok();
    is_static(&machine);
    machine.reboot();
    is_static(&machine);
    assert_eq!(as_admin(&machine, &["get", "written"]), "before");
    let failed = machine.systemctl(&["--failed", "--no-legend", "--plain"]);
    assert!(!failed.stdout.contains("redis"), "{failed}");

    let again = install(&machine, &package::built(None));
    println!("{}", said(&again));
    again.ok();
    // It holds data: it is not restarted, which is said and is a finding, and the next start is under the supervisor.
    assert!(said(&again).contains("restart pending"), "{again}");
    is_static(&machine);
    let check = machine.exec(&[BINARY, "check", "--only", "service.running"]);
    assert_eq!(check.code, 1, "{check}");
    machine.exec(&[BINARY, "apply"]).ok();
    is_supervised(&machine);
    assert_eq!(as_admin(&machine, &["get", "written"]), "before");
}

#[test]
fn a_purge_gives_the_stock_server_back_with_its_data_and_leaves_nothing_of_ours() {
    let machine = booted();
    apt(&machine, &["install", "redis-server", "nftables"]).ok();
    let before = machine.tree();
    install(&machine, &package::built(None)).ok();
    is_supervised(&machine);
    as_admin(&machine, &["set", "written", "under us"]);

    let purged = apt(&machine, &["purge", "redis-harden"]);
    println!("{}", said(&purged));
    purged.ok();
    assert_eq!(
        said(&purged).matches("purged; Redis's data stays").count(),
        1
    );
    is_stock(&machine);
    assert_eq!(
        machine.exec(&["redis-cli", "get", "written"]).ok(),
        "under us"
    );
    assert_eq!(
        left(&machine.tree(), &before, &machine),
        Vec::<String>::new()
    );
    let table = machine.exec(&["nft", "list", "table", "inet", "redis_harden"]);
    assert_ne!(table.code, 0, "{table}");
}

#[test]
fn a_server_that_a_removal_left_empty_is_taken_back_by_the_next_install() {
    let machine = with_package();
    apt(&machine, &["remove", "redis-harden"]).ok();
    machine.systemctl(&["restart", "redis-server"]).ok();
    is_static(&machine);
    install(&machine, &package::built(None)).ok();
    is_supervised(&machine);
}

#[test]
fn a_purge_after_a_removal_and_a_restart_loses_nothing_either() {
    let machine = with_package();
    as_admin(&machine, &["set", "written", "under us"]);
    apt(&machine, &["remove", "redis-harden"]).ok();
    machine.systemctl(&["restart", "redis-server"]).ok();
    is_static(&machine);
    let purged = apt(&machine, &["purge", "redis-harden"]);
    println!("{}", said(&purged));
    purged.ok();
    is_stock(&machine);
    assert_eq!(
        machine.exec(&["redis-cli", "get", "written"]).ok(),
        "under us"
    );
    let ours = machine.sh("ls -d /etc/redis-harden /var/lib/redis-harden /etc/systemd/system/redis-* 2>/dev/null || true");
    assert_eq!(ours.ok(), "", "{ours}");
}

#[test]
fn an_upgrade_and_a_downgrade_restart_no_server_that_holds_data() {
    let machine = booted();
    let (former, newer) = (package::built(Some(package::BEFORE)), package::built(None));
    install(&machine, &former).ok();
    as_admin(&machine, &["set", "written", "before"]);
    let running = pid(&machine);
    for deb in [&newer, &former] {
        let done = install(&machine, deb);
        println!("{}", said(&done));
        done.ok();
        assert_eq!(pid(&machine), running, "{done}");
        is_supervised(&machine);
    }
    assert_eq!(as_admin(&machine, &["get", "written"]), "before");
}

#[test]
fn a_postinst_that_is_killed_is_finished_by_dpkg() {
    let machine = booted();
    apt(&machine, &["install", "redis-server", "nftables"]).ok();
    let deb = package::built(None);
    machine.install(&deb, "/root/ours.deb", 0o644);
    // As soon as the journal of its run is there.
    let script = "dpkg -i /root/ours.deb >/root/log 2>&1 & \
        until ls /var/lib/redis-harden/runs/* >/dev/null 2>&1 || ! kill -0 $!; do :; done; \
        pkill -KILL -f 'redis-harden.postinst'; pkill -KILL -x redis-harden; wait $!; echo dpkg ended with $?";
    println!("{}", machine.sh(script));
    let audit = machine.exec(&["dpkg", "--audit"]);
    assert!(
        audit.stdout.contains("redis-harden"),
        "it was cut off: {audit}"
    );
    let done = machine.exec(&["dpkg", "--configure", "-a"]);
    println!("{}", said(&done));
    done.ok();
    assert_eq!(machine.exec(&["dpkg", "--audit"]).ok(), "");
    is_supervised(&machine);
    assert_eq!(machine.exec(&[BINARY, "plan"]).code, 0);
}

/// What a purge of ours has left, beside what installing anything leaves.
fn left(after: &Tree, before: &Tree, machine: &super::support::nspawn::Machine) -> Vec<String> {
    let all = left_behind(before, after, |list| {
        machine.exec(&["cat", list]).ok().to_owned()
    });
    let own = |said: &String| {
        let path = said.lines().next().unwrap_or_default();
        // PrivateTmp= has another name at each start.
        let private = ["/tmp/systemd-private-", "/var/tmp/systemd-private-"];
        !path.starts_with("/root/") && !private.iter().any(|dir| path.starts_with(dir))
    };
    all.into_iter().filter(own).collect()
}
