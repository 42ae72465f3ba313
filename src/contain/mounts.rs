//! A mount namespace of the server's own: what it writes cannot be run, and all else cannot be written. Made while still root.
//! Each step is tried before anything depends on it: where one fails, the server keeps what it needs.

use super::layers::{Layer, Name};
use super::plan::Plan;
use crate::host::Host;
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use procfs::process::{MountInfo, Process};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What lies in the server's own directories is data: no program, no device, nothing set-uid.
const DATA_ONLY: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;

/// Moves this process into the namespace, for good; as far as this host permits, which `layer` tells.
pub fn shut_in(plan: &Plan) -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    // What the host mounts later is seen, what is mounted here is not.
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)?;
    let mut own = Vec::new();
    for dir in plan.data.iter().chain(&plan.run).chain(&plan.logs) {
        match keep_writable(dir) {
            Ok(()) => own.push(dir.as_path()),
            // The gate says what is missing.
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(e),
        }
    }
    // oom_score_adj is written there.
    set(Path::new("/proc"), 0, libc::MOUNT_ATTR_RDONLY, 0)?;
    set(Path::new("/proc"), 0, 0, libc::MOUNT_ATTR_RDONLY)?;
    close_the_rest(&own)
}

/// A mount of its own, which was read-only for a moment: it will be again, and must come back.
fn keep_writable(dir: &Path) -> Result<(), Errno> {
    let none: Option<&str> = None;
    mount(
        Some(dir),
        dir,
        none,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        none,
    )?;
    let tried = set(dir, RECURSIVE, libc::MOUNT_ATTR_RDONLY, 0)
        .and_then(|()| set(dir, RECURSIVE, DATA_ONLY, libc::MOUNT_ATTR_RDONLY));
    if tried.is_err() {
        umount2(dir, MntFlags::MNT_DETACH)?;
    }
    tried
}

/// Everything read-only, then the server's own back.
fn close_the_rest(own: &[&Path]) -> Result<(), Errno> {
    set(Path::new("/"), RECURSIVE, libc::MOUNT_ATTR_RDONLY, 0)?;
    set(Path::new("/proc"), 0, 0, libc::MOUNT_ATTR_RDONLY)?;
    for dir in own {
        set(dir, RECURSIVE, 0, libc::MOUNT_ATTR_RDONLY)?;
    }
    Ok(())
}

/// Nothing of this mount namespace can be written any more, until something is mounted over it. For a namespace of one's own.
pub(super) fn close_all() -> Result<(), Errno> {
    set(Path::new("/"), RECURSIVE, libc::MOUNT_ATTR_RDONLY, 0)
}

/// With the mounts below.
const RECURSIVE: libc::c_int = libc::AT_RECURSIVE;

/// mount_setattr(2), Linux 5.12: flags of a mount, the others of which stay.
#[expect(unsafe_code, reason = "no crate at hand knows this call")]
fn set(path: &Path, how: libc::c_int, add: u64, remove: u64) -> Result<(), Errno> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let attributes = libc::mount_attr {
        attr_set: add,
        attr_clr: remove,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the kernel reads a text and a struct of this size, which live until it returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            name.as_ptr(),
            how,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// Whether it holds for a process, by the mounts that it sees.
pub fn layer(host: &Host, pid: i32, data: &Path) -> Layer {
    let proc = host.real(Path::new(&format!("/proc/{pid}")));
    let mounts = Process::new_with_root(proc).and_then(|process| process.mountinfo());
    let (holds, note) = match mounts {
        Ok(mounts) => judge(&mounts.0, data),
        Err(e) => (false, format!("its mounts are not known: {e}")),
    };
    Layer {
        name: Name::Mounts,
        holds,
        note,
    }
}

fn judge(mounts: &[MountInfo], data: &Path) -> (bool, String) {
    let holds = |path: &Path, option: &str| {
        // The longest mount point is the nearest; of two at the same one, the later lies over the earlier.
        let over = mounts
            .iter()
            .filter(|mount| path.starts_with(&mount.mount_point));
        let nearest = over.max_by_key(|mount| mount.mount_point.as_os_str().len());
        nearest.is_some_and(|mount| mount.mount_options.contains_key(option))
    };
    match (holds(data, "noexec"), holds(Path::new("/"), "ro")) {
        (true, true) => (true, "data noexec, all else read-only".to_owned()),
        (true, false) => (false, "data noexec, but the root is writable".to_owned()),
        (false, _) => (
            false,
            "what lies in the data directory can be run: no mount namespace of its own (not started by root?)".to_owned(),
        ),
    }
}
