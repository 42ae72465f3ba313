//! The only door to the system: files, programs and kernel values, below a root that may be `/`, an image or a test's directory.
//! It follows no link that a less privileged user could have planted, and turns no error into a default.
#![expect(
    clippy::disallowed_methods,
    reason = "this module is the door that the others are kept behind"
)]

mod addresses;
mod attributes;
mod files;
mod kernel_log;
mod lock;
mod locks;
mod named;
mod namespaces;
mod netlink;
mod nftables;
mod path;
mod programs;
mod sockets;
mod system_log;
mod trust;
mod write;

pub use attributes::Attributes;
pub use files::{Kind, Stat};
pub use lock::Lock;
pub use locks::Holder;
pub use named::Sayers;
pub use namespaces::Network;
pub use programs::{Begun, Output, Run};
pub use sockets::Door;
pub use system_log::LogEntry;
pub use trust::Trust;
pub use write::Image;

use nix::errno::Errno;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How far a host can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A running system: kernel values, programs and processes as well as files.
    Running,
    /// Files only; the text says why (an offline tree, a chroot, a maintainer script without systemd).
    FilesOnly(String),
}

/// A host: a root directory, and how far it can be reached.
#[derive(Debug)]
pub struct Host {
    root: PathBuf,
    root_fd: OwnedFd,
    reach: Reach,
}

/// Something that could not be read, written or run: what we were doing, and the system's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostError {
    /// What we were doing, on what.
    pub doing: String,
    /// The system's error number, where it gave one.
    pub errno: Option<Errno>,
    /// The cause in words.
    pub cause: String,
}

/// The result of anything asked of a host.
pub type HostResult<T> = Result<T, HostError>;

/// Takes root's usual umask, whatever the caller's was: package scripts and other programs inherit it.
pub fn usual_umask() {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
}

impl Host {
    /// The running system.
    pub fn live() -> HostResult<Host> {
        Host::at(Path::new("/"), Reach::Running)
    }

    /// The tree below `root`, reached as `reach` says. A test's fake host is a directory that is `Reach::Running`.
    pub fn at(root: &Path, reach: Reach) -> HostResult<Host> {
        let doing = || format!("opening the root {}", root.display());
        let opened = File::open(root).map_err(|e| HostError::new(doing(), e))?;
        if !opened.metadata().is_ok_and(|m| m.is_dir()) {
            return Err(HostError::errno(doing(), Errno::ENOTDIR));
        }
        Ok(Host {
            root: name_of(root, &opened).map_err(|e| HostError::new(doing(), e))?,
            root_fd: opened.into(),
            reach,
        })
    }

    /// How far it can be reached.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Whether it is a running system.
    pub fn is_running(&self) -> bool {
        self.reach == Reach::Running
    }

    /// Whether it is this machine's own root, not a tree below it.
    pub fn is_live_root(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The root directory, for messages.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The place of a host path on this machine: for a child process that does not know our root.
    pub fn real(&self, path: &Path) -> PathBuf {
        self.root.join(relative(path))
    }

    /// The effective user id of this process.
    pub fn euid(&self) -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    /// The credentials of the unit that this process runs in, where it does. Source: systemd.exec(5), `$CREDENTIALS_DIRECTORY`.
    pub fn credentials_directory(&self) -> Option<PathBuf> {
        let given = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        given.filter(|dir| self.is_live_root() && dir.is_absolute())
    }

    /// Seconds and nanoseconds of the wall clock, as a timestamp.
    pub fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// The name of an open root without links; `/proc/PID/root`, which no other name reaches, stays as it is.
fn name_of(root: &Path, opened: &File) -> io::Result<PathBuf> {
    let wanted = opened.metadata()?;
    let same = |path: &PathBuf| {
        path.metadata()
            .is_ok_and(|m| (m.dev(), m.ino()) == (wanted.dev(), wanted.ino()))
    };
    match root.canonicalize() {
        Ok(canonical) if same(&canonical) => Ok(canonical),
        _ => std::path::absolute(root),
    }
}

/// A host path without its leading slash.
fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

impl HostError {
    /// An error of the system's while `doing`.
    pub fn new(doing: impl Into<String>, error: io::Error) -> HostError {
        let errno = error.raw_os_error().map(Errno::from_raw);
        let cause = errno.map_or_else(|| error.to_string(), describe);
        HostError {
            doing: doing.into(),
            errno,
            cause,
        }
    }

    /// An error that the system gave as a number.
    pub fn errno(doing: impl Into<String>, errno: Errno) -> HostError {
        HostError {
            doing: doing.into(),
            errno: Some(errno),
            cause: describe(errno),
        }
    }

    /// A refusal of ours.
    pub fn refused(doing: impl Into<String>, cause: impl Into<String>) -> HostError {
        HostError {
            doing: doing.into(),
            errno: None,
            cause: cause.into(),
        }
    }

    /// Whether the system denied it to this user.
    pub fn is_denied(&self) -> bool {
        matches!(self.errno, Some(Errno::EACCES | Errno::EPERM))
    }

    /// Whether it is out of reach even for root here: a read-only mount, or a right that root lacks.
    pub fn is_beyond_this_host(&self) -> bool {
        matches!(
            self.errno,
            Some(Errno::EROFS | Errno::EACCES | Errno::EPERM)
        )
    }
}

/// The errno in words and by name, lower case, with the next step where there is one.
fn describe(errno: Errno) -> String {
    let name = format!("{errno:?}");
    let words = errno.desc().to_lowercase();
    match errno {
        Errno::EACCES | Errno::EPERM if !nix::unistd::geteuid().is_root() => {
            format!("{words} ({name}; run as root?)")
        }
        _ => format!("{words} ({name})"),
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.cause)
    }
}

impl std::error::Error for HostError {}
