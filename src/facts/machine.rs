//! The machine: kernel, memory, distribution, init system, and signs of a container around us.

use crate::host::{Host, HostResult};
use crate::supervise::state;
use nix::sys::resource::{Resource, getrlimit};
use std::path::Path;

/// What starts services here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    Systemd,
    /// Something else, or nothing: services are ours to start.
    Other,
}

/// What starts containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Docker,
    Podman,
    Kubernetes,
    Lxc,
    Nspawn,
}

/// The distribution, from os-release.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Distro {
    pub id: String,
    pub version: String,
    pub codename: String,
    pub name: String,
}

pub(super) struct Uname {
    pub hostname: String,
    pub kernel: String,
    pub machine: String,
}

pub(super) fn uname() -> Uname {
    let text = |s: &std::ffi::OsStr| s.to_string_lossy().into_owned();
    match nix::sys::utsname::uname() {
        Ok(u) => Uname {
            hostname: text(u.nodename()),
            kernel: text(u.release()),
            machine: text(u.machine()),
        },
        // uname(2) fails only for a bad pointer.
        Err(_) => Uname {
            hostname: String::new(),
            kernel: String::new(),
            machine: String::new(),
        },
    }
}

/// This machine's name; of a tree, its own.
pub(super) fn hostname(host: &Host, running: String) -> HostResult<String> {
    if host.is_running() {
        return Ok(running);
    }
    let name = host.read_text(Path::new("/etc/hostname"))?;
    Ok(name.unwrap_or_default().trim().to_owned())
}

/// RAM in bytes; 0 for a tree without /proc.
pub(super) fn memory(host: &Host) -> HostResult<u64> {
    let Some(text) = host.read_text(Path::new("/proc/meminfo"))? else {
        return Ok(0);
    };
    let kib = text.lines().find_map(|l| {
        l.strip_prefix("MemTotal:")?
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    });
    Ok(kib.unwrap_or(0) * 1024)
}

/// The memory limit at the root of the control groups that we see: a container's. A session's own slice does not count.
pub(super) fn memory_limit(host: &Host, memory: u64) -> HostResult<u64> {
    let mut limit = memory;
    for path in [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ] {
        let text = host.read_text(Path::new(path))?.unwrap_or_default();
        // `max` is no number, and no limit.
        if let Ok(bytes) = text.trim().parse::<u64>() {
            limit = limit.min(bytes);
        }
    }
    Ok(limit)
}

pub(super) fn distro(host: &Host) -> HostResult<Distro> {
    let mut text = host.read_text(Path::new("/etc/os-release"))?;
    if text.is_none() {
        text = host.read_text(Path::new("/usr/lib/os-release"))?;
    }
    let text = text.unwrap_or_default();
    let field = |name: &str| {
        let value = text
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().trim_matches('"').to_owned()
    };
    Ok(Distro {
        id: field("ID"),
        version: field("VERSION_ID"),
        codename: field("VERSION_CODENAME"),
        name: field("PRETTY_NAME"),
    })
}

/// systemd where it runs (sd_booted(3)); in a tree that does not run, where it is installed.
pub(super) fn init(host: &Host) -> HostResult<Init> {
    let signs: &[&str] = if host.is_running() {
        &["/run/systemd/system"]
    } else {
        &["/usr/lib/systemd/systemd", "/lib/systemd/systemd"]
    };
    for sign in signs {
        if host.stat(Path::new(sign))?.is_some() {
            return Ok(Init::Systemd);
        }
    }
    Ok(Init::Other)
}

/// Each sign with its name: a stray `/.dockerenv` has fooled tools that took one for the truth.
pub(super) fn container_signs(host: &Host) -> Vec<String> {
    let mut signs = Vec::new();
    for path in [
        "/.dockerenv",
        "/run/.containerenv",
        "/run/systemd/container",
    ] {
        // A sign that cannot be looked at is none.
        if matches!(host.stat(Path::new(path)), Ok(Some(_))) {
            signs.push(format!("{path} exists"));
        }
    }
    // The initial namespaces have fixed inode numbers (include/linux/proc_ns.h).
    for (name, initial) in [("pid", "pid:[4026531836]"), ("user", "user:[4026531837]")] {
        let link = host.read_magic_link(&Path::new("/proc/self/ns").join(name));
        if let Ok(Some(link)) = link
            && link != Path::new(initial)
        {
            signs.push(format!("the {name} namespace is not the initial one"));
        }
    }
    signs
}

/// What may have started the container that we are in: it chooses the words of a remedy, and decides nothing.
pub(super) fn runtime(host: &Host) -> Option<Runtime> {
    let there = |path: &str| matches!(host.stat(Path::new(path)), Ok(Some(_)));
    if there("/run/secrets/kubernetes.io") || there("/var/run/secrets/kubernetes.io") {
        return Some(Runtime::Kubernetes);
    }
    if there("/.dockerenv") {
        return Some(Runtime::Docker);
    }
    if there("/run/.containerenv") {
        return Some(Runtime::Podman);
    }
    // What cannot be read names no runtime.
    let named = host.read_text(Path::new("/run/systemd/container"));
    match named.ok().flatten()?.trim() {
        "docker" => Some(Runtime::Docker),
        "podman" => Some(Runtime::Podman),
        "systemd-nspawn" => Some(Runtime::Nspawn),
        name if name.starts_with("lxc") => Some(Runtime::Lxc),
        _ => None,
    }
}

/// Effective capabilities; none where /proc does not tell.
pub(super) fn capabilities(host: &Host) -> u64 {
    // Without them the controls that ask find less reachable, never more.
    let text = host
        .read_text(Path::new("/proc/self/status"))
        .ok()
        .flatten()
        .unwrap_or_default();
    let hex = text.lines().find_map(|l| l.strip_prefix("CapEff:"));
    hex.and_then(|h| u64::from_str_radix(h.trim(), 16).ok())
        .unwrap_or(0)
}

/// Not where an administrator has set their number to none, as for a container or against attacks on the kernel.
/// Source: namespaces(7), `max_user_namespaces`.
pub(super) fn user_namespaces(host: &Host) -> HostResult<bool> {
    let limit = host.read_text(Path::new("/proc/sys/user/max_user_namespaces"))?;
    Ok(limit.is_none_or(|limit| limit.trim() != "0"))
}

/// Our supervisor as process 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrypoint {
    /// Root rendered the files, or somebody else than who asks.
    Another,
    /// Who asks, and is not root: no root has been there, and what is rendered is this user's and group's.
    Own(u32, u32),
}

pub(super) fn entrypoint(host: &Host) -> HostResult<Option<Entrypoint>> {
    if !host.is_running() || !host.is_live_root() {
        return Ok(None);
    }
    let first = state::identify(host, 1)?;
    // Another command of ours may be a container's first process too: one that prepares a node is.
    let words = host.read(Path::new("/proc/1/cmdline"))?.unwrap_or_default();
    let supervises = words
        .split(|byte| *byte == 0)
        .any(|word| word == b"supervise");
    let first = first.filter(|process| process.name == state::SUPERVISOR && supervises);
    Ok(first.map(
        |process| match process.uid == host.euid() && process.uid != 0 {
            true => Entrypoint::Own(process.uid, nix::unistd::getegid().as_raw()),
            false => Entrypoint::Another,
        },
    ))
}

pub(super) fn nofile() -> (u64, u64) {
    // getrlimit(2) fails only for a bad argument.
    getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024))
}
