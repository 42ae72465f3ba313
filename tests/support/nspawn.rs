//! A Debian machine under real systemd: a container booted by `systemd-nspawn` on a disk of its own.
//!
//! It never shares this machine's network (its own nftables and net.* are out of reach), and dies with its test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::disk::{Disk, Ran, console, entered, is_init, ran};
use super::tree::Tree;

/// Two machines at a time on a two-core runner make each other's time-outs.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const BOOT: Duration = Duration::from_secs(60);
const SHUTDOWN: Duration = Duration::from_secs(60);
/// `systemd-nspawn --keep-unit` leaves with this status when the container asked for a reboot.
const ASKED_FOR_REBOOT: i32 = 133;

/// A running (or halted) machine; dropping it kills it and removes its disk.
pub struct Machine {
    disk: Disk,
    running: Option<Running>,
    boots: u32,
    /// What `systemd-nspawn` is told besides.
    options: &'static [&'static str],
    _alone: MutexGuard<'static, ()>,
}

struct Running {
    nspawn: Child,
    /// The container's PID 1, as this machine numbers it.
    leader: u32,
}

impl Machine {
    /// A bare Debian without Redis, booted, with the offline package repository as its only apt source.
    ///
    /// `REDIS_HARDEN_TEST_SUITE` chooses another Debian than bookworm.
    pub fn boot() -> Machine {
        Machine::boot_from(Disk::new, &[])
    }

    /// As `boot`, but its root is nobody here, as in an unprivileged LXC.
    #[allow(dead_code, reason = "only tests/systemd asks")]
    pub fn boot_unprivileged() -> Machine {
        const USERS: &[&str] = &["--private-users=pick", "--private-users-ownership=chown"];
        Machine::boot_from(Disk::new, USERS)
    }

    /// As `boot`, of this Debian.
    #[allow(dead_code, reason = "only tests/trixie.rs asks")]
    pub fn boot_of(suite: &str) -> Machine {
        Machine::boot_from(|| Disk::of(suite), &[])
    }

    fn boot_from(disk: impl FnOnce() -> Disk, options: &'static [&'static str]) -> Machine {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut machine = Machine {
            disk: disk(),
            running: None,
            boots: 0,
            options,
            _alone: alone,
        };
        machine.power_on();
        machine
    }

    /// Boots a halted machine and waits until systemd has finished starting it.
    pub fn power_on(&mut self) {
        assert!(
            self.running.is_none(),
            "{} is running already",
            self.disk.name
        );
        self.boots += 1;
        let log = self.console_path();
        let options = [&["--boot"], self.options].concat();
        let mut nspawn = self.disk.spawn_nspawn(&self.cgroup(), &log, &options);
        let leader = self.disk.wait_for_leader(&mut nspawn, "systemd", &log);
        self.running = Some(Running { nspawn, leader });
        self.wait_until_started();
    }

    /// Shuts down in order, as `systemctl poweroff` does.
    pub fn power_off(&mut self) {
        let status = self.leave("poweroff");
        assert!(
            status.success(),
            "powering off {}: nspawn left with {status}\n{}",
            self.disk.name,
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
            self.disk.name,
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

    /// Sets a kernel value of the machine's own user namespace, as the owner of the host around it would.
    #[allow(dead_code, reason = "only tests/systemd asks")]
    pub fn set_of_namespace(&self, path: &str, value: &str) {
        let leader = self.leader().to_string();
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &leader,
            "--user",
            "--setuid=0",
            "--setgid=0",
            "--",
        ]);
        command.args(["sh", "-c", "echo \"$1\" >\"$2\"", "sh", value, path]);
        ran(&["echo", value, ">", path], command).ok();
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

    /// The programs that a command starts, itself first, as the kernel is asked for them.
    pub fn programs(&self, argv: &[&str]) -> Vec<String> {
        let log = self.disk.log("programs");
        let entered = self.entered();
        let mut traced = Command::new("strace");
        traced
            .args(["-f", "-qq", "-e", "trace=execve", "-e", "signal=none", "-o"])
            .arg(&log)
            .arg(entered.get_program())
            .args(entered.get_args())
            .args(argv)
            .stdin(Stdio::null());
        ran(argv, traced).ok();
        let log = std::fs::read_to_string(&log).expect("what strace wrote");
        let asked = log.lines().filter(|line| line.ends_with(" = 0"));
        let programs = asked.filter_map(|line| line.split('"').nth(1));
        let itself = argv.first().copied().unwrap_or_default();
        programs
            .skip_while(|program| *program != itself)
            .map(str::to_owned)
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
        self.disk.install(from, to, mode);
    }

    /// Writes a file on the disk, owned by root, with its missing parents.
    pub fn write(&self, to: &str, content: &[u8], mode: u32) {
        self.disk.write(to, content, mode);
    }

    /// What is on the disk now: not /run, /tmp, /proc and the like, which are mounted over it.
    pub fn tree(&self) -> Tree {
        self.disk.tree()
    }

    /// The root of its disk as a path on this machine.
    pub fn disk(&self) -> PathBuf {
        self.disk.root()
    }

    fn cgroup(&self) -> String {
        format!("boot-{}", self.boots)
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
                self.disk.name,
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
            .unwrap_or_else(|| panic!("{} is not running", self.disk.name));
        let until = Instant::now() + SHUTDOWN;
        loop {
            if let Some(status) = running.nspawn.try_wait().expect("our own child") {
                return status;
            }
            if Instant::now() > until {
                self.running = Some(running);
                panic!(
                    "{} is still there {SHUTDOWN:?} after {asked}\n{}",
                    self.disk.name,
                    self.console()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn entered(&self) -> Command {
        entered(self.leader())
    }

    /// Its first process, as this machine numbers it.
    pub fn leader(&self) -> u32 {
        let running = self.running.as_ref();
        running
            .unwrap_or_else(|| panic!("{} is not running", self.disk.name))
            .leader
    }

    fn console_path(&self) -> PathBuf {
        self.disk.log(&format!("console-{}", self.boots))
    }

    fn console(&self) -> String {
        console(&self.console_path())
    }

    /// For whoever reads a failed test: what the machine knows and the assertion did not show.
    fn testify(&self) {
        let Some(running) = &self.running else { return };
        if !is_init(running.leader, "systemd") {
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
        if let Some(mut running) = self.running.take() {
            // Either is enough: the kernel kills a pid namespace with its first process, whose parent is nspawn.
            self.disk.kill(&self.cgroup());
            let _ = running.nspawn.kill();
            let _ = running.nspawn.wait();
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.testify();
        }
        self.kill();
    }
}
