//! What only looks like a hang, held: each answers strangely or not at all, and none is ever replaced.

use super::instance::{Instance, signal};
use super::long::{Client, hold, not_here};
use super::runner::Test;
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use redis_harden::supervise::state::Report;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub const ALL: [Test; 11] = [
    ("a_long_load_is_held", a_long_load_is_held),
    ("a_disk_that_refuses_is_held", a_disk_that_refuses_is_held),
    ("a_long_script_is_held", a_long_script_is_held),
    (
        "a_replica_without_its_primary_is_held",
        a_replica_without_its_primary_is_held,
    ),
    (
        "no_room_for_another_client_is_held",
        no_room_for_another_client_is_held,
    ),
    (
        "a_password_that_is_refused_is_held",
        a_password_that_is_refused_is_held,
    ),
    (
        "keys_over_a_large_keyspace_is_held",
        keys_over_a_large_keyspace_is_held,
    ),
    (
        "flushing_a_large_keyspace_is_held",
        flushing_a_large_keyspace_is_held,
    ),
    ("deleting_large_keys_is_held", deleting_large_keys_is_held),
    ("a_disk_that_stalls_is_held", a_disk_that_stalls_is_held),
    (
        "a_stopped_server_is_replaced_within_six_seconds",
        a_stopped_server_is_replaced_within_six_seconds,
    ),
];

/// Keeps it as it is, looking on; whatever was seen must have been true at all times.
fn held(instance: &Instance, before: &Report, sign: impl Fn(&Report) -> bool) {
    instance.wait_for("the sign of it", &sign);
    let until = Instant::now() + hold();
    while Instant::now() < until {
        let now = instance.report().unwrap();
        assert_eq!(
            (now.server_pid, now.restarts),
            (before.server_pid, 0),
            "{now:?}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// It serves again, as the same process.
fn over(instance: &Instance, before: &Report) {
    let deadline = Instant::now() + hold() * 3 + Duration::from_secs(60);
    loop {
        let now = instance.report().unwrap();
        assert_eq!(
            (now.server_pid, now.restarts),
            (before.server_pid, 0),
            "{now:?}"
        );
        if now.ready {
            return;
        }
        assert!(Instant::now() < deadline, "not over: {now:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn a_long_load_is_held() {
    let mut instance = Instance::new(&[], "enable-debug-command yes");
    instance.start();
    instance.ask("DEBUG POPULATE 5000");
    signal(instance.supervisor_pid(), nix::sys::signal::Signal::SIGTERM);
    assert_eq!(instance.ended(), 0);
    // Microseconds a key.
    let delay = (hold() + Duration::from_secs(5)).as_micros() / 5000;
    append(
        &instance,
        &format!("key-load-delay {delay}\nloading-process-events-interval-bytes 1024"),
    );
    instance.supervisor = Some(instance.spawn("output"));
    let before = instance.wait_for("a server that loads", |r| {
        r.note.contains("LOADING") || r.state.to_string() == "loading"
    });
    held(&instance, &before, |r| !r.ready);
    over(&instance, &before);
}

fn append(instance: &Instance, lines: &str) {
    let conf = fs::read_to_string(instance.path("etc/test.conf")).unwrap();
    let gid = super::instance::redis().1;
    instance.write("test.conf", &format!("{conf}\n{lines}\n"), 0o640, gid);
}

fn a_disk_that_refuses_is_held() {
    let mut instance = Instance::new(&[], "");
    let before = instance.start();
    instance.ask("SET key value");
    let data = instance.path("data");
    let kept = fs::metadata(&data).unwrap().permissions();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o550)).unwrap();
    instance.ask("BGSAVE");
    held(&instance, &before, |r| r.note.starts_with("MISCONF"));
    fs::set_permissions(&data, kept).unwrap();
    instance.ask("BGSAVE");
    over(&instance, &before);
}

fn a_long_script_is_held() {
    let mut instance = Instance::new(&[], "busy-reply-threshold 100");
    let before = instance.start();
    let mut client = Client::of(&instance);
    client.send("EVAL \"while true do end\" 0").unwrap();
    held(&instance, &before, |r| r.note.starts_with("BUSY"));
    assert_eq!(instance.ask("SCRIPT KILL"), "+OK");
    over(&instance, &before);
}

fn a_replica_without_its_primary_is_held() {
    let mut instance = Instance::new(&[], "replica-serve-stale-data no");
    let before = instance.start();
    instance.ask("REPLICAOF 127.0.0.1 1");
    held(&instance, &before, |r| r.note.starts_with("MASTERDOWN"));
    instance.ask("REPLICAOF NO ONE");
    over(&instance, &before);
}

fn no_room_for_another_client_is_held() {
    let mut instance = Instance::new(&[], "maxclients 20");
    let before = instance.start();
    let mut clients: Vec<Client> = (0..19).map(|_| Client::of(&instance)).collect();
    // Its own connection is cut, as a Sentinel would: the next one finds no room.
    let first = clients.first_mut().unwrap();
    first.send("CLIENT KILL USER agent").unwrap();
    let more = std::os::unix::net::UnixStream::connect(instance.path("run/redis/redis.sock"));
    held(&instance, &before, |r| {
        r.note.contains("max number of clients")
    });
    drop((more, clients));
    over(&instance, &before);
}

fn a_password_that_is_refused_is_held() {
    let mut instance = Instance::new(&[], "");
    let before = instance.start();
    let mut client = Client::of(&instance);
    assert_eq!(
        client.ask("ACL SETUSER agent resetpass").as_deref(),
        Some("+OK")
    );
    client.ask("CLIENT KILL USER agent");
    held(&instance, &before, |r| r.note.starts_with("WRONGPASS"));
    assert_eq!(
        client.ask("ACL SETUSER agent >secret").as_deref(),
        Some("+OK")
    );
    over(&instance, &before);
}

fn keys_over_a_large_keyspace_is_held() {
    silent("DEBUG POPULATE 300000", "KEYS *nothing*");
}

fn flushing_a_large_keyspace_is_held() {
    silent("PING", "DEBUG POPULATE 300000\r\nFLUSHALL SYNC");
}

fn deleting_large_keys_is_held() {
    let fill = "EVAL \"for i=1,200000 do redis.call('SADD',KEYS[1],i) end\" 1 large";
    silent("PING", &format!("{fill}\r\nDEL large"));
}

/// The commands over and over in one transaction, during which nobody is answered.
#[track_caller]
fn silent(first: &str, commands: &str) {
    let mut instance = Instance::new(&[], "enable-debug-command yes\nbusy-reply-threshold 0");
    let before = instance.start();
    let mut client = Client::of(&instance);
    client.ask(first);
    let start = Instant::now();
    for command in commands.split("\r\n") {
        client.ask(command);
    }
    let rounds = (hold() + Duration::from_secs(5)).as_millis() * 13
        / 10
        / start.elapsed().as_millis().max(1)
        + 1;
    client.ask("MULTI");
    for command in std::iter::repeat_n(commands.split("\r\n"), rounds as usize).flatten() {
        assert_eq!(client.ask(command).as_deref(), Some("+QUEUED"));
    }
    client.send("EXEC").unwrap();
    held(&instance, &before, |r| !r.ready);
    over(&instance, &before);
}

/// A file system that can be frozen: what writes to it waits in the kernel, and no signal ends it.
struct Stalling {
    dir: PathBuf,
    image: PathBuf,
}

impl Stalling {
    /// `None` where this machine mounts no image.
    fn over(data: &Path, image: PathBuf) -> Option<Stalling> {
        let of = |path: &Path| path.display().to_string();
        run("truncate", &["-s", "64M", &of(&image)]);
        run("mke2fs", &["-q", "-t", "ext4", &of(&image)]);
        let mounted = Command::new("mount")
            .args(["-o", "loop", &of(&image), &of(data)])
            .output()
            .unwrap();
        if !mounted.status.success() {
            not_here("a loop device", String::from_utf8_lossy(&mounted.stderr));
            return None;
        }
        run("chown", &["redis:redis", &of(data)]);
        Some(Stalling {
            dir: data.to_owned(),
            image,
        })
    }

    fn freezes(&self, flag: &str) {
        run("fsfreeze", &[flag, &self.dir.display().to_string()]);
    }
}

impl Drop for Stalling {
    fn drop(&mut self) {
        let dir = self.dir.display().to_string();
        let _ = Command::new("fsfreeze").args(["-u", &dir]).output();
        let _ = Command::new("umount").args(["-l", &dir]).output();
        let _ = fs::remove_file(&self.image);
    }
}

#[track_caller]
fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}

fn a_disk_that_stalls_is_held() {
    let mut instance = Instance::new(&[], "appendonly yes\nappendfsync always");
    let image = instance.path("image");
    let Some(stalling) = Stalling::over(&instance.path("data"), image) else {
        return;
    };
    let before = instance.start();
    let mut client = Client::of(&instance);
    assert_eq!(client.ask("SET key value").as_deref(), Some("+OK"));
    stalling.freezes("-f");
    client.send("SET key other").unwrap();
    let watched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        held(&instance, &before, |r| !r.ready)
    }));
    stalling.freezes("-u");
    watched.unwrap();
    assert_eq!(client.hear().as_deref(), Some("+OK"));
    over(&instance, &before);
    signal(instance.supervisor_pid(), nix::sys::signal::Signal::SIGTERM);
    assert_eq!(instance.ended(), 0);
}

fn a_stopped_server_is_replaced_within_six_seconds() {
    let mut instance = Instance::new(&[("backoff", "\"1ms\""), ("backoff-max", "\"5ms\"")], "");
    let server = instance.start().server_pid.unwrap();
    let mut longest = Duration::ZERO;
    for restarts in 1..=super::long::times(2, 20) {
        let server = instance.report().unwrap().server_pid.unwrap_or(server);
        let start = Instant::now();
        signal(server, SIGSTOP);
        instance.wait_for("another server", |r| r.restarts == restarts && r.ready);
        longest = longest.max(start.elapsed());
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(server), SIGCONT);
    }
    println!("  replaced after {longest:?} at most");
    assert!(longest < Duration::from_secs(6), "{longest:?}");
}
