//! The ground of a throw-away server: a mount namespace in which nothing of the host's can be written, and what the server writes is
//! memory that goes with the namespace. It refuses to be made anywhere but in namespaces of its own.

use super::mounts;
use crate::host::{Host, HostError, HostResult};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::getpid;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a throw-away server may take: of memory, and of each file.
const MEMORY: u64 = 2 << 30;
const FILE: u64 = 64 << 20;

/// An empty directory in memory over one of the host's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scratch {
    pub path: PathBuf,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// A directory of another owner in it, as `/var/spool/cron` has one.
    #[serde(default)]
    pub below: Vec<Scratch>,
    #[serde(default)]
    pub files: Vec<Copied>,
}

/// A file in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copied {
    pub name: PathBuf,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub bytes: Vec<u8>,
}

/// Lays it, for good. The process is the first of a process namespace, in a mount namespace of its own.
pub fn lay(all: &[Scratch]) -> HostResult<()> {
    let doing = "laying the ground of a throw-away server";
    let fail = |e: Errno| HostError::errno(doing, e);
    if getpid().as_raw() != 1 {
        let cause = "this is no process namespace of its own";
        return Err(HostError::refused(doing, cause));
    }
    setrlimit(Resource::RLIMIT_AS, MEMORY, MEMORY).map_err(fail)?;
    setrlimit(Resource::RLIMIT_FSIZE, FILE, FILE).map_err(fail)?;
    apart().map_err(fail)?;
    mounts::close_all().map_err(fail)?;
    for scratch in all {
        over(scratch).map_err(|e| {
            let doing = format!("{doing}: mounting over {}", scratch.path.display());
            HostError::errno(doing, e)
        })?;
    }
    // The host's shows other processes, and our own by other numbers.
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).map_err(fail)?;
    let host = Host::live()?;
    all.iter().try_for_each(|scratch| fill(&host, scratch))
}

/// What is mounted here is seen by nobody else, whatever the caller's namespace was.
fn apart() -> Result<(), Errno> {
    let none: Option<&str> = None;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, flags, none)
}

fn over(scratch: &Scratch) -> Result<(), Errno> {
    let options = format!(
        "size={FILE},nr_inodes=4096,mode={:o},uid={},gid={}",
        scratch.mode & 0o7777,
        scratch.uid,
        scratch.gid
    );
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let kind = Some("tmpfs");
    mount(kind, &scratch.path, kind, flags, Some(options.as_str()))
}

fn fill(host: &Host, scratch: &Scratch) -> HostResult<()> {
    for dir in &scratch.below {
        host.make_dir(&dir.path, dir.mode & 0o7777, dir.uid, dir.gid)?;
        fill(host, dir)?;
    }
    for file in &scratch.files {
        let path = Path::join(&scratch.path, &file.name);
        host.write_file(&path, &file.bytes, file.mode & 0o7777, file.uid, file.gid)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_the_hosts_own_is_refused() {
        let error = lay(&[]).unwrap_err();
        assert!(error.cause.contains("no process namespace"), "{error}");
    }
}
