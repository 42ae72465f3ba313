//! Which layers of the sandbox hold, each with what bears it out: the process's own trial, and /proc.

use super::probe::{Answers, HELD, Trial};
use super::seccomp::Seccomp;
use super::{mounts, processes};
use crate::host::{Host, HostResult};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Which.
    pub name: Name,
    /// Whether it holds.
    pub holds: bool,
    /// What it is made of, or why it does not hold.
    pub note: String,
}

/// The layers, from the outside in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    /// Neither root nor a group besides its own.
    Identity,
    /// Every set is empty, the bounding one too.
    Capabilities,
    NoNewPrivileges,
    /// `PR_SET_MDWE`.
    WritableCode,
    /// Landlock's rules for files.
    Files,
    /// Landlock's rules for TCP ports.
    Network,
    /// Landlock's rules for signals and abstract sockets.
    Signals,
    /// seccomp.
    SystemCalls,
    /// A mount namespace of its own.
    Mounts,
    /// A process namespace of its own, where the policy wants one.
    Processes,
}

/// What was prepared for a process, and what it found out about itself.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub level: u8,
    pub seccomp: Seccomp,
    pub answers: Answers,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Name::Identity => "identity",
            Name::Capabilities => "capabilities",
            Name::NoNewPrivileges => "no-new-privileges",
            Name::WritableCode => "writable-code",
            Name::Files => "files",
            Name::Network => "network",
            Name::Signals => "signals",
            Name::SystemCalls => "system-calls",
            Name::Mounts => "mounts",
            Name::Processes => "processes",
        })
    }
}

fn is_filtered(status: &str) -> bool {
    field(status, "Seccomp") == Some("2")
}

/// What holds for a process.
pub fn of(host: &Host, pid: i32, found: &Found) -> HostResult<Vec<Layer>> {
    let status = proc_status(host, pid)?;
    let mut layers = by_proc(&status);
    let held = |trial: Trial| found.answers.get(trial as usize) == Some(&HELD);
    layers.push(Layer::new(
        Name::WritableCode,
        held(Trial::WritableCode),
        match held(Trial::WritableCode) {
            true => "PR_SET_MDWE (its own code a program can still write by /proc/self/mem)",
            false => "this kernel has no PR_SET_MDWE (Linux 6.3): only the filter of system calls denies it",
        },
    ));
    for (name, trial, needs) in [
        // From 1 on, but for truncate(2).
        (Name::Files, Trial::Files, 3),
        (Name::Network, Trial::Network, 4),
        (Name::Signals, Trial::Signals, 6),
    ] {
        let note = match (held(trial), found.level) {
            (true, level) if level >= needs => format!("Landlock level {level}"),
            (true, level) => format!(
                "in part: Landlock is of level {level} here, {needs} also keeps what its mode lets the server write from being cut short"
            ),
            (false, 0) => "this kernel has no Landlock, or it is not enabled (lsm=)".to_owned(),
            (false, level) if level < needs => {
                format!("Landlock is of level {level} here, {needs} has it")
            }
            (false, _) => "Landlock did not hold when it was tried".to_owned(),
        };
        layers.push(Layer {
            name,
            holds: held(trial) && found.level >= needs,
            note,
        });
    }
    layers.push(filter(&status, found));
    Ok(layers)
}

fn filter(status: &str, found: &Found) -> Layer {
    let on = is_filtered(status);
    let tried = found.answers.get(Trial::SystemCalls as usize) == Some(&HELD);
    let (holds, note) = match (found.seccomp, on, tried) {
        (Seccomp::Enforce, true, true) => (true, "seccomp filter"),
        (Seccomp::Enforce, _, _) => (false, "the filter did not hold when it was tried"),
        (Seccomp::Audit, true, _) => (false, "the policy only logs (service.seccomp = \"audit\")"),
        (Seccomp::Audit, false, _) => (false, "there is no filter"),
    };
    Layer::new(Name::SystemCalls, holds, note)
}

/// The layers that a supervisor claims for a process, as far as /proc bears them out: what the kernel tells takes the claim's place.
pub fn confirm(host: &Host, pid: i32, data: &Path, claimed: Vec<Layer>) -> HostResult<Vec<Layer>> {
    let status = proc_status(host, pid)?;
    let told = by_proc(&status);
    let confirmed = claimed.into_iter().map(|layer| {
        if let Some(known) = told.iter().find(|known| known.name == layer.name) {
            return known.clone();
        }
        match layer.name {
            Name::SystemCalls if layer.holds && !is_filtered(&status) => {
                Layer::new(Name::SystemCalls, false, "/proc knows no filter")
            }
            Name::Mounts => mounts::layer(host, pid, data),
            Name::Processes => processes::layer(host, pid),
            _ => layer,
        }
    });
    Ok(confirmed.collect())
}

/// Those that /proc/PID/status tells by itself.
pub fn by_proc(status: &str) -> Vec<Layer> {
    let is = |name: &str, wanted: &str| field(status, name) == Some(wanted);
    let empty = |name: &str| field(status, name).is_some_and(|set| set.chars().all(|c| c == '0'));
    let ids = |name: &str| field(status, name).unwrap_or_default().split_whitespace();
    let root = ids("Uid").chain(ids("Gid")).any(|id| id == "0") || ids("Uid").count() == 0;
    let groups: Vec<&str> = ids("Groups")
        .filter(|g| !ids("Gid").any(|own| own == *g))
        .collect();
    let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    let full: Vec<&str> = sets.into_iter().filter(|set| !empty(set)).collect();
    let identity = match (root, groups.is_empty()) {
        (true, _) => "it holds an id of root's".to_owned(),
        (false, false) => format!("it is in other groups too: {}", groups.join(" ")),
        (false, true) => "no root, no other group".to_owned(),
    };
    let capabilities = match full.is_empty() {
        true => "every set is empty".to_owned(),
        false => format!("not empty: {}", full.join(" ")),
    };
    vec![
        Layer {
            name: Name::Identity,
            holds: !root && groups.is_empty(),
            note: identity,
        },
        Layer {
            name: Name::Capabilities,
            holds: full.is_empty(),
            note: capabilities,
        },
        Layer::new(Name::NoNewPrivileges, is("NoNewPrivs", "1"), "no_new_privs"),
    ]
}

impl Layer {
    fn new(name: Name, holds: bool, note: &str) -> Layer {
        Layer {
            name,
            holds,
            note: note.to_owned(),
        }
    }
}

fn proc_status(host: &Host, pid: i32) -> HostResult<String> {
    let path = format!("/proc/{pid}/status");
    Ok(host.read_text(Path::new(&path))?.unwrap_or_default())
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = |l: &'a str| l.strip_prefix(name)?.strip_prefix(':');
    status.lines().find_map(line).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Reach;

    /// proc_pid_status(5): of Debian's redis-server without a sandbox, and of one that root started in all of root's groups.
    const BARE: &str = "Uid:\t102\t102\t102\t102\nGid:\t105\t105\t105\t105\nGroups:\t4 105 \nCapInh:\t0000000000000000\n\
        CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\n\
        NoNewPrivs:\t0\nSeccomp:\t0\n";

    fn shut() -> String {
        BARE.replace("4 105", "105")
            .replace("1ffffffffff", "00000000000")
            .replace("Privs:\t0", "Privs:\t1")
            .replace("Seccomp:\t0", "Seccomp:\t2")
    }

    fn holding(layers: &[Layer]) -> Vec<Name> {
        let held = layers.iter().filter(|layer| layer.holds);
        held.map(|layer| layer.name).collect()
    }

    #[test]
    fn proc_tells_ids_capabilities_and_privileges() {
        assert_eq!(holding(&by_proc(BARE)), []);
        let all = [Name::Identity, Name::Capabilities, Name::NoNewPrivileges];
        assert_eq!(holding(&by_proc(&shut())), all);
        let root = shut().replace("Uid:\t102", "Uid:\t0");
        assert_eq!(holding(&by_proc(&root)), all[1..]);
        assert_eq!(holding(&by_proc("")), []);
    }

    #[test]
    fn a_claim_that_proc_contradicts_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::at(dir.path(), Reach::Running).unwrap();
        let claimed: Vec<Layer> = [Name::Capabilities, Name::Files, Name::SystemCalls]
            .map(|name| Layer::new(name, true, "claimed"))
            .to_vec();
        let told = |status: &str| {
            host.write_file(
                Path::new("/proc/7/status"),
                status.as_bytes(),
                0o644,
                host.euid(),
                0,
            )
            .unwrap();
            holding(&confirm(&host, 7, Path::new("/data"), claimed.clone()).unwrap())
        };
        host.make_dir(Path::new("/proc"), 0o755, host.euid(), 0)
            .unwrap();
        host.make_dir(Path::new("/proc/7"), 0o755, host.euid(), 0)
            .unwrap();
        assert_eq!(told(BARE), [Name::Files]);
        assert_eq!(
            told(&shut()),
            [Name::Capabilities, Name::Files, Name::SystemCalls]
        );
    }

    #[test]
    fn each_layer_that_a_kernel_lacks_is_named_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::at(dir.path(), Reach::Running).unwrap();
        // Linux 6.1: Landlock of level 2, no PR_SET_MDWE.
        let mut answers = [0; super::super::probe::TRIALS];
        answers[Trial::Files as usize] = HELD;
        answers[Trial::SystemCalls as usize] = HELD;
        let found = Found {
            level: 2,
            seccomp: Seccomp::Enforce,
            answers,
        };
        let layers = of(&host, 7, &found).unwrap();
        let note = |name| {
            let layer = layers.iter().find(|layer| layer.name == name).unwrap();
            (layer.holds, layer.note.as_str())
        };
        let (holds, files) = note(Name::Files);
        assert!(!holds && files.contains("cut short"), "{files}");
        assert_eq!(
            note(Name::Network),
            (false, "Landlock is of level 2 here, 4 has it")
        );
        assert_eq!(
            note(Name::Signals),
            (false, "Landlock is of level 2 here, 6 has it")
        );
        assert!(!note(Name::WritableCode).0);
    }
}
