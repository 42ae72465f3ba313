//! A restart for a directive that only a start reads: what it must not lose, and what it must find out.

use super::support::disk::Ran;
use super::support::nspawn::Machine;
use super::{BINARY, UNIT, as_admin, with_our_binary};

/// A server of ours that keeps snapshots and holds a thousand keys.
fn with_data() -> Machine {
    let machine = with_our_binary();
    machine.exec(&["mkdir", "-p", "/etc/redis-harden"]).ok();
    snapshots(&machine, 600);
    machine.exec(&[BINARY, "apply"]).ok();
    let fill = "for i=1,1000 do redis.call('SET', 'key:'..i, redis.sha1hex(i)) end";
    as_admin(&machine, &["eval", fill, "0"]);
    machine
}

fn snapshots(machine: &Machine, backlog: u32) {
    let text = format!(
        "[redis]\ntcp-backlog = {backlog}\n[persistence]\nappendonly = false\nsave = [\"3600 1\"]\n"
    );
    machine.write("/etc/redis-harden/policy.toml", text.as_bytes(), 0o644);
}

/// A line more in the unit, that an administrator wrote.
fn drop_in(machine: &Machine, line: &str) {
    let path = format!("/etc/systemd/system/{UNIT}.d/zz-local.conf");
    machine.write(&path, format!("[Service]\n{line}\n").as_bytes(), 0o644);
    machine.systemctl(&["daemon-reload"]).ok();
}

#[track_caller]
fn is_back_with_its_data(machine: &Machine, failed: &Ran) {
    let active = machine.systemctl(&["is-active", UNIT]);
    assert_eq!(active.stdout.trim(), "active", "{failed}");
    let conf = machine.exec(&["cat", "/etc/redis-harden/redis/default.conf"]);
    let has = |line: &str| conf.ok().lines().any(|l| l == line);
    assert!(
        has("tcp-backlog 600"),
        "the old file is back: {conf}\n{failed}"
    );
    assert_eq!(as_admin(machine, &["dbsize"]), "1000", "{failed}");
}

#[test]
fn a_server_that_loaded_less_than_was_saved_is_undone_and_overwrites_nothing() {
    let machine = with_data();
    // Once, somebody puts an older snapshot in the place of what was just saved; at the start after that it is there again.
    machine
        .sh("redis-server --port 0 --dir /tmp --dbfilename old.rdb --unixsocket /tmp/s --daemonize yes
        for i in $(seq 50); do redis-cli -s /tmp/s ping | grep -q PONG && break; sleep 0.1; done
        redis-cli -s /tmp/s set only one; redis-cli -s /tmp/s shutdown save")
        .ok();
    let script = "#!/bin/sh\ncd /var/lib/redis || exit 0\n\
        if [ -e /tmp/good.rdb ]; then cmp /tmp/old.rdb dump.rdb >/tmp/seen && echo same >/tmp/seen; cp -p /tmp/good.rdb dump.rdb\n\
        else cp -p dump.rdb /tmp/good.rdb; cat /tmp/old.rdb >dump.rdb\nfi\n";
    machine.write("/usr/local/sbin/swap", script.as_bytes(), 0o755);
    drop_in(&machine, "ExecStartPre=+/usr/local/sbin/swap");

    snapshots(&machine, 601);
    let failed = machine.exec(&[BINARY, "apply"]);
    failed.exits(2);
    let said = "it held 1000 keys, and 1 of them were loaded";
    assert!(failed.stderr.contains(said), "{failed}");
    is_back_with_its_data(&machine, &failed);
    // What the undone server had loaded it did not save at its end: there it is as it was put there.
    assert_eq!(machine.exec(&["cat", "/tmp/seen"]).ok(), "same");
}

#[test]
fn a_server_that_cannot_save_where_it_now_runs_is_undone() {
    let machine = with_data();
    // It starts, loads, answers and writes its log; only a file of the size of its data it cannot write.
    drop_in(&machine, "LimitFSIZE=32K");
    snapshots(&machine, 601);
    let failed = machine.exec(&[BINARY, "apply"]);
    failed.exits(2);
    assert!(
        failed.stderr.contains("trying BGSAVE in default"),
        "{failed}"
    );
    is_back_with_its_data(&machine, &failed);
}

#[test]
fn a_server_that_ends_after_its_first_answer_is_undone() {
    let machine = with_data();
    // Once, when its first save under the new configuration is on the disk.
    let kill = "#!/bin/sh\ncd /var/lib/redis\nuntil [ -s /tmp/before ]; do sleep 0.01; done\n\
        while [ $(stat -c %i dump.rdb) = $(cat /tmp/before) ]; do sleep 0.01; done\nkill -KILL $(pidof redis-server)\n";
    machine.write("/usr/local/sbin/kill-once", kill.as_bytes(), 0o755);
    let killer = [
        "--quiet",
        "--property=RuntimeMaxSec=60",
        "/usr/local/sbin/kill-once",
    ];
    machine.exec(&[&["systemd-run"], &killer[..]].concat()).ok();
    let note = "[ -s /tmp/before ] || stat -c %%i /var/lib/redis/dump.rdb >/tmp/before";
    drop_in(&machine, &format!("ExecStartPre=+/bin/sh -c '{note}'"));
    snapshots(&machine, 601);
    let failed = machine.exec(&[BINARY, "apply"]);
    failed.exits(2);
    is_back_with_its_data(&machine, &failed);
}
