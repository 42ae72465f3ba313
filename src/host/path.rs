//! From a host path to a descriptor of its parent directory, one component at a time.
//! A link is followed only where nobody but root could have put it.

use super::{Host, HostError, HostResult, relative};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// How a directory on the way is opened.
const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// More links than any honest path has; the kernel's own limit.
const MAX_LINKS: usize = 40;

/// A path's parent directory, held open, and its last component.
pub(super) struct Place {
    pub parent: OwnedFd,
    pub name: OsString,
}

impl Host {
    /// Opens the parent of `path`, refusing links in directories that a less privileged user can write.
    /// `Ok(None)` when a directory on the way does not exist.
    pub(super) fn place(&self, path: &Path) -> HostResult<Option<Place>> {
        let doing = || format!("reaching {}", path.display());
        let name = path
            .file_name()
            .ok_or_else(|| HostError::refused(doing(), "it names no file"))?
            .to_os_string();
        let parent = path.parent().unwrap_or(Path::new("/"));
        Ok(self.walk(parent)?.map(|parent| Place { parent, name }))
    }

    /// Opens a directory: at once where no link is on the way, else component by component.
    pub(super) fn walk(&self, path: &Path) -> HostResult<Option<OwnedFd>> {
        match self.without_links(path) {
            Ok(dir) => Ok(Some(dir)),
            Err(Errno::ENOENT) => Ok(None),
            // A link, a directory that may only be searched, a rename meanwhile, an old kernel: step by step.
            Err(_) => self.step_by_step(path),
        }
    }

    /// The kernel's own walk, which refuses each link. `..` is left to ours, which stays below the root.
    fn without_links(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let below = relative(path);
        if below.as_os_str().is_empty() || below.components().any(|c| c == Component::ParentDir) {
            return Err(Errno::EXDEV);
        }
        let how = OpenHow::new()
            .flags(DIRECTORY)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_BENEATH);
        openat2(self.root_fd.as_fd(), below, how)
    }

    fn step_by_step(&self, path: &Path) -> HostResult<Option<OwnedFd>> {
        let doing = || format!("reaching {}", path.display());
        let fail = |e: Errno| HostError::errno(doing(), e);
        let mut links = 0;
        let mut todo: Vec<OsString> = components(path);
        let mut at = vec![
            self.root_fd
                .try_clone()
                .map_err(|e| HostError::new(doing(), e))?,
        ];
        while let Some(name) = todo.pop() {
            let Some(here) = at.last() else { break };
            if name == ".." {
                // The root's parent is the root: an absolute link in an image stays in the image.
                if at.len() > 1 {
                    at.pop();
                }
                continue;
            }
            match open_dir(here, &name) {
                Ok(next) => at.push(next),
                Err(Errno::ENOENT) => return Ok(None),
                Err(Errno::ENOTDIR | Errno::ELOOP) => {
                    let target = match readlinkat(here.as_fd(), name.as_os_str()) {
                        Ok(target) => PathBuf::from(target),
                        Err(_) => return Err(fail(Errno::ENOTDIR)),
                    };
                    if !self.only_root_writes(here).map_err(fail)? {
                        return Err(HostError::refused(
                            doing(),
                            format!(
                                "{:?} is a link that a less privileged user could have made",
                                name
                            ),
                        ));
                    }
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(fail(Errno::ELOOP));
                    }
                    if target.is_absolute() {
                        at.truncate(1);
                    }
                    todo.extend(components(&target));
                }
                Err(e) => return Err(fail(e)),
            }
        }
        Ok(at.pop())
    }

    /// Whether nobody but root (on a fake host: its owner) can create names in this directory.
    pub(super) fn only_root_writes(&self, dir: &OwnedFd) -> Result<bool, Errno> {
        let root = fstat(self.root_fd.as_fd())?;
        let stat = fstat(dir.as_fd())?;
        Ok(owned_by_root(&stat, &root) && stat.st_mode & 0o022 == 0)
    }

    /// `lstat` by the safe walk; `None` when it, or a directory on the way, is absent.
    pub(super) fn lstat_in(&self, place: &Place) -> Result<Option<FileStat>, Errno> {
        match fstatat(
            place.parent.as_fd(),
            place.name.as_os_str(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Root's, or the owner's of the tree's root: an unprivileged test owns its fake host.
fn owned_by_root(stat: &FileStat, root: &FileStat) -> bool {
    stat.st_uid == 0 || stat.st_uid == root.st_uid
}

/// The components in reverse, so that the next one is popped off the end.
fn components(path: &Path) -> Vec<OsString> {
    let mut names: Vec<OsString> = path
        .components()
        .filter_map(|c| match c {
            Component::Normal(name) => Some(name.to_os_string()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect();
    names.reverse();
    names
}

fn open_dir(at: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    match openat(at.as_fd(), name, DIRECTORY, Mode::empty()) {
        // A directory that may be searched but not listed (mode 0711, as an ordinary user).
        Err(Errno::EACCES) => openat(at.as_fd(), name, DIRECTORY | OFlag::O_PATH, Mode::empty()),
        other => other,
    }
}
