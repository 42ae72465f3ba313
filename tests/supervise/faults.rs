//! A host that runs out of memory or disk, and data that was damaged: what the supervisor makes of it.

use super::instance::{Instance, redis, signal};
use super::long::{Client, not_here};
use super::runner::Test;
use nix::sys::signal::Signal::SIGTERM;
use redis_harden::supervise::state::Report;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const ALL: [Test; 4] = [
    (
        "a_server_that_took_all_memory_is_brought_back_and_the_kernel_named",
        a_server_that_took_all_memory_is_brought_back_and_the_kernel_named,
    ),
    (
        "when_memory_ends_the_child_that_saves_dies_and_not_the_server",
        when_memory_ends_the_child_that_saves_dies_and_not_the_server,
    ),
    (
        "a_full_disk_loses_nothing_and_it_comes_back_with_room",
        a_full_disk_loses_nothing_and_it_comes_back_with_room,
    ),
    (
        "damaged_data_is_told_and_never_overwritten",
        damaged_data_is_told_and_never_overwritten,
    ),
];

/// A control group of memory, for what is started in it.
struct Group(PathBuf);

impl Group {
    /// `None` where this machine has no memory controller of cgroup v1 to write to.
    fn of_bytes(name: &str, limit: u64) -> Option<Group> {
        let path = format!("/sys/fs/cgroup/memory/rh-{name}-{}", std::process::id());
        if let Err(e) = fs::create_dir(&path) {
            not_here("a control group of memory", e);
            return None;
        }
        fs::write(format!("{path}/memory.limit_in_bytes"), limit.to_string()).unwrap();
        Some(Group(path.into()))
    }

    fn start(&self, instance: &mut Instance) -> Report {
        let plain = instance.command("output");
        let mut shell = Command::new("sh");
        let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.0.display());
        shell
            .args(["-c", &enter, "sh"])
            .arg(plain.get_program())
            .args(plain.get_args());
        let output = fs::File::create(instance.path("output")).unwrap();
        shell
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output);
        instance.supervisor = Some(shell.spawn().unwrap());
        instance.wait_for("a ready server", |r| r.ready)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

fn a_server_that_took_all_memory_is_brought_back_and_the_kernel_named() {
    let Some(group) = Group::of_bytes("all", 64 << 20) else {
        return;
    };
    let mut instance = Instance::new(&[], "enable-debug-command yes");
    let before = group.start(&mut instance);
    let mut client = Client::of(&instance);
    client.send("DEBUG POPULATE 2000000 key 100").unwrap();
    let after = instance.wait_for("another server", |r| r.restarts >= 1 && r.ready);
    assert_eq!(after.supervisor_pid, before.supervisor_pid);
    let exit = after.last_exit.unwrap();
    assert!(
        exit.contains("SIGKILL") && exit.contains("the kernel where memory ended"),
        "{exit}"
    );
    instance.stops();
}

fn when_memory_ends_the_child_that_saves_dies_and_not_the_server() {
    let Some(group) = Group::of_bytes("child", 200 << 20) else {
        return;
    };
    let config = "enable-debug-command yes\noom-score-adj yes\noom-score-adj-values 0 200 800\nrdb-key-save-delay 1000";
    let mut instance = Instance::new(&[], config);
    let before = group.start(&mut instance);
    let mut client = Client::of(&instance);
    assert_eq!(
        client.ask("DEBUG POPULATE 100000 key 1000").as_deref(),
        Some("+OK")
    );
    assert_eq!(
        client.ask("BGSAVE").as_deref(),
        Some("+Background saving started")
    );
    let fill =
        "EVAL \"for i=0,99999 do redis.call('SETRANGE','key:'..i,0,string.rep('y',1000)) end\" 0";
    client.send(fill).unwrap();
    assert!(client.hear().is_some(), "the server itself was killed");
    let now = instance.wait_for("the same server", |r| {
        r.ready || r.note.starts_with("MISCONF")
    });
    assert_eq!((now.server_pid, now.restarts), (before.server_pid, 0));
    let info = instance.text("INFO persistence");
    assert!(info.contains("rdb_last_bgsave_status:err"), "{info}");
    instance.ask("CONFIG SET rdb-key-save-delay 0");
    instance.ask("FLUSHALL");
    instance.stops();
}

/// A log file, on a disk that does not fill up.
struct Log(tempfile::TempDir);

impl Log {
    fn new() -> Log {
        let dir = tempfile::Builder::new().prefix("rh-log").tempdir().unwrap();
        let (uid, gid) = redis();
        std::os::unix::fs::chown(dir.path(), Some(uid), Some(gid)).unwrap();
        Log(dir)
    }

    fn instance(&self, settings: &[(&str, &str)], config: &str) -> Instance {
        let path = self.0.path().join("redis.log");
        let quoted = format!("\"{}\"", path.display());
        let settings = [settings, &[("log-file", &quoted)]].concat();
        Instance::new(&settings, &format!("logfile {}\n{config}", path.display()))
    }
}

/// A small disk of the data's own.
struct Disk(PathBuf);

impl Disk {
    fn over(data: &Path) -> Disk {
        let (uid, gid) = redis();
        let disk = Disk(data.to_owned());
        disk.mount(
            &format!("size=4m,mode=750,uid={uid},gid={gid}"),
            &["-t", "tmpfs", "tmpfs"],
        );
        disk
    }

    fn mount(&self, options: &str, of: &[&str]) {
        let mut command = Command::new("mount");
        command.args(["-o", options]).args(of).arg(&self.0);
        assert!(command.status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn a_full_disk_loses_nothing_and_it_comes_back_with_room() {
    let log = Log::new();
    let always = "appendonly yes\nappendfsync always\nsave \"\"\nauto-aof-rewrite-percentage 0";
    let mut instance = log.instance(&[("backoff-max", "\"300ms\"")], always);
    let disk = Disk::over(&instance.path("data"));
    instance.start();
    let mut client = Client::of(&instance);
    let value = "v".repeat(1000);
    let mut acknowledged = 0;
    while let Some(reply) = client.ask(&format!("SET key{acknowledged} {value}")) {
        assert_eq!(reply, "+OK");
        acknowledged += 1;
    }
    assert!(acknowledged > 1000);
    let told = instance.wait_for("the full disk named", |r| {
        r.last_exit
            .as_deref()
            .is_some_and(|exit| exit.contains("the disk is full: make room"))
    });
    assert!(told.restarts > 0 || !told.ready);
    disk.mount("remount,size=64m", &[]);
    instance.wait_for("a server that can write", |r| r.ready && r.note.is_empty());
    let count: u32 = instance
        .ask("DBSIZE")
        .trim_start_matches(':')
        .parse()
        .unwrap();
    assert!(count >= acknowledged, "{count} of {acknowledged}");
    assert_eq!(instance.ask("SET key value"), "+OK");
    instance.stops();
}

/// What becomes of a start.
enum Then {
    /// It serves, with so many keys at least.
    Serves(u32),
    /// It does not, and says what to look at it with.
    Says(&'static str),
}

/// What the Redis tools and Redis itself detect, and what they do not. Source: `../shared/OPS.md` §3.5, measured on 7.0.15.
fn damaged_data_is_told_and_never_overwritten() {
    type Damage = fn(&mut Vec<u8>);
    let cut: Damage = |file| file.truncate(file.len() - 3);
    let flip: Damage = |file| {
        let middle = file.len() / 2;
        *file.get_mut(middle).unwrap() ^= 0xff;
    };
    let rubbish: Damage = |file| *file = b"rubbish\n".to_vec();
    let no_sum: Damage = |file| {
        let end = file.len() - 8;
        file.get_mut(end..).unwrap().fill(0);
    };
    let (incr, base, manifest) = (
        "appendonlydir/appendonly.aof.1.incr.aof",
        "appendonlydir/appendonly.aof.1.base.rdb",
        "appendonlydir/appendonly.aof.manifest",
    );
    for (aof, file, damage, then) in [
        (true, incr, cut, Then::Serves(99)),
        (true, base, cut, Then::Says("redis-check-aof")),
        (true, base, flip, Then::Says("redis-check-aof")),
        (true, manifest, rubbish, Then::Says("redis-check-aof")),
        (false, "dump.rdb", cut, Then::Says("redis-check-rdb")),
        (false, "dump.rdb", flip, Then::Says("redis-check-rdb")),
        (false, "dump.rdb", rubbish, Then::Says("redis-check-rdb")),
        (false, "dump.rdb", no_sum, Then::Serves(100)),
    ] {
        let config = if aof { "appendonly yes\nsave \"\"" } else { "" };
        let log = Log::new();
        let mut instance = log.instance(&[], config);
        instance.start();
        let mut client = Client::of(&instance);
        if aof {
            client.ask("SET first key");
            client.ask("BGREWRITEAOF");
            instance.settles();
        }
        for n in 0..100 {
            client.ask(&format!("SET key{n} value"));
        }
        instance.stops();
        let path = newest(&instance, file);
        let mut content = fs::read(&path).unwrap();
        damage(&mut content);
        fs::write(&path, &content).unwrap();

        instance.supervisor = Some(instance.spawn("output"));
        let place = format!("{} after {file}", path.display());
        match then {
            Then::Serves(least) => {
                instance.wait_for("a server", |r| r.ready);
                let count: u32 = instance
                    .ask("DBSIZE")
                    .trim_start_matches(':')
                    .parse()
                    .unwrap();
                assert!(count >= least, "{count} {place}");
                instance.stops();
            }
            Then::Says(tool) => {
                refused(&mut instance, tool, &place);
                assert_eq!(fs::read(&path).unwrap(), content, "{place} was overwritten");
            }
        }
    }
}

/// Either it ends with the reason, or it goes on trying and its state has it.
fn refused(instance: &mut Instance, tool: &str, place: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let told = instance
            .report()
            .and_then(|r| r.last_exit)
            .unwrap_or_default();
        if told.contains(tool) || instance.output().contains(tool) {
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{place}: {told}\n{}",
            instance.output()
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(instance.report().is_none_or(|r| !r.ready), "{place}");
    let mut supervisor = instance.supervisor.take().unwrap();
    let _ = nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(supervisor.id().cast_signed()),
        SIGTERM,
    );
    supervisor.wait().unwrap();
}

/// The file of that name, by its number where Redis has written later ones.
fn newest(instance: &Instance, file: &str) -> PathBuf {
    let numbered = |n: u32| {
        instance
            .path("data")
            .join(file.replace(".1.", &format!(".{n}.")))
    };
    (1..=9)
        .rev()
        .map(numbered)
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{file}"))
}

impl Instance {
    fn stops(&mut self) {
        let pid = self.report().unwrap().supervisor_pid;
        signal(pid, SIGTERM);
        assert_eq!(self.ended(), 0, "{}", self.output());
    }

    /// No child writes.
    fn settles(&self) {
        for _ in 0..200 {
            let info = self.text("INFO persistence");
            if info.contains("aof_rewrite_in_progress:0")
                && info.contains("aof_rewrite_scheduled:0")
            {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("a rewrite without end");
    }

    /// A reply of many lines.
    fn text(&self, command: &str) -> String {
        let output = Command::new("redis-cli")
            .arg("-s")
            .arg(self.path("run/redis/redis.sock"))
            .args(["--user", "admin", "--pass", "admin", "--no-auth-warning"])
            .args(command.split(' '))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}
