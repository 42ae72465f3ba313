//! A process namespace of the server's and its supervisor's own: what is broken into sees no other process, and ends with the supervisor.
//! Who looks from outside has other numbers for them: `Outside` translates.

use super::layers::{Layer, Name};
use crate::host::{Host, HostResult};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::path::Path;

/// The host's own, on every kernel. Source: `PROC_PID_INIT_INO` of include/linux/proc_ns.h.
const HOSTS: u64 = 0xEFFF_FFFC;

/// This process's namespace by number; `None` where /proc does not tell.
pub fn own(host: &Host) -> Option<u64> {
    // A number that is not known translates nothing: who reads it then takes the process ids as they are.
    of(host, "self").ok().flatten()
}

/// Lays the namespace's own /proc over the host's, for the first process of a namespace.
pub fn see_only_own() -> Result<(), Errno> {
    let none: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, none)
}

/// Whether it holds for a server: its supervisor is the first process of the namespace, which is not the host's.
pub fn layer(host: &Host, pid: i32) -> Layer {
    let (holds, note) = match judge(host, pid) {
        Ok(None) => (true, "a process namespace of its own".to_owned()),
        Ok(Some(why)) => (false, why.to_owned()),
        Err(e) => (false, format!("its process namespace is not known: {e}")),
    };
    Layer {
        name: Name::Processes,
        holds,
        note,
    }
}

/// Why it does not hold.
fn judge(host: &Host, pid: i32) -> HostResult<Option<&'static str>> {
    const SHARED: &str = "it shares the host's process namespace: its own takes a supervisor that root starts, or systemd 257";
    if of(host, &pid.to_string())?.is_none_or(|namespace| namespace == HOSTS) {
        return Ok(Some(SHARED));
    }
    let parent = status(host, pid)?.and_then(|status| number(&status, "PPid:"));
    let first = match parent {
        Some(parent) => status(host, parent)?.and_then(|status| number(&status, "NSpid:")),
        None => None,
    };
    Ok((first != Some(1)).then_some("other processes share its process namespace"))
}

/// A namespace that is seen from outside of it: its processes by their numbers there.
#[derive(Debug, Default)]
pub struct Outside {
    /// Number inside, number here.
    numbers: Vec<(i32, i32)>,
    /// Whether some process was kept from us.
    is_partial: bool,
}

impl Outside {
    /// Looks for the processes of a namespace; `None` when it is ours.
    pub fn of(host: &Host, namespace: u64) -> HostResult<Option<Outside>> {
        if of(host, "self")? == Some(namespace) {
            return Ok(None);
        }
        let mut outside = Outside::default();
        for name in host.list(Path::new("/proc"))? {
            let Ok(pid) = name.parse::<i32>() else {
                continue;
            };
            match of(host, &name) {
                Ok(Some(its)) if its == namespace => {
                    let status = status(host, pid)?;
                    let inside = status.and_then(|status| number(&status, "NSpid:"));
                    outside.numbers.extend(inside.map(|inside| (inside, pid)));
                }
                Ok(_) => {}
                Err(_) => outside.is_partial |= is_nested(host, pid)?,
            }
        }
        Ok(Some(outside))
    }

    /// The number that a process of the namespace has here.
    pub fn number(&self, inside: i32) -> Option<i32> {
        let mut known = self.numbers.iter();
        known
            .find(|(number, _)| *number == inside)
            .map(|(_, here)| *here)
    }

    /// Whether what was not found may be there all the same.
    pub fn is_partial(&self) -> bool {
        self.is_partial
    }
}

/// Whether a process is in a namespace below ours.
fn is_nested(host: &Host, pid: i32) -> HostResult<bool> {
    let status = status(host, pid)?.unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    Ok(line.is_some_and(|numbers| numbers.split_whitespace().count() > 1))
}

/// The namespace of a process; `None` when there is no such process.
fn of(host: &Host, pid: &str) -> HostResult<Option<u64>> {
    let link = Path::new("/proc").join(pid).join("ns/pid");
    let target = match host.read_magic_link(&link) {
        Err(e) if e.errno == Some(Errno::ESRCH) => None,
        target => target?,
    };
    Ok(target.and_then(|target| {
        let text = target.to_str()?.strip_prefix("pid:[")?;
        text.strip_suffix(']')?.parse().ok()
    }))
}

fn status(host: &Host, pid: i32) -> HostResult<Option<String>> {
    match host.read_text(Path::new(&format!("/proc/{pid}/status"))) {
        // It ended between open and read.
        Err(e) if e.errno == Some(Errno::ESRCH) => Ok(None),
        status => status,
    }
}

/// The last number of a line: of `NSpid:` the one in the innermost namespace.
fn number(status: &str, name: &str) -> Option<i32> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test builds its own root")]
mod tests {
    use super::*;
    use crate::host::Reach;

    /// A root with processes: number here, parent here, numbers in each namespace, namespace.
    fn host_with(processes: &[(&str, i32, &str, u64)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        for (pid, parent, numbers, namespace) in processes {
            let dir = root.path().join("proc").join(pid);
            std::fs::create_dir_all(dir.join("ns")).unwrap();
            let status = format!("PPid:\t{parent}\nNSpid:\t{numbers}\n");
            std::fs::write(dir.join("status"), status).unwrap();
            let target = format!("pid:[{namespace}]");
            std::os::unix::fs::symlink(target, dir.join("ns/pid")).unwrap();
        }
        let host = Host::at(root.path(), Reach::Running).unwrap();
        (root, host)
    }

    #[test]
    fn only_a_namespace_that_its_supervisor_began_is_its_own() {
        let (_root, host) = host_with(&[
            ("10", 1, "10", HOSTS),
            ("11", 10, "11", HOSTS),
            ("20", 10, "20\t1", 5),
            ("21", 20, "21\t2", 5),
            ("30", 20, "30\t7", 5),
            ("31", 30, "31\t8", 5),
        ]);
        let holds = |pid| layer(&host, pid).holds;
        assert!(!holds(11), "the host's");
        assert!(holds(21));
        assert!(!holds(31), "one of several in a container");
        assert!(!holds(99), "no such process");
    }

    #[test]
    fn a_number_is_translated_within_its_namespace_only() {
        let (_root, host) = host_with(&[
            ("self", 1, "9", HOSTS),
            ("20", 10, "20\t1", 5),
            ("21", 20, "21\t2", 5),
            ("40", 10, "40\t1", 6),
        ]);
        let outside = Outside::of(&host, 5).unwrap().unwrap();
        let numbers = [1, 2, 3].map(|inside| outside.number(inside));
        assert_eq!(numbers, [Some(20), Some(21), None]);
        assert!(!outside.is_partial());
        assert!(Outside::of(&host, HOSTS).unwrap().is_none(), "our own");
    }
}
