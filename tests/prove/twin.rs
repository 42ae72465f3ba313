//! The twin: where it is, by the kernel's word; and that nothing of it outlives `prove`, however that ends.

use super::machine::{BINARY, bare, hardened, prove, surroundings};
use std::time::{Duration, Instant};

/// Finds a twin's server while it runs, and tells what the kernel knows of it beside what it knows of the running one.
const LOOK: &str = r#"
    redis-harden prove --only prove.rogue-primary >/tmp/said 2>&1 &
    live=$(pgrep -o redis-server); twin=
    for i in $(seq 500); do
        twin=$(pgrep -n redis-server); [ "$twin" != "$live" ] && [ -n "$twin" ] && break; sleep 0.01
    done
    # The admin's turn, which waits for a connection that does not come.
    sleep 0.8
    for kind in net mnt pid ipc uts; do
        for pid in 1 $live; do
            [ "$(readlink /proc/$twin/ns/$kind)" = "$(readlink /proc/$pid/ns/$kind)" ] && echo "shares $kind with $pid"
        done
    done
    grep -E '^(Uid|Gid|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/$twin/status | tr '\t' ' '
    for dir in /var/lib/redis /run /run/redis /etc/redis-harden/redis /var/log/redis; do
        [ "$(stat -c %d:%i /proc/$twin/root$dir/.)" = "$(stat -c %d:%i $dir/.)" ] && echo "shares $dir"
    done
    awk '$6 !~ /(^|,)ro(,|$)/ { print "writes", $5 }' /proc/$twin/mountinfo | sort -u
    cat /proc/$twin/net/tcp | awk 'NR > 1 && $4 == "01" { split($3, a, ":"); print "connected", a[1] }' | sort -u
    wait; tail -1 /tmp/said; rm /tmp/said
"#;

#[test]
fn the_kernel_says_that_a_twin_shares_nothing_with_the_running_server() {
    let plain = hardened();
    let seen = plain.sh(LOOK);
    let text = seen.ok();
    assert!(!text.contains("shares"), "{seen}");
    let redis = plain.exec(&["id", "-u", "redis"]).ok().to_owned();
    assert!(
        text.contains(&format!("Uid: {redis} {redis} {redis} {redis}")),
        "{seen}"
    );
    for line in [
        "CapEff: 0000000000000000",
        "CapBnd: 0000000000000000",
        "NoNewPrivs: 1",
        "Seccomp: 2",
    ] {
        assert!(text.contains(line), "{line}: {seen}");
    }
    let writable: Vec<&str> = text
        .lines()
        .filter_map(|l| l.strip_prefix("writes "))
        .collect();
    for path in &writable {
        let own = ["/proc", "/run/redis", "/var/lib/redis", "/var/log/redis"];
        assert!(own.contains(path), "{path} can be written: {seen}");
    }
    assert!(writable.contains(&"/var/lib/redis"), "{seen}");
    assert!(text.contains("1 refused, 0 succeeded"), "{seen}");
}

#[test]
fn killed_at_any_moment_it_leaves_no_process_no_mount_and_no_file() {
    let plain = hardened();
    let before = surroundings(&plain);
    let moments = [20, 60, 100, 150, 220, 300, 450, 700, 1100, 1600, 2400, 3500];
    for (at, moment) in moments.into_iter().enumerate() {
        let signal = ["KILL", "TERM"][at % 2];
        let seconds = f64::from(moment) / 1000.0;
        plain
            .sh(&format!(
                "setsid {BINARY} prove >/dev/null 2>&1 </dev/null & sleep {seconds}; kill -{signal} $! || echo over"
            ))
            .ok();
        let since = Instant::now();
        while surroundings(&plain) != before {
            assert!(
                since.elapsed() < Duration::from_secs(5),
                "{signal} after {moment} ms\n--- before\n{before}\n--- after\n{}",
                surroundings(&plain)
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn what_cannot_be_tried_is_trouble_and_never_a_refusal() {
    let plain = bare();
    // No server runs, and what is installed is Debian's: the twin is of its file.
    let stock = prove(&plain, &["--only", "prove.anonymous-command"]);
    assert_eq!(stock.code, 1, "{stock}");
    let over = prove(&plain, &["--budget", "1ms"]);
    assert_eq!(over.code, 2, "{over}");
    assert!(
        over.stdout.contains("the time for all attempts is over"),
        "{over}"
    );
    assert!(!over.stdout.contains("refused    "), "{over}");
    let none = prove(&plain, &["--budget", "1ms", "--allow-unknown"]);
    assert_eq!(none.code, 2, "nothing was tried: {none}");

    let nobody = [
        "setpriv",
        "--reuid",
        "65534",
        "--clear-groups",
        BINARY,
        "prove",
    ];
    let refused = plain.exec(&nobody);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("run it as root"), "{refused}");
    let listed = plain.exec(&[&nobody[..], &["--list"]].concat());
    assert!(listed.ok().lines().count() >= 25, "{listed}");
    let dry = prove(&plain, &["--dry-run"]);
    assert!(
        dry.ok()
            .starts_with("default: /usr/bin/redis-server /etc/redis/redis.conf as redis"),
        "{dry}"
    );

    plain.sh("mv /usr/sbin/ip /usr/sbin/ip.away 2>/dev/null || mv /usr/bin/ip /usr/bin/ip.away; rm -f /sbin/ip /bin/ip").ok();
    let without = prove(&plain, &["--only", "prove.flush"]);
    assert_eq!(without.code, 2, "{without}");
    assert!(without.stdout.contains("ip is not installed"), "{without}");
    assert_eq!(prove(&plain, &["--only", "prove.no-such"]).code, 2);
    let root = plain.exec(&[BINARY, "--root", "/", "prove"]);
    assert_eq!(root.code, 2, "{root}");
}

#[test]
fn a_server_that_runs_as_root_has_no_twin() {
    let plain = bare();
    plain.sh("sed -i 's/^supervised .*/supervised no/' /etc/redis/redis.conf; redis-server /etc/redis/redis.conf --daemonize yes; for i in $(seq 100); do redis-cli ping && break; sleep 0.05; done").ok();
    let ran = prove(&plain, &["--only", "prove.flush"]);
    assert_eq!(ran.code, 2, "{ran}");
    assert!(ran.stdout.contains("runs as root"), "{ran}");
}
