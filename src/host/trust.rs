//! Reading a file that decides what root does: only where nobody else could have written it.
//! Opened once and judged on the descriptor, with each directory above it; nothing that fails this is read.

use super::files::read_flags;
use super::path::Place;
use super::{Host, HostError, HostResult, Kind, Stat};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Deeper than any honest path; a directory that was moved away while we climbed ends here.
const MAX_DEPTH: usize = 256;
/// More links than any honest path has; the kernel's own limit.
const MAX_LINKS: usize = 40;
const STICKY: u32 = 0o1000;

/// Whose files count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Root's alone: what it says will be done.
    Root,
    /// Root's or the caller's own, also in a sticky directory such as `/tmp`: what it says is only judged and shown.
    Reader,
}

impl Host {
    /// The content of a file that nobody but its trusted owner can write or swap; `None` when it does not exist.
    /// Links are followed where only root could have made them. On a fake host the owner of its root directory counts
    /// as root, and the directories above it are not asked.
    pub fn read_trusted(&self, path: &Path, trust: Trust) -> HostResult<Option<Vec<u8>>> {
        let Some((path, place)) = self.trusted_place(path)? else {
            return Ok(None);
        };
        let flags = read_flags() | OFlag::O_NOFOLLOW;
        let opened = openat(
            place.parent.as_fd(),
            place.name.as_os_str(),
            flags,
            Mode::empty(),
        );
        if let Ok(file) = &opened {
            let stat = status(file, &path)?;
            if stat.kind == Kind::File {
                self.judge(&path, &stat, trust)?;
            }
            self.judge_above(&path, place.parent, trust)?;
        }
        self.read_opened(&path, opened, super::files::MAX_FILE)
    }

    /// The place of the file itself, behind whatever links root made.
    fn trusted_place(&self, path: &Path) -> HostResult<Option<(PathBuf, Place)>> {
        let mut path = path.to_path_buf();
        for _ in 0..MAX_LINKS {
            let Some(place) = self.place(&path)? else {
                return Ok(None);
            };
            let Some(target) = self.read_link(&path)? else {
                return Ok(Some((path, place)));
            };
            let ours = self.only_root_writes(&place.parent);
            if !ours.map_err(|e| HostError::errno(trusting(&path), e))? {
                return Err(HostError::refused(
                    trusting(&path),
                    "it is a link that a less privileged user could have made; name the file itself",
                ));
            }
            path = path.parent().unwrap_or(Path::new("/")).join(target);
        }
        Err(HostError::errno(trusting(&path), Errno::ELOOP))
    }

    /// Climbs by `..` from the file's directory to the host's root: the directories as they are, whatever they are called.
    fn judge_above(&self, path: &Path, parent: OwnedFd, trust: Trust) -> HostResult<()> {
        let top = identity(&self.root_fd, path)?;
        let mut here = parent;
        for _ in 0..MAX_DEPTH {
            let stat = status(&here, path)?;
            let name = self.name_of(&here);
            self.judge(&name, &stat, trust).map_err(|e| HostError {
                doing: trusting(path),
                ..e
            })?;
            if identity(&here, path)? == top {
                return Ok(());
            }
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            here = openat(here.as_fd(), "..", flags, Mode::empty())
                .map_err(|e| HostError::errno(trusting(path), e))?;
        }
        Err(HostError::refused(
            trusting(path),
            "it is not below the root directory",
        ))
    }

    /// Judges the owner and mode of a file, or of a directory above one.
    fn judge(&self, path: &Path, stat: &Stat, trust: Trust) -> HostResult<()> {
        let shown = path.display();
        let sticky = stat.kind == Kind::Dir && stat.mode & STICKY != 0;
        let what = match stat.kind {
            Kind::Dir => format!("the directory {shown}"),
            _ => "it".to_owned(),
        };
        let refuse = |why: String| Err(HostError::refused(trusting(path), why));
        if !self.is_trusted_owner(stat.uid, trust)? {
            return refuse(format!(
                "{what} is owned by uid {}, not by root; if its content is what you want: `chown root: {shown}`",
                stat.uid
            ));
        }
        let who = match stat.mode & 0o022 {
            0 => return Ok(()),
            _ if sticky && trust == Trust::Reader => return Ok(()),
            0o020 => "its group",
            0o002 => "others",
            _ => "its group and others",
        };
        let step = match sticky {
            true => "move the file to a directory of root's, such as /etc/redis-harden".to_owned(),
            false => format!("`chmod go-w {shown}`"),
        };
        refuse(format!(
            "{what} can be written by {who} (mode {:04o}); {step}",
            stat.mode
        ))
    }

    pub(super) fn is_trusted_owner(&self, uid: u32, trust: Trust) -> HostResult<bool> {
        let root = status(&self.root_fd, Path::new("/"))?;
        let caller = trust == Trust::Reader && uid == self.euid();
        Ok(uid == 0 || caller || (!self.is_live_root() && uid == root.uid))
    }

    /// What an open directory is called, for a message only.
    fn name_of(&self, dir: &OwnedFd) -> PathBuf {
        use std::os::fd::AsRawFd;
        let link = format!("/proc/self/fd/{}", dir.as_raw_fd());
        // Without /proc the message says less; the verdict does not depend on it.
        let name = std::fs::read_link(link).unwrap_or_default();
        match name.strip_prefix(self.root()) {
            Ok(below) => Path::new("/").join(below),
            Err(_) => name,
        }
    }
}

fn status(fd: &OwnedFd, path: &Path) -> HostResult<Stat> {
    fstat(fd.as_fd())
        .map(Stat::from)
        .map_err(|e| HostError::errno(trusting(path), e))
}

/// Device and inode number: what a directory is, whatever it is called.
fn identity(fd: &OwnedFd, path: &Path) -> HostResult<(u64, u64)> {
    let stat = fstat(fd.as_fd()).map_err(|e| HostError::errno(trusting(path), e))?;
    Ok((stat.st_dev, stat.st_ino))
}

fn trusting(path: &Path) -> String {
    format!("trusting {}", path.display())
}
