//! A Debian without a service manager: a container whose first process reaps and does nothing else.
//!
//! Commands are entered into it with the capabilities that a container's root has; what they leave running lives on, until
//! the test ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::disk::{Disk, Ran, entered, ran};
use super::tree::Tree;

/// nspawn's own stub of an init, as it names itself.
const INIT: &str = "(sd-stubinit)";
const CGROUP: &str = "plain";
/// What nspawn takes from a container, and nsenter does not.
const BOUNDS: &str =
    "-sys_module,-sys_rawio,-sys_time,-sys_pacct,-syslog,-mac_admin,-mac_override,-bpf,-perfmon";

/// A running container; dropping it kills it and removes its disk.
pub struct Plain {
    disk: Disk,
    nspawn: Child,
    leader: u32,
}

impl Plain {
    /// A bare Debian without Redis, with the offline package repository as its only apt source.
    pub fn start() -> Plain {
        Plain::on(Disk::new())
    }

    /// As `start`, of this Debian.
    #[allow(dead_code, reason = "only tests/prove asks")]
    pub fn start_of(suite: &str) -> Plain {
        Plain::on(Disk::of(suite))
    }

    fn on(disk: Disk) -> Plain {
        let log = disk.log("console");
        let idle = ["--as-pid2", "sleep", "infinity"];
        let mut nspawn = disk.spawn_nspawn(CGROUP, &log, &idle);
        let leader = disk.wait_for_leader(&mut nspawn, INIT, &log);
        Plain {
            disk,
            nspawn,
            leader,
        }
    }

    /// Runs a command inside.
    pub fn exec(&self, argv: &[&str]) -> Ran {
        self.exec_with(&[], argv)
    }

    /// As `exec`, with variables on top of PATH, HOME and LANG. Their values are in nobody's argv.
    pub fn exec_with(&self, variables: &[(&str, &str)], argv: &[&str]) -> Ran {
        let mut command = entered(self.leader);
        command
            .args(["setpriv", "--bounding-set", BOUNDS])
            .args(argv);
        command.envs(variables.iter().copied());
        ran(argv, command)
    }

    /// As `exec`, and the arguments of each redis-server that was started on the way, as the kernel was asked for it. A script in its
    /// place would not do: in the sandbox it could not run.
    pub fn exec_and_servers(&self, argv: &[&str]) -> (Ran, Vec<String>) {
        let files = ["executions", "stdout", "stderr"].map(|name| self.disk.log(name));
        let [log, stdout, stderr] = &files;
        let create = |path| File::create(path).expect("our own scratch directory");
        let entered = entered(self.leader);
        // -D: strace stays with the supervisor, which outlives the command.
        let status = Command::new("strace")
            .args([
                "-D",
                "-f",
                "-qq",
                "-s",
                "256",
                "-e",
                "trace=execve",
                "-e",
                "signal=none",
                "-o",
            ])
            .arg(log)
            .arg(entered.get_program())
            .args(entered.get_args())
            .args(["setpriv", "--bounding-set", BOUNDS])
            .args(argv)
            .stdin(Stdio::null())
            .stdout(create(stdout))
            .stderr(create(stderr))
            .status()
            .expect("strace (tests/install-deps)");
        let text = |path| std::fs::read_to_string(path).expect("what was written just now");
        let ran = Ran {
            command: argv.join(" "),
            code: status.code().unwrap_or(-1),
            stdout: text(stdout),
            stderr: text(stderr),
        };
        let servers = text(log).lines().filter_map(arguments_of_server).collect();
        (ran, servers)
    }

    /// Runs a shell script inside.
    pub fn sh(&self, script: &str) -> Ran {
        self.exec(&["sh", "-c", script])
    }

    /// A shell script of this machine's programs in the network of that one, with its disk in `$ROOT`.
    #[allow(dead_code, reason = "only tests/plain asks")]
    pub fn sh_from_here(&self, script: &str) -> Ran {
        let mut command = Command::new("timeout");
        command.args([
            "60",
            "nsenter",
            "--target",
            &self.leader.to_string(),
            "--net",
        ]);
        command.args(["--", "sh", "-c", script]);
        command.env("ROOT", self.disk.root()).stdin(Stdio::null());
        ran(&["sh", "-c", script], command)
    }

    /// Leaves a shell command running in the machine, once it has printed `word` on its standard error.
    pub fn background(&self, command: &str, word: &str) {
        let script = format!(
            "setsid sh -c \"$1\" >/dev/null 2>/tmp/background </dev/null &
            for i in $(seq 200); do grep -q {word} /tmp/background && exit 0; sleep 0.02; done
            cat /tmp/background; exit 1"
        );
        self.exec(&["sh", "-c", &script, "sh", command]).ok();
    }

    /// Copies a file of this machine onto the disk of that one, owned by root.
    pub fn install(&self, from: &Path, to: &str, mode: u32) {
        self.disk.install(from, to, mode);
    }

    /// Writes a file on the disk, owned by root, with its missing parents.
    pub fn write(&self, to: &str, content: &[u8], mode: u32) {
        self.disk.write(to, content, mode);
    }

    /// The text of a file, with its white space at the ends gone.
    pub fn read(&self, path: &str) -> String {
        self.exec(&["cat", path]).ok().to_owned()
    }

    /// Its root as this machine sees it.
    #[allow(dead_code, reason = "only tests/plain asks")]
    pub fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.leader).into()
    }

    /// Its first process, as this machine numbers it.
    #[allow(dead_code, reason = "only tests/plain asks")]
    pub fn leader(&self) -> u32 {
        self.leader
    }

    /// Its network namespace.
    #[allow(dead_code, reason = "only tests/plain asks")]
    pub fn network(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.leader).into()
    }

    /// What is on the disk now: not /run, /tmp, /proc and the like, which are mounted over it.
    pub fn tree(&self) -> Tree {
        self.disk.tree()
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.disk.kill(CGROUP);
        let _ = self.nspawn.kill();
        let _ = self.nspawn.wait();
    }
}

/// strace's `PID execve("PROGRAM", ["NAME", "ARGUMENT", …], …) = 0`.
fn arguments_of_server(line: &str) -> Option<String> {
    let (program, rest) = line.split_once("execve(\"")?.1.split_once('"')?;
    let started = program.ends_with("/redis-server") && line.ends_with(" = 0");
    let list = rest.split_once('[')?.1.split_once(']')?.0;
    let words: Vec<&str> = list
        .split(", ")
        .skip(1)
        .map(|w| w.trim_matches('"'))
        .collect();
    started.then(|| words.join(" "))
}
