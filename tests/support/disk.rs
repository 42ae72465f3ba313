//! A Debian's disk and what runs on it, kept apart from this machine: an overlay of the cached root that `tests/nspawn/root`
//! builds, a cgroup tree, and commands entered into the container that lives there.
//!
//! It writes to nothing outside its scratch directory. It refuses, with the reason, to pretend: what cannot be mounted panics.
//!
//! One `holder` process owns a private mount namespace with the overlay, a cgroup2 tree and an empty /run. It
//! carries a parent-death signal, as `systemd-nspawn` does: when the test dies, so does all that it started. The parent is the
//! *thread* that made it, so a disk cannot be kept in a static or outlive its test.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::tree::Tree;

/// Seconds a command inside may take (a package installation is the longest).
const EXEC: &str = "150";

/// How long the first process of a container may take to appear.
const FIRST: Duration = Duration::from_secs(60);

/// Arguments: name, lower, upper, work, mount point.
const HOLD: &str = r#"set -e
mount -t tmpfs -o mode=755 tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$1"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$3,workdir=$4" "$5"
echo held
exec sleep infinity"#;

/// Arguments: cgroup of this container, then the command.
const JOIN: &str = r#"set -e
cgroup=/sys/fs/cgroup/$1
shift
mkdir "$cgroup"
echo $$ >"$cgroup/cgroup.procs"
exec "$@""#;

/// A writable Debian; dropping it removes it.
pub struct Disk {
    pub name: String,
    scratch: PathBuf,
    repo: PathBuf,
    holder: Child,
}

/// What a command inside said.
pub struct Ran {
    pub command: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The standard output, trimmed; panics with everything the command said unless it exited with 0.
    #[track_caller]
    pub fn ok(&self) -> &str {
        self.exits(0)
    }

    /// The standard output, trimmed; panics with everything the command said unless it exited with `code`.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "exit code of {self}");
        self.stdout.trim()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "`{}`: exit {}\n--- stdout\n{}\n--- stderr\n{}\n---",
            self.command,
            self.code,
            self.stdout.trim_end(),
            self.stderr.trim_end()
        )
    }
}

impl Disk {
    /// A bare Debian without Redis, with the offline package repository as its only apt source.
    ///
    /// `REDIS_HARDEN_TEST_SUITE` chooses another Debian than bookworm.
    pub fn new() -> Disk {
        Disk::of(
            &std::env::var("REDIS_HARDEN_TEST_SUITE").unwrap_or_else(|_| "bookworm".to_owned()),
        )
    }

    /// As `new`, of this Debian.
    pub fn of(suite: &str) -> Disk {
        let built = cached_root(suite);
        let name = format!("rh-{}-{}", std::process::id(), unique());
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        for dir in ["upper", "work", "root"] {
            fs::create_dir_all(scratch.join(dir))
                .unwrap_or_else(|why| panic!("creating {}: {why}", scratch.display()));
        }
        // The overlay's root takes its mode from the upper directory.
        fs::set_permissions(scratch.join("upper"), fs::Permissions::from_mode(0o755))
            .expect("our own directory");
        let holder = hold(&name, &built.join("root"), &scratch);
        let disk = Disk {
            name,
            scratch,
            repo: built.join("repo"),
            holder,
        };
        disk.sweep();
        disk
    }

    /// The root of the disk as a path on this machine: the overlay, seen through the holder's mount namespace.
    pub fn root(&self) -> PathBuf {
        let root = self.scratch.join("root");
        self.held(
            root.strip_prefix("/")
                .expect("CARGO_TARGET_TMPDIR is absolute"),
        )
    }

    /// What is on the disk now: not /run, /tmp, /proc and the like, which are mounted over it.
    pub fn tree(&self) -> Tree {
        Tree::of(&self.root())
    }

    /// Copies a file of this machine onto the disk, owned by root.
    pub fn install(&self, from: &Path, to: &str, mode: u32) {
        let content =
            fs::read(from).unwrap_or_else(|why| panic!("reading {}: {why}", from.display()));
        self.write(to, &content, mode);
    }

    /// Writes a file on the disk, owned by root, with its missing parents.
    pub fn write(&self, to: &str, content: &[u8], mode: u32) {
        let path = self.root().join(to.trim_start_matches('/'));
        let parent = path.parent().expect("an absolute path of a file");
        fs::create_dir_all(parent)
            .unwrap_or_else(|why| panic!("creating {}: {why}", parent.display()));
        // By a program: while this process has a file open for writing, a child that another test forks has it too,
        // and the kernel then refuses to run the file (ETXTBSY).
        let mut install = Command::new("install")
            .args(["-m", &format!("{mode:o}"), "/dev/stdin"])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .expect("coreutils");
        let mut pipe = install.stdin.take().expect("piped");
        pipe.write_all(content).expect("install reads it all");
        drop(pipe);
        assert!(
            install.wait().expect("our own child").success(),
            "writing {}",
            path.display()
        );
    }

    /// A file in the scratch directory, for what a container prints.
    pub fn log(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// Starts `systemd-nspawn` on the disk, in a cgroup of its own, with a network of its own.
    pub fn spawn_nspawn(&self, cgroup: &str, log: &Path, arguments: &[&str]) -> Child {
        let log = fs::File::create(log).expect("our own scratch directory");
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--mount", "--"]);
        command.args([
            "setpriv",
            "--pdeathsig",
            "KILL",
            "sh",
            "-c",
            JOIN,
            "sh",
            &format!("{}/{cgroup}", self.name),
        ]);
        command.args([
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--private-network",
        ]);
        command.args([
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--console=pipe",
        ]);
        // nspawn 252 refuses what a real machine's root may do, and Redis's sandbox needs.
        command.arg(
            "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",
        );
        command.arg(format!("--machine={}", self.name));
        command.arg(format!(
            "--directory={}",
            self.scratch.join("root").display()
        ));
        command.arg(format!("--bind-ro={}:/repo", self.repo.display()));
        command.args(arguments);
        command
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("one more descriptor"))
            .stdout(log);
        command
            .spawn()
            .unwrap_or_else(|why| panic!("starting nsenter: {why}"))
    }

    /// Waits for nspawn's only child that is the first process of a pid namespace and has this name; its number here.
    pub fn wait_for_leader(&self, nspawn: &mut Child, name: &str, log: &Path) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", nspawn.id());
        let until = Instant::now() + FIRST;
        loop {
            let born = fs::read_to_string(&children).unwrap_or_default(); // it is gone when nspawn is: asked below
            if let Some(leader) = born
                .split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .find(|pid| is_init(*pid, name))
            {
                return leader;
            }
            if let Some(status) = nspawn.try_wait().expect("our own child") {
                panic!(
                    "systemd-nspawn could not start {} ({status}):\n{}",
                    self.name,
                    console(log)
                );
            }
            assert!(
                Instant::now() < until,
                "{} has no first process after {FIRST:?}:\n{}",
                self.name,
                console(log)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills all that runs in a cgroup of this disk.
    pub fn kill(&self, cgroup: &str) {
        // Gone with its last process: then there is nothing to kill.
        let _ = fs::write(self.cgroups().join(cgroup).join("cgroup.kill"), "1");
    }

    fn cgroups(&self) -> PathBuf {
        self.held("sys/fs/cgroup").join(&self.name)
    }

    fn held(&self, path: impl AsRef<Path>) -> PathBuf {
        Path::new("/proc")
            .join(self.holder.id().to_string())
            .join("root")
            .join(path)
    }

    /// Ends what runs for tests that were killed before they could end it, and removes their disks and cgroups.
    fn sweep(&self) {
        let cgroups = self.held("sys/fs/cgroup");
        for cgroup in abandoned(&cgroups) {
            // The first process of a container without systemd outlives its nspawn.
            let _ = fs::write(cgroup.join("cgroup.kill"), "1");
            remove_cgroups(&cgroup);
        }
        let ours = self.scratch.parent().expect("below CARGO_TARGET_TMPDIR");
        for disk in abandoned(ours) {
            let _ = fs::remove_dir_all(disk); // another test may sweep, too
        }
    }
}

/// The entries `rh-PID-N` of a directory whose test is dead.
fn abandoned(dir: &Path) -> Vec<PathBuf> {
    let dead = |name: &str| {
        let owner = name.strip_prefix("rh-")?.split('-').next()?;
        Some(fs::symlink_metadata(format!("/proc/{owner}")).is_err())
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| dead(&entry.file_name().to_string_lossy()) == Some(true))
        .map(|entry| entry.path())
        .collect()
}

impl Drop for Disk {
    fn drop(&mut self) {
        remove_cgroups(&self.cgroups());
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        if let Err(why) = fs::remove_dir_all(&self.scratch) {
            eprintln!("removing {}: {why}", self.scratch.display());
        }
    }
}

/// `timeout nsenter` into the namespaces of a container's process.
pub fn entered(leader: u32) -> Command {
    let mut command = Command::new("timeout");
    command.args([
        "--kill-after=5",
        EXEC,
        "nsenter",
        "--target",
        &leader.to_string(),
    ]);
    if has_own_users(leader) {
        command.args(["--user", "--setuid=0", "--setgid=0"]);
    }
    command.args([
        "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--",
    ]);
    command.env_clear().env(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    command
        .env("HOME", "/root")
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

fn has_own_users(pid: u32) -> bool {
    let map = |pid: &str| fs::read_to_string(format!("/proc/{pid}/uid_map"));
    let (theirs, ours) = (map(&pid.to_string()), map("self"));
    theirs.is_ok_and(|theirs| ours.is_ok_and(|ours| theirs != ours))
}

/// Runs it to its end.
pub fn ran(argv: &[&str], mut command: Command) -> Ran {
    let output = command
        .output()
        .unwrap_or_else(|why| panic!("running {argv:?}: {why}"));
    Ran {
        command: argv.join(" "),
        ..text(&output)
    }
}

/// What a container has printed.
pub fn console(log: &Path) -> String {
    let said = fs::read(log).map_or_else(
        |why| why.to_string(),
        |raw| String::from_utf8_lossy(&raw).into_owned(),
    );
    format!("--- {}\n{said}\n---", log.display())
}

/// Has this process number 1 in a pid namespace of its own, and this name?
pub fn is_init(pid: u32, name: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default(); // gone: not an init
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default()
            .trim()
    };
    let numbers: Vec<&str> = field("NSpid:").split_whitespace().collect();
    numbers.len() > 1 && numbers.last() == Some(&"1") && field("Name:") == name
}

/// The directory that `tests/nspawn/root` prints; it builds it when it is missing or old.
fn cached_root(suite: &str) -> PathBuf {
    static BUILT: Mutex<Option<(String, PathBuf)>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, path)) = built.as_ref().filter(|(of, _)| of == suite) {
        return path.clone();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nspawn/root");
    let output = Command::new(script)
        .arg(suite)
        .output()
        .unwrap_or_else(|why| panic!("running {script}: {why}"));
    let said = text(&output);
    assert_eq!(
        said.code, 0,
        "this test needs a Debian and cannot make one: {script} {suite}\n{}",
        said.stderr
    );
    let path = PathBuf::from(said.stdout.trim());
    *built = Some((suite.to_owned(), path.clone()));
    path
}

/// Starts the process that owns the mounts; panics with what went wrong (not root, no overlayfs, no cgroup2).
fn hold(name: &str, lower: &Path, scratch: &Path) -> Child {
    let mut command = Command::new("setpriv");
    command.args([
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        HOLD,
        "sh",
        name,
    ]);
    command
        .arg(lower)
        .args(["upper", "work", "root"].map(|dir| scratch.join(dir)));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut holder = command
        .spawn()
        .unwrap_or_else(|why| panic!("starting setpriv: {why}"));
    let mut answer = [0_u8; 4];
    let held = holder
        .stdout
        .as_mut()
        .expect("piped above")
        .read_exact(&mut answer);
    if held.is_err() || &answer != b"held" {
        let output = holder.wait_with_output().expect("our own child");
        let _ = fs::remove_dir_all(scratch);
        panic!(
            "this test needs a disk and cannot mount it (root? overlayfs? cgroup2?): {}",
            text(&output).stderr
        );
    }
    holder
}

fn remove_cgroups(path: &Path) {
    let until = Instant::now() + Duration::from_secs(5);
    while fs::symlink_metadata(path).is_ok() && Instant::now() < until {
        remove_empty(path);
        std::thread::sleep(Duration::from_millis(10)); // killed processes leave a moment later
    }
}

/// A cgroup's files cannot be removed, its directories can.
fn remove_empty(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty(&entry.path());
        }
    }
    let _ = fs::remove_dir(path);
}

fn text(output: &Output) -> Ran {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output
        .status
        .code()
        .unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
    Ran {
        command: String::new(),
        code,
        stdout: lossy(&output.stdout),
        stderr: lossy(&output.stderr),
    }
}

fn unique() -> u32 {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
