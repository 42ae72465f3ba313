//! A Debian machine under real systemd: a container booted by `systemd-nspawn` on an overlay of a cached root.
//!
//! It never shares this machine's network (its own nftables and net.* are out of reach), and it writes to nothing
//! outside its scratch directory. It refuses, with the reason, to pretend: what cannot boot panics.
//!
//! One `holder` process owns a private mount namespace with the overlay, a cgroup2 tree and an empty /run. It
//! carries a parent-death signal, as `systemd-nspawn` does: when the test dies, so does the machine. The parent is the
//! *thread* that booted it, so a machine cannot be kept in a static or outlive its test.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::tree::Tree;

/// Two machines at a time on a two-core runner make each other's time-outs.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const BOOT: Duration = Duration::from_secs(60);
const SHUTDOWN: Duration = Duration::from_secs(60);
/// Seconds a command inside may take (a package installation is the longest).
const EXEC: &str = "150";
/// `systemd-nspawn --keep-unit` leaves with this status when the container asked for a reboot.
const ASKED_FOR_REBOOT: i32 = 133;

/// Arguments: name, lower, upper, work, mount point.
const HOLD: &str = r#"set -e
mount -t tmpfs -o mode=755 tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$1"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$3,workdir=$4" "$5"
echo held
exec sleep infinity"#;

/// Arguments: cgroup of this boot, then the command.
const JOIN: &str = r#"set -e
cgroup=/sys/fs/cgroup/$1
shift
mkdir "$cgroup"
echo $$ >"$cgroup/cgroup.procs"
exec "$@""#;

/// A running (or halted) machine; dropping it kills it and removes its disk.
pub struct Machine {
    name: String,
    scratch: PathBuf,
    repo: PathBuf,
    holder: Child,
    running: Option<Running>,
    boots: u32,
    _alone: MutexGuard<'static, ()>,
}

struct Running {
    nspawn: Child,
    /// The container's PID 1, as this machine numbers it.
    leader: u32,
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

impl Machine {
    /// A bare Debian without Redis, booted, with the offline package repository as its only apt source.
    ///
    /// `REDIS_HARDEN_TEST_SUITE` chooses another Debian than bookworm.
    pub fn boot() -> Machine {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let built = cached_root();
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
        let mut machine = Machine {
            name,
            scratch,
            repo: built.join("repo"),
            holder,
            running: None,
            boots: 0,
            _alone: alone,
        };
        machine.sweep();
        machine.power_on();
        machine
    }

    /// Boots a halted machine and waits until systemd has finished starting it.
    pub fn power_on(&mut self) {
        assert!(self.running.is_none(), "{} is running already", self.name);
        self.boots += 1;
        let mut nspawn = self.spawn_nspawn();
        let leader = self.wait_for_leader(&mut nspawn);
        self.running = Some(Running { nspawn, leader });
        self.wait_until_started();
    }

    /// Shuts down in order, as `systemctl poweroff` does.
    pub fn power_off(&mut self) {
        let status = self.leave("poweroff");
        assert!(
            status.success(),
            "powering off {}: nspawn left with {status}\n{}",
            self.name,
            self.console()
        );
    }

    /// Shuts down in order and boots again on the same disk.
    pub fn reboot(&mut self) {
        let status = self.leave("reboot");
        assert_eq!(
            status.code(),
            Some(ASKED_FOR_REBOOT),
            "rebooting {}: nspawn left with {status}\n{}",
            self.name,
            self.console()
        );
        self.power_on();
    }

    /// Runs a command as a transient service of the machine: its capabilities, its seccomp filter, its cgroup.
    pub fn exec(&self, argv: &[&str]) -> Ran {
        self.exec_with(&[], argv)
    }

    /// As `exec`, with variables on top of PATH, HOME and LANG. Their values are in nobody's argv.
    pub fn exec_with(&self, variables: &[(&str, &str)], argv: &[&str]) -> Ran {
        let mut command = self.entered();
        command.args([
            "systemd-run",
            "--quiet",
            "--pipe",
            "--wait",
            "--collect",
            "--service-type=exec",
        ]);
        command.args(["--setenv=HOME=/root", "--setenv=LANG=C.UTF-8"]);
        for (name, value) in variables {
            command.arg(format!("--setenv={name}")).env(name, value);
        }
        // systemd expands $VARIABLES in the arguments it is given.
        command
            .arg("--")
            .args(argv.iter().map(|word| word.replace('$', "$$")));
        ran(argv, command)
    }

    /// Runs a shell script inside, as `exec`.
    pub fn sh(&self, script: &str) -> Ran {
        self.exec(&["sh", "-c", script])
    }

    /// Runs `systemctl` without a service around it, so that it also works while the machine goes down.
    pub fn systemctl(&self, arguments: &[&str]) -> Ran {
        let mut command = self.entered();
        command.arg("systemctl").args(arguments);
        ran(&[&["systemctl"], arguments].concat(), command)
    }

    /// One property of a unit, as `systemctl show` prints it.
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.systemctl(&["show", "--value", "--property", name, unit])
            .ok()
            .to_owned()
    }

    /// The words of a process's command line.
    pub fn command_line(&self, pid: &str) -> Vec<String> {
        let raw = self.exec(&["cat", &format!("/proc/{pid}/cmdline")]);
        raw.ok()
            .split('\0')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// From now on systemd notes every program that it starts: see `executed`.
    pub fn note_executions(&self) {
        self.systemctl(&["log-level", "debug"]).ok();
    }

    /// What systemd started for `unit` in this boot since `note_executions`, in order.
    pub fn executed(&self, unit: &str) -> Vec<String> {
        self.exec(&["journalctl", "--sync"]).ok();
        let lines = self.exec(&[
            "journalctl",
            "-b",
            "-q",
            "-o",
            "cat",
            "_PID=1",
            &format!("UNIT={unit}"),
        ]);
        let starts = lines
            .ok()
            .lines()
            .filter_map(|line| line.split_once("About to execute"));
        starts
            .map(|(_, program)| program.trim_start_matches([':', ' ']).to_owned())
            .collect()
    }

    /// Changes with every boot.
    pub fn boot_id(&self) -> String {
        self.exec(&["cat", "/proc/sys/kernel/random/boot_id"])
            .ok()
            .to_owned()
    }

    /// Copies a file of this machine onto the disk of that one, owned by root.
    pub fn install(&self, from: &Path, to: &str, mode: u32) {
        let content =
            fs::read(from).unwrap_or_else(|why| panic!("reading {}: {why}", from.display()));
        self.write(to, &content, mode);
    }

    /// Writes a file on the disk, owned by root, with its missing parents.
    pub fn write(&self, to: &str, content: &[u8], mode: u32) {
        let path = self.disk().join(to.trim_start_matches('/'));
        let parent = path.parent().expect("an absolute path of a file");
        fs::create_dir_all(parent)
            .unwrap_or_else(|why| panic!("creating {}: {why}", parent.display()));
        fs::write(&path, content).unwrap_or_else(|why| panic!("writing {}: {why}", path.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("our own file");
    }

    /// What is on the disk now: not /run, /tmp, /proc and the like, which are mounted over it.
    pub fn tree(&self) -> Tree {
        Tree::of(&self.disk())
    }

    /// The root of its disk as a path on this machine: the overlay, seen through the holder's mount namespace.
    pub fn disk(&self) -> PathBuf {
        let root = self.scratch.join("root");
        self.held(
            root.strip_prefix("/")
                .expect("CARGO_TARGET_TMPDIR is absolute"),
        )
    }

    fn held(&self, path: impl AsRef<Path>) -> PathBuf {
        Path::new("/proc")
            .join(self.holder.id().to_string())
            .join("root")
            .join(path)
    }

    /// Removes the disks and cgroups of machines whose test was killed before it could.
    fn sweep(&self) {
        let ours = self.scratch.parent().expect("below CARGO_TARGET_TMPDIR");
        for entry in fs::read_dir(ours).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name
                .strip_prefix("rh-")
                .and_then(|rest| rest.split('-').next());
            let dead =
                owner.is_some_and(|pid| fs::symlink_metadata(format!("/proc/{pid}")).is_err());
            if dead {
                remove_cgroups(&self.held("sys/fs/cgroup").join(&name));
                let _ = fs::remove_dir_all(entry.path()); // another test may sweep, too
            }
        }
    }

    fn spawn_nspawn(&self) -> Child {
        let log = fs::File::create(self.console_path()).expect("our own scratch directory");
        let cgroup = format!("{}/boot-{}", self.name, self.boots);
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
            &cgroup,
        ]);
        command.args([
            "systemd-nspawn",
            "--quiet",
            "--boot",
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
        command
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("one more descriptor"))
            .stdout(log);
        command
            .spawn()
            .unwrap_or_else(|why| panic!("starting nsenter: {why}"))
    }

    /// nspawn's only child that is the first process of a pid namespace.
    fn wait_for_leader(&self, nspawn: &mut Child) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", nspawn.id());
        let until = Instant::now() + BOOT;
        loop {
            let born = fs::read_to_string(&children).unwrap_or_default(); // it is gone when nspawn is: asked below
            if let Some(leader) = born
                .split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .find(|pid| is_init(*pid))
            {
                return leader;
            }
            if let Some(status) = nspawn.try_wait().expect("our own child") {
                panic!(
                    "systemd-nspawn could not start {} ({status}):\n{}",
                    self.name,
                    self.console()
                );
            }
            assert!(
                Instant::now() < until,
                "{} has no first process after {BOOT:?}:\n{}",
                self.name,
                self.console()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_until_started(&self) {
        let until = Instant::now() + BOOT;
        loop {
            let state = self.systemctl(&["is-system-running"]);
            if matches!(state.stdout.trim(), "running" | "degraded") {
                return;
            }
            assert!(
                Instant::now() < until,
                "{} has not started after {BOOT:?}: {state}\n{}",
                self.name,
                self.console()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn leave(&mut self, how: &str) -> ExitStatus {
        // Its exit code says nothing: the connection to systemd may close before the answer.
        let asked = self.systemctl(&[how]);
        let mut running = self
            .running
            .take()
            .unwrap_or_else(|| panic!("{} is not running", self.name));
        let until = Instant::now() + SHUTDOWN;
        loop {
            if let Some(status) = running.nspawn.try_wait().expect("our own child") {
                return status;
            }
            if Instant::now() > until {
                self.running = Some(running);
                panic!(
                    "{} is still there {SHUTDOWN:?} after {asked}\n{}",
                    self.name,
                    self.console()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `timeout nsenter` into the namespaces of the machine's first process.
    fn entered(&self) -> Command {
        let running = self
            .running
            .as_ref()
            .unwrap_or_else(|| panic!("{} is not running", self.name));
        let mut command = Command::new("timeout");
        command.args([
            "--kill-after=5",
            EXEC,
            "nsenter",
            "--target",
            &running.leader.to_string(),
        ]);
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

    fn console_path(&self) -> PathBuf {
        self.scratch.join(format!("console-{}", self.boots))
    }

    fn console(&self) -> String {
        let said = fs::read(self.console_path()).map_or_else(
            |why| why.to_string(),
            |raw| String::from_utf8_lossy(&raw).into_owned(),
        );
        format!("--- console of {}\n{said}\n---", self.name)
    }

    /// For whoever reads a failed test: what the machine knows and the assertion did not show.
    fn testify(&self) {
        let Some(running) = &self.running else { return };
        if !is_init(running.leader) {
            return;
        }
        eprintln!(
            "{}",
            self.systemctl(&["--failed", "--no-legend", "--plain"])
        );
        eprintln!(
            "{}",
            self.systemctl(&["status", "--no-pager", "--lines=0", "redis-server.service"])
        );
        eprintln!(
            "{}",
            self.exec(&[
                "journalctl",
                "-q",
                "--no-pager",
                "-n",
                "60",
                "-u",
                "redis*",
                "-o",
                "cat",
                "-p",
                "info"
            ])
        );
    }

    fn kill(&mut self) {
        let cgroup = self.held("sys/fs/cgroup").join(&self.name);
        if let Some(mut running) = self.running.take() {
            // Either is enough: the kernel kills a pid namespace with its first process, whose parent is nspawn.
            let _ = fs::write(
                cgroup
                    .join(format!("boot-{}", self.boots))
                    .join("cgroup.kill"),
                "1",
            );
            let _ = running.nspawn.kill();
            let _ = running.nspawn.wait();
        }
        remove_cgroups(&cgroup);
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.testify();
        }
        self.kill();
        if let Err(why) = fs::remove_dir_all(&self.scratch) {
            eprintln!("removing {}: {why}", self.scratch.display());
        }
    }
}

/// The directory that `tests/nspawn/root` prints; it builds it when it is missing or old.
fn cached_root() -> PathBuf {
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.as_ref() {
        return path.clone();
    }
    let suite = std::env::var("REDIS_HARDEN_TEST_SUITE").unwrap_or_else(|_| "bookworm".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nspawn/root");
    let output = Command::new(script)
        .arg(&suite)
        .output()
        .unwrap_or_else(|why| panic!("running {script}: {why}"));
    let said = text(&output);
    assert_eq!(
        said.code, 0,
        "this test boots a machine and cannot: {script} {suite}\n{}",
        said.stderr
    );
    built.insert(PathBuf::from(said.stdout.trim())).clone()
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
            "this test boots a machine and cannot mount its disk (root? overlayfs? cgroup2?): {}",
            text(&output).stderr
        );
    }
    holder
}

/// Has this process number 1 in a pid namespace of its own, and become systemd?
fn is_init(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default(); // gone: not an init
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default()
            .trim()
    };
    let numbers: Vec<&str> = field("NSpid:").split_whitespace().collect();
    numbers.len() > 1 && numbers.last() == Some(&"1") && field("Name:") == "systemd"
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

fn ran(argv: &[&str], mut command: Command) -> Ran {
    let output = command
        .output()
        .unwrap_or_else(|why| panic!("running {argv:?}: {why}"));
    Ran {
        command: argv.join(" "),
        ..text(&output)
    }
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
