//! What goes wrong: no packages, no network filter, no disk, two at once, killed half-way.

use super::install::POLICY_RC_D;
use super::machine::{
    BINARY, POLICY, SOCKET, applied, apply, bare, from_environment, guarded, history, policy,
    random, redis, says, serves_hardened, wait_until,
};
use super::processes::{Process, lives, ours};
use crate::support::plain::Plain;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

#[test]
fn beyond_loopback_a_start_puts_the_filter_in_place_first_or_is_refused() {
    let plain = bare();
    policy(
        &plain,
        "[redis]\nbind = [\"0.0.0.0\"]\n[firewall]\nallow = [\"10.0.0.0/8\"]\n",
    );
    apply(&plain).ok();
    plain.exec(&[BINARY, "stop"]).ok();
    // What a reboot leaves where nothing loads the table.
    plain.sh("nft delete table inet redis_harden").ok();
    plain.exec(&[BINARY, "start"]).ok();
    assert_eq!(guarded(&plain), [6379]);

    plain.exec(&[BINARY, "stop"]).ok();
    plain
        .sh("nft delete table inet redis_harden && rm /etc/redis-harden/firewall.nft")
        .ok();
    let refused = plain.exec(&[BINARY, "start"]);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(
        says(&refused, "the packet filter of its policy is not loaded"),
        "{refused}"
    );
    assert_eq!(ours(&plain), Vec::<Process>::new());
}

#[test]
fn a_full_disk_leaves_what_was_there_and_says_so() {
    let plain = bare();
    plain
        .sh("mkdir -p /etc/redis-harden && mount -t tmpfs -o size=512k,mode=0755 none /etc/redis-harden")
        .ok();
    // The disk's own file lies below that.
    let put = |redis: &str| {
        let tls = "[tls]\nenabled = true\nclients = \"optional\"\n";
        let text = format!("extends = \"production\"\n{redis}{tls}");
        plain.write("/root/policy.toml", text.as_bytes(), 0o644);
        plain.sh(&format!("cp /root/policy.toml {POLICY}")).ok();
    };
    put("");
    plain.exec(&[BINARY, "tls", "init"]).ok();
    apply(&plain).ok();
    // As long as the one before: its length tells nobody what is wrong.
    put("[redis]\nmaxclients = 10001\n");
    plain
        .sh("! dd if=/dev/zero of=/etc/redis-harden/fill bs=1k 2>/dev/null")
        .ok();
    let failed = apply(&plain);
    let said = failed.exits(2);
    assert!(
        said.starts_with("nothing is changed: what failed was put back\n"),
        "{failed}"
    );
    assert!(said.contains("with other content, wants"), "{failed}");
    assert!(
        failed.stderr.contains("no space left on device"),
        "{failed}"
    );
    let renewed = plain.exec(&[BINARY, "tls", "renew"]);
    renewed.exits(2);
    assert!(
        renewed
            .stderr
            .ends_with("default keeps the certificate that it had\n"),
        "{renewed}"
    );
    plain.exec(&[BINARY, "check", "--only", "tls.*"]).ok();
    plain.sh("rm /etc/redis-harden/fill").ok();
    assert!(apply(&plain).ok().starts_with("3 changes:\n"));
}

#[test]
fn another_password_of_admin_than_the_servers_is_told_with_the_way_out() {
    let plain = applied();
    plain.write(
        "/etc/redis-harden/secrets/admin",
        b"another-one-by-hand\n",
        0o600,
    );
    let refused = apply(&plain);
    let said = refused.exits(2);
    let way = "redis-harden apply, redis-harden stop default, redis-harden start default";
    assert!(said.contains(way), "{refused}");
    for command in ["stop", "start"] {
        plain.exec(&[BINARY, command, "default"]).ok();
    }
    assert!(apply(&plain).ok().starts_with("nothing to change\n"));
}

#[test]
fn without_packages_the_rest_is_applied_and_nothing_is_half_done() {
    let plain = bare();
    plain.sh("cp /etc/apt/sources.list /root/; echo 'deb [trusted=yes] file:/nowhere ./' >/etc/apt/sources.list").ok();
    let failed = apply(&plain);
    println!("{failed}");
    failed.exits(2);
    assert_eq!(plain.sh("dpkg --audit").ok(), "");
    assert_eq!(plain.sh(&format!("ls -d {POLICY_RC_D}* || true")).ok(), "");
    assert_eq!(
        plain
            .exec(&["sysctl", "-n", "net.ipv4.tcp_max_syn_backlog"])
            .ok(),
        "4096"
    );
    assert_eq!(ours(&plain), Vec::<Process>::new());
    plain.sh("cp /root/sources.list /etc/apt/").ok();
    apply(&plain).ok();
    serves_hardened(&plain, "default", SOCKET, 6379);
}

#[test]
fn a_held_dpkg_lock_is_waited_for_and_its_holder_named() {
    let plain = bare();
    plain.background(
        "exec perl -e 'open F, \">>\", \"/var/lib/dpkg/lock-frontend\" or die; $l = pack(\"s s x4 q q i\", 1, 0, 0, 0, 0); fcntl F, 6, $l or die; print STDERR \"held $$\\n\"; sleep 4'",
        "held",
    );
    let waited = apply(&plain);
    waited.ok();
    assert!(waited.stderr.contains("waiting for perl (pid "), "{waited}");
}

#[test]
fn two_applies_at_once_follow_each_other() {
    let plain = bare();
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| apply(&plain));
        let two = scope.spawn(|| apply(&plain));
        (one.join().expect("it ran"), two.join().expect("it ran"))
    });
    one.ok();
    two.ok();
    let idle = [&one, &two]
        .iter()
        .filter(|ran| ran.stdout.starts_with("nothing to change"))
        .count();
    assert_eq!(idle, 1, "{one}\n{two}");
    assert_eq!(history(&plain).lines().count(), 1);
    serves_hardened(&plain, "default", SOCKET, 6379);
}

/// `REDIS_HARDEN_TEST_KILLS` says how many points; `REDIS_HARDEN_TEST_SEED` which.
#[test]
fn an_apply_that_was_killed_anywhere_is_finished_by_the_next() {
    let wanted: u32 = from_environment("REDIS_HARDEN_TEST_KILLS").unwrap_or(9);
    let mut seed = seed();
    let mut killed = 0;
    while killed < wanted {
        let plain = bare();
        // Three cuts into one machine's way, the later ones into what recovers the earlier.
        let mut cuts = 0;
        for _ in 0..3 {
            let line = random(&mut seed) % 60 + 1;
            cuts += u32::from(cut(&plain, "apply", line, &mut seed));
        }
        let healed = apply(&plain);
        assert!(healed.code == 0, "{healed}\n{}", history(&plain));
        serves_hardened(&plain, "default", SOCKET, 6379);
        let known = history(&plain);
        // One that had changed nothing yet is no run.
        assert!(!known.contains("interrupted\n"), "{known}");
        assert_eq!(plain.sh(&format!("ls -d {POLICY_RC_D}* || true")).ok(), "");
        assert_eq!(
            plain.sh("find / -xdev -name '.*.redis-harden.*'").ok(),
            "",
            "{known}"
        );
        assert_eq!(plain.sh("dpkg --audit").ok(), "");
        assert!(apply(&plain).ok().starts_with("nothing to change\n"));
        assert_eq!(lives(&plain).len(), 2, "{:?}", lives(&plain));
        killed += cuts;
        assert!(cuts > 0, "not one cut came in time");
    }
}

#[test]
fn a_change_or_a_rollback_that_was_killed_keeps_the_data() {
    let plain = applied();
    redis(&plain, "app", &["SET", "kept", "1"]).ok();
    let (mut seed, mut cuts) = (seed(), 0);
    // Every second one costs a restart, and the others none.
    for (maxclients, backlog) in [(5000, 600), (5001, 600), (5002, 601), (5003, 601)] {
        policy(
            &plain,
            &format!("[redis]\nmaxclients = {maxclients}\ntcp-backlog = {backlog}\n"),
        );
        cuts += u32::from(cut(&plain, "apply", random(&mut seed) % 6 + 1, &mut seed));
        apply(&plain).ok();
        serves_hardened(&plain, "default", SOCKET, 6379);
        let now = redis(&plain, "admin", &["CONFIG", "GET", "maxclients"]);
        assert!(now.ok().ends_with(&maxclients.to_string()), "{now}");
        assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
    }
    assert!(cuts > 0, "not one cut came in time");
    while !ours(&plain).is_empty() {
        cut(&plain, "rollback", random(&mut seed) % 12 + 1, &mut seed);
        plain.exec(&[BINARY, "rollback"]).ok();
    }
    let left = plain.exec(&[BINARY, "rollback"]);
    assert_eq!(left.ok(), "nothing to roll back", "{}", history(&plain));
    assert_eq!(ours(&plain), Vec::<Process>::new());
    assert_eq!(plain.sh("find / -xdev -name '.*.redis-harden.*'").ok(), "");
    apply(&plain).ok();
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
}

/// Runs a command and kills it a moment after a line of its progress, with its process group or alone; whether it was still there.
fn cut(plain: &Plain, command: &str, line: u64, seed: &mut u64) -> bool {
    let (pause, group) = (random(seed) % 60, random(seed) % 2 == 1);
    let script = CUT
        .replace("COMMAND", command)
        .replace("LINE", &line.to_string())
        .replace("PAUSE", &format!("0.{pause:03}"))
        .replace("WHOM", if group { "-" } else { "" });
    let cut = plain.sh(&script);
    println!(
        "{command}, line {line}, {pause} ms, group {group}: {}",
        cut.ok()
    );
    cut.ok().starts_with("killed")
}

/// Where the random cuts are made; printed, so that they can be made again.
fn seed() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let seed = from_environment("REDIS_HARDEN_TEST_SEED").unwrap_or(now.as_secs());
    println!("REDIS_HARDEN_TEST_SEED={seed}");
    seed
}

const CUT: &str = r#"
setsid /usr/local/sbin/redis-harden COMMAND >/tmp/out 2>/tmp/err </dev/null &
pid=$!
while [ "$(wc -l </tmp/err)" -lt LINE ] && kill -0 $pid 2>/dev/null; do sleep 0.005; done
sleep PAUSE
env kill -KILL -- WHOM$pid 2>/dev/null && echo "killed at: $(tail -n 1 /tmp/err)" || echo "ended before"
wait $pid
:"#;

#[test]
fn a_full_or_read_only_disk_leaves_the_old_state() {
    let plain = applied();
    redis(&plain, "app", &["SET", "kept", "1"]).ok();
    policy(&plain, "[redis]\nmaxclients = 5000\n");
    let faults = [
        (
            "a full /var/lib/redis-harden",
            "/var/lib/redis-harden",
            "dd if=/dev/zero of=/var/lib/redis-harden/fill bs=4k 2>/dev/null || true",
            "ENOSPC",
        ),
        (
            "a full /etc",
            "/etc",
            "dd if=/dev/zero of=/etc/fill bs=4k 2>/dev/null || true",
            "ENOSPC",
        ),
        (
            "a read-only /etc",
            "/etc",
            "mount -o remount,ro,bind /etc",
            "EROFS",
        ),
    ];
    for (what, dir, fault, word) in faults {
        plain.sh(&format!("mkdir -p /mnt/small && mount -t tmpfs -o mode=755,size=8m tmpfs /mnt/small && cp -a {dir}/. /mnt/small/ && mount --bind /mnt/small {dir} && umount /mnt/small; {fault}")).ok();
        let (before, lived) = (
            plain
                .sh("cd /etc/redis-harden && find . -type f | sort | xargs sha256sum")
                .ok()
                .to_owned(),
            lives(&plain),
        );
        let failed = apply(&plain);
        println!("{what}: {failed}");
        failed.exits(2);
        assert!(says(&failed, word), "{what}: {failed}");
        assert!(!says(&failed, "and undoing it"), "{what}: {failed}");
        assert_eq!(
            plain
                .sh("cd /etc/redis-harden && find . -type f | sort | xargs sha256sum")
                .ok(),
            before,
            "{what}"
        );
        assert_eq!(lives(&plain), lived, "{what}");
        serves_hardened(&plain, "default", SOCKET, 6379);
        plain.sh(&format!("umount {dir}")).ok();
    }
    apply(&plain).ok();
    assert!(
        redis(&plain, "admin", &["CONFIG", "GET", "maxclients"])
            .ok()
            .ends_with("5000")
    );
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
    assert_eq!(plain.sh("find / -xdev -name '.*.redis-harden.*'").ok(), "");
}

#[test]
fn a_redis_server_that_is_a_script_is_never_run_as_root_and_takes_nothing_over() {
    let plain = applied();
    redis(&plain, "app", &["SET", "kept", "1"]).ok();
    let before = lives(&plain);
    let script = "#!/bin/sh\nid -u >>/tmp/ids\ntouch /etc/evil 2>/dev/null\nexec sleep 3\n";
    plain.write("/usr/local/share/script", script.as_bytes(), 0o755);
    plain
        .sh("touch /tmp/ids; chmod 666 /tmp/ids
        for name in redis-server redis-check-rdb redis-check-aof; do
            rm -f /usr/bin/$name; cp /usr/local/share/script /usr/bin/$name; done")
        .ok();
    policy(&plain, "[redis]\ntcp-backlog = 600\n");
    let refused = apply(&plain);
    refused.exits(2);
    println!("{refused}");
    let ids = plain
        .sh("sort -u /tmp/ids; ls /etc/evil 2>/dev/null; id -u redis")
        .ok()
        .to_owned();
    let redis_id = plain.exec(&["id", "-u", "redis"]);
    assert_eq!(ids, format!("{0}\n{0}", redis_id.ok()));
    assert_eq!(lives(&plain), before, "the server in memory goes on");
    assert_eq!(redis(&plain, "app", &["GET", "kept"]).ok(), "1");
}

#[test]
fn a_start_leaves_a_server_alone_that_runs_and_a_stop_does_not_call_it_stopped() {
    let plain = applied();
    let before = ours(&plain);
    plain.exec(&[BINARY, "start"]).ok();
    assert_eq!(ours(&plain), before);

    plain.exec(&[BINARY, "stop"]).ok();
    plain
        .sh(&format!(
            "for i in 1 2 3; do {BINARY} start & ids=\"$ids $!\"; done; for id in $ids; do wait $id || exit 1; done"
        ))
        .ok();
    let running = ours(&plain);
    assert_eq!(running.len(), before.len(), "{running:?}");

    // Whoever clears /run.
    plain.sh("rm /run/redis-harden-default/state.json").ok();
    let refused = plain.exec(&[BINARY, "stop"]);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(says(&refused, "no supervisor of ours"), "{refused}");
    assert_eq!(ours(&plain), running);
    plain.sh("pkill -HUP -x redis-harden").ok();
    wait_until("the state", || {
        plain
            .exec(&["test", "-s", "/run/redis-harden-default/state.json"])
            .code
            == 0
    });
    plain.exec(&[BINARY, "stop"]).ok();
    assert_eq!(ours(&plain), Vec::<Process>::new());
}
