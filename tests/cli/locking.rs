//! Two at once: the second waits, or says who holds the lock; a holder that dies leaves none.

use super::harness::{Fake, Ran};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// An apply that was stopped in the middle: it holds the lock and its journal has begun.
fn stopped(tree: &Fake) -> Child {
    let mut apply = tree.command(&["apply"]);
    let child = apply
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let log = tree.at("var/lib/redis-harden/runs/0001/log");
    let deadline = Instant::now() + Duration::from_secs(20);
    while fs::metadata(&log).map_or(0, |m| m.len()) == 0 {
        assert!(Instant::now() < deadline, "apply writes no journal");
        std::thread::sleep(Duration::from_micros(200));
    }
    kill(pid(&child), Signal::SIGSTOP).expect("our own child");
    child
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid"))
}

#[test]
fn the_second_says_who_holds_the_lock() {
    let tree = Fake::debian();
    let mut first = stopped(&tree);
    let holder = format!("pid {} (redis-harden apply, since ", first.id());
    for command in ["apply", "rollback"] {
        let ran = tree.run(&[command, "--lock-timeout", "200ms", "-q"]);
        ran.refuses_with(&[
            "redis-harden: taking the lock /var/lib/redis-harden/lock: ",
            &holder,
            "holds it (wait longer with --lock-timeout)",
        ]);
    }
    kill(pid(&first), Signal::SIGCONT).expect("our own child");
    assert!(first.wait().expect("our own child").success());
}

#[test]
fn the_second_waits_and_finds_nothing_left_to_do() {
    let tree = Fake::debian();
    let mut first = stopped(&tree);
    let mut second = tree.command(&["apply"]);
    let second = second
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    std::thread::sleep(Duration::from_millis(500));
    kill(pid(&first), Signal::SIGCONT).expect("our own child");
    assert!(first.wait().expect("our own child").success());
    let output = second.wait_with_output().expect("our own child");
    assert!(output.status.success());
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.starts_with("nothing to change\n"), "{out}");
}

#[test]
fn a_killed_holder_leaves_no_lock_and_its_half_is_undone() {
    let tree = Fake::debian();
    let before = tree.snapshot();
    let mut first = stopped(&tree);
    kill(pid(&first), Signal::SIGKILL).expect("our own child");
    first.wait().expect("our own child");
    for command in ["check", "plan"] {
        let ran = tree.run(&[command]);
        let said = "· run 1 is at work, or it or its rollback was interrupted: the next apply or rollback puts that right\n";
        assert_eq!((ran.code, ran.err.as_str()), (1, said), "{ran}");
    }
    let ran: Ran = tree.run(&["apply", "--lock-timeout", "1ms"]);
    ran.exits(0);
    assert_eq!(tree.run(&["check"]).err, "", "after the recovery");
    assert!(ran.err.contains("run 1 was interrupted"), "{ran}");
    let history = tree.run(&["history"]);
    assert!(
        history.exits(0).contains("interrupted, recovered"),
        "{history}"
    );
    for _ in 0..2 {
        tree.run(&["rollback"]).exits(0);
    }
    tree.is_as_before_but_the_journal(&before);
}
