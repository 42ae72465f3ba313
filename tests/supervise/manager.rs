//! What whoever started the supervisor has of it: systemd, a container's runtime, a person with kill(1).

use super::instance::{Instance, redis, runs, signal};
use super::runner::Test;
use nix::sys::signal::Signal::{SIGCONT, SIGHUP, SIGKILL, SIGSTOP, SIGTERM, SIGUSR2};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub const ALL: [Test; 4] = [
    (
        "systemd_hears_that_the_supervisor_is_alive_and_nothing_of_the_server",
        systemd_hears_that_the_supervisor_is_alive_and_nothing_of_the_server,
    ),
    (
        "new_times_hold_without_a_restart",
        new_times_hold_without_a_restart,
    ),
    (
        "a_signal_that_is_not_ours_is_the_servers",
        a_signal_that_is_not_ours_is_the_servers,
    ),
    (
        "as_the_first_process_it_reaps_strangers_and_ends_with_the_servers_code",
        as_the_first_process_it_reaps_strangers_and_ends_with_the_servers_code,
    ),
];

fn systemd_hears_that_the_supervisor_is_alive_and_nothing_of_the_server() {
    let mut instance = Instance::new(&[("hang-timeout", "\"never\"")], "");
    let manager = UnixDatagram::bind(instance.path("notify")).unwrap();
    nix::unistd::chown(&instance.path("notify"), Some(redis().0.into()), None).unwrap();
    let mut command = instance.command("output");
    command.env("WATCHDOG_USEC", "400000");
    instance.supervisor = Some(command.spawn().unwrap());
    let server = instance.wait_for("a ready server", |report| report.ready);
    let server = server.server_pid.unwrap();

    signal(server, SIGSTOP);
    manager.set_nonblocking(true).unwrap();
    while manager.recv(&mut [0; 256]).is_ok() {}
    std::thread::sleep(Duration::from_secs(2));
    let mut buffer = [0; 256];
    let mut alive = 0;
    while let Ok(size) = manager.recv(&mut buffer) {
        alive += usize::from(buffer.get(..size) == Some(b"WATCHDOG=1"));
    }
    signal(server, SIGCONT);
    assert!((8..=11).contains(&alive), "{alive} times in 2 s");
    assert!(runs(server));
}

fn new_times_hold_without_a_restart() {
    let mut instance = Instance::new(&[("backoff", "\"30s\"")], "");
    let before = instance.start();
    let text = fs::read_to_string(instance.path("etc/test.toml")).unwrap();
    let quick = text.replace("backoff = \"30s\"", "backoff = \"10ms\"");
    assert_ne!(text, quick);

    // What is not to be read leaves all as it was.
    instance.write("test.toml", "nonsense", 0o640, redis().1);
    signal(before.supervisor_pid, SIGHUP);
    wait(&instance, "the settings stay what they were");
    instance.write("test.toml", &quick, 0o640, redis().1);
    signal(before.supervisor_pid, SIGHUP);
    wait(&instance, "the settings are read again");
    let after = instance.report().unwrap();
    assert_eq!(after.server_pid, before.server_pid);

    for restarts in 1..=3 {
        let server = instance.report().unwrap().server_pid.unwrap();
        signal(server, SIGKILL);
        // It gives up after 20 s, and the former pause was 30 s.
        instance.wait_for("another server", |r| r.restarts == restarts && r.ready);
    }
    let end = instance.report().unwrap();
    assert_eq!(
        end.generation, before.generation,
        "nothing that takes a restart"
    );
}

fn a_signal_that_is_not_ours_is_the_servers() {
    let mut instance = Instance::new(&[], "");
    let before = instance.start();
    signal(before.supervisor_pid, SIGUSR2);
    let after = instance.wait_for("another server", |r| r.restarts == 1 && r.ready);
    assert_eq!(after.supervisor_pid, before.supervisor_pid);
    let exit = after.last_exit.unwrap();
    assert!(exit.contains("SIGUSR2"), "{exit}");
}

fn as_the_first_process_it_reaps_strangers_and_ends_with_the_servers_code() {
    let mut instance = Instance::new(&[], "");
    let plain = instance.command("output");
    let mut inside = Command::new("unshare");
    inside.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    inside.arg(plain.get_program()).args(plain.get_args());
    let output = fs::File::create(instance.path("output")).unwrap();
    inside
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output);
    instance.supervisor = Some(inside.spawn().unwrap());
    // Seen from here its state names another process.
    wait(&instance, "state=ready");
    let [first] = children(instance.supervisor_pid())[..] else {
        panic!("unshare has one child");
    };
    let [server] = children(first)[..] else {
        panic!("the supervisor has one child");
    };

    let stranger = Command::new("nsenter")
        .args(["-t", &first.to_string(), "-p", "--", "sh", "-c"])
        .arg("(sleep 0.3; exit 7) & (sleep 1 & exit 0)")
        .status()
        .unwrap();
    assert!(stranger.success());
    assert!(children(first).len() > 1, "a stranger has come");
    let deadline = Instant::now() + Duration::from_secs(5);
    while children(first) != [server] {
        assert!(Instant::now() < deadline, "{:?} are left", children(first));
        std::thread::sleep(Duration::from_millis(50));
    }
    signal(first, SIGTERM);
    assert_eq!(instance.ended(), 0, "{}", instance.output());
}

/// Of a process, the ended that nobody has reaped too.
fn children(pid: i32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap();
    text.split_whitespace()
        .map(|p| p.parse().unwrap())
        .collect()
}

#[track_caller]
fn wait(instance: &Instance, words: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !instance.output().contains(words) {
        assert!(Instant::now() < deadline, "{}", instance.output());
        std::thread::sleep(Duration::from_millis(10));
    }
}
