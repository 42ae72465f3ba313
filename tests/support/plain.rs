//! A Debian without a service manager: a container whose first process reaps and does nothing else.
//!
//! Commands are entered into it with the capabilities that a container's root has; what they leave running lives on, until
//! the test ends.

use std::path::Path;
use std::process::Child;

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
        let disk = Disk::new();
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

    /// Runs a shell script inside.
    pub fn sh(&self, script: &str) -> Ran {
        self.exec(&["sh", "-c", script])
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
