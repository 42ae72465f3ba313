//! Reading files: whole, bounded, and never a device or a FIFO that somebody put in a file's place.

use super::{Host, HostError, HostResult, relative};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::sys::statvfs::FsFlags;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// No configuration, status or journal file is larger, nor our own binary with its debug information; a sparse giant in its place
/// is refused.
pub(super) const MAX_FILE: u64 = 256 << 20;

/// What is read of a file without a size in one piece.
const KERNEL_FILE: usize = 2048;

/// A machine that renames without pause must not keep us from reading.
const MAX_TRIES: usize = 128;

/// What kind of inode it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Dir,
    Link,
    Other,
}

/// An inode's attributes, links not followed.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    pub kind: Kind,
    /// Permission bits, `0o7777`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub links: u64,
    /// Bytes.
    pub size: u64,
    pub device: u64,
    pub inode: u64,
    /// Seconds and nanoseconds of the last change of its content.
    pub modified: (i64, i64),
}

impl Host {
    /// A file's content; `None` when it does not exist. Links that root made are followed.
    pub fn read(&self, path: &Path) -> HostResult<Option<Vec<u8>>> {
        self.read_below(path, MAX_FILE)
    }

    /// The same of a file that is never longer than `most` bytes; a longer one is refused unread.
    pub fn read_below(&self, path: &Path, most: u64) -> HostResult<Option<Vec<u8>>> {
        self.read_opened(path, self.open_trusted(path), most)
    }

    /// A file's content as text.
    pub fn read_text(&self, path: &Path) -> HostResult<Option<String>> {
        let Some(bytes) = self.read(path)? else {
            return Ok(None);
        };
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| HostError::refused(reading(path), "it is not UTF-8 text"))
    }

    /// The first line of a file of the kernel's that `find` takes something from. Nothing is read after it: each piece of a long
    /// table costs the kernel a walk through all of it.
    pub fn find_line<T>(
        &self,
        path: &Path,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> HostResult<Option<T>> {
        let fd = match self.open_trusted(path) {
            Ok(fd) => fd,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            Err(e) => return Err(HostError::errno(reading(path), e)),
        };
        let lines = BufReader::with_capacity(32 << 10, File::from(fd)).lines();
        for line in lines {
            let line = line.map_err(|e| HostError::new(reading(path), e))?;
            if let Some(found) = find(&line) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A file in a directory that a less privileged user can write: no link is followed, and nothing but a regular file is read.
    pub fn read_untrusted(&self, path: &Path) -> HostResult<Option<Vec<u8>>> {
        self.read_untrusted_below(path, MAX_FILE)
    }

    /// The same of a file that is never longer than `most` bytes; a longer one is refused unread.
    pub fn read_untrusted_below(&self, path: &Path, most: u64) -> HostResult<Option<Vec<u8>>> {
        let Some(place) = self.place(path)? else {
            return Ok(None);
        };
        let flags = read_flags() | OFlag::O_NOFOLLOW;
        let opened = openat(
            place.parent.as_fd(),
            place.name.as_os_str(),
            flags,
            Mode::empty(),
        );
        self.read_opened(path, opened, most)
    }

    /// The first bytes of a regular file, no link followed; `None` when there is none.
    pub fn read_head(&self, path: &Path, most: u64) -> HostResult<Option<Vec<u8>>> {
        let Some(file) = self.open_regular(path)? else {
            return Ok(None);
        };
        let mut head = Vec::new();
        let read = file.take(most).read_to_end(&mut head);
        read.map_err(|e| HostError::new(reading(path), e))?;
        Ok(Some(head))
    }

    fn open_regular(&self, path: &Path) -> HostResult<Option<File>> {
        let Some(place) = self.place(path)? else {
            return Ok(None);
        };
        let flags = read_flags() | OFlag::O_NOFOLLOW;
        let name = place.name.as_os_str();
        let fd = match openat(place.parent.as_fd(), name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::ENOENT | Errno::ELOOP) => return Ok(None),
            Err(e) => return Err(HostError::errno(reading(path), e)),
        };
        let stat = fstat(fd.as_fd()).map_err(|e| HostError::errno(reading(path), e))?;
        if Stat::from(stat).kind != Kind::File {
            return Ok(None);
        }
        Ok(Some(File::from(fd)))
    }

    /// The last bytes of a regular file, no link followed; `None` when there is none.
    pub fn read_tail(&self, path: &Path, most: u64) -> HostResult<Option<Vec<u8>>> {
        let Some(file) = self.open_regular(path)? else {
            return Ok(None);
        };
        let fail = |e| HostError::new(reading(path), e);
        let size = file.metadata().map_err(fail)?.len();
        let mut tail = Vec::new();
        let mut end = &file;
        end.seek(SeekFrom::Start(size.saturating_sub(most)))
            .map_err(fail)?;
        end.take(most).read_to_end(&mut tail).map_err(fail)?;
        Ok(Some(tail))
    }

    /// Attributes of the inode itself; `None` when it does not exist.
    pub fn stat(&self, path: &Path) -> HostResult<Option<Stat>> {
        if path == Path::new("/") {
            let stat =
                fstat(self.root_fd.as_fd()).map_err(|e| HostError::errno(looking(path), e))?;
            return Ok(Some(Stat::from(stat)));
        }
        let Some(place) = self.place(path)? else {
            return Ok(None);
        };
        let stat = self
            .lstat_in(&place)
            .map_err(|e| HostError::errno(looking(path), e))?;
        Ok(stat.map(Stat::from))
    }

    /// Whether an inode is root's, or on a fake host that of whoever owns its root.
    pub fn is_roots(&self, stat: &Stat) -> bool {
        let root = fstat(self.root_fd.as_fd());
        stat.uid == 0 || root.is_ok_and(|root| root.st_uid == stat.uid)
    }

    /// Attributes of what a path leads to, links followed; `None` when it does not exist.
    pub fn stat_target(&self, path: &Path) -> HostResult<Option<Stat>> {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let opened = match self.open_following(path, flags) {
            Ok(fd) => fd,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            Err(e) => return Err(HostError::errno(looking(path), e)),
        };
        let stat = fstat(opened.as_fd()).map_err(|e| HostError::errno(looking(path), e))?;
        Ok(Some(Stat::from(stat)))
    }

    /// The names in a directory, sorted; empty when it does not exist.
    pub fn list(&self, path: &Path) -> HostResult<Vec<String>> {
        let doing = || format!("listing {}", path.display());
        let Some(dir) = self.walk(path)? else {
            return Ok(Vec::new());
        };
        // A directory that may only be searched was opened for that, and says "denied" no sooner than when it is opened to be listed.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut dir = nix::dir::Dir::openat(dir.as_fd(), ".", flags, Mode::empty())
            .map_err(|e| HostError::errno(doing(), e))?;
        let mut names = Vec::new();
        for entry in dir.iter() {
            let entry = entry.map_err(|e| HostError::errno(doing(), e))?;
            // No file of ours has a name that is not UTF-8; a strange one is still to be seen.
            match entry.file_name().to_string_lossy().as_ref() {
                "." | ".." => {}
                name => names.push(name.to_owned()),
            }
        }
        names.sort();
        Ok(names)
    }

    /// A link's target; `None` when there is nothing, or something else than a link.
    pub fn read_link(&self, path: &Path) -> HostResult<Option<PathBuf>> {
        let Some(place) = self.place(path)? else {
            return Ok(None);
        };
        match nix::fcntl::readlinkat(place.parent.as_fd(), place.name.as_os_str()) {
            Ok(target) => Ok(Some(target.into())),
            Err(Errno::ENOENT | Errno::EINVAL) => Ok(None),
            Err(e) => Err(HostError::errno(
                format!("reading the link {}", path.display()),
                e,
            )),
        }
    }

    /// The names of a running process's descriptor or root links, which no walk can open: `/proc/PID/exe` and its like.
    pub fn read_magic_link(&self, path: &Path) -> HostResult<Option<PathBuf>> {
        match std::fs::read_link(self.real(path)) {
            Ok(target) => Ok(Some(target)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(HostError::new(
                format!("reading the link {}", path.display()),
                e,
            )),
        }
    }

    /// A file of this machine, whatever the host's root is: our own binary.
    pub fn own_file(&self, path: &Path) -> HostResult<Vec<u8>> {
        std::fs::read(path).map_err(|e| HostError::new(reading(path), e))
    }

    /// Whether two paths are one inode, links of the kernel's followed.
    pub fn same_inode(&self, a: &Path, b: &Path) -> HostResult<bool> {
        let inode = |path: &Path| {
            let stat = nix::sys::stat::stat(&self.real(path))
                .map_err(|e| HostError::errno(looking(path), e))?;
            Ok((stat.st_dev, stat.st_ino))
        };
        Ok(inode(a)? == inode(b)?)
    }

    /// Free bytes for an unprivileged user on the file system that holds `path`.
    pub fn free_space(&self, path: &Path) -> HostResult<u64> {
        let stat = nix::sys::statvfs::statvfs(&self.real(path)).map_err(|e| {
            HostError::errno(
                format!("asking for the free space of {}", path.display()),
                e,
            )
        })?;
        Ok(stat.blocks_available() as u64 * stat.fragment_size() as u64)
    }

    /// Whether it lies on a mount that nobody writes to; one that does not tell is none.
    pub fn is_read_only(&self, path: &Path) -> bool {
        let stat = nix::sys::statvfs::statvfs(&self.real(path));
        stat.is_ok_and(|stat| stat.flags().contains(FsFlags::ST_RDONLY))
    }

    /// Whether this process could write the file, as far as permissions and the mount say.
    pub fn may_write(&self, path: &Path) -> Result<(), Errno> {
        nix::unistd::access(&self.real(path), nix::unistd::AccessFlags::W_OK)
    }

    pub(super) fn open_trusted(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.open_following(path, read_flags())
    }

    fn open_following(&self, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
        if self.is_live_root() {
            return open(path, flags, Mode::empty());
        }
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        for _ in 1..MAX_TRIES {
            match openat2(self.root_fd.as_fd(), relative(path), how) {
                // openat2(2): a rename or mount anywhere while a `..` was resolved; asking again is the answer.
                Err(Errno::EAGAIN) => std::thread::yield_now(),
                other => return other,
            }
        }
        openat2(self.root_fd.as_fd(), relative(path), how)
    }

    pub(super) fn read_opened(
        &self,
        path: &Path,
        opened: Result<OwnedFd, Errno>,
        most: u64,
    ) -> HostResult<Option<Vec<u8>>> {
        let fd = match opened {
            Ok(fd) => fd,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            Err(e) => return Err(HostError::errno(reading(path), e)),
        };
        let stat = Stat::from(fstat(fd.as_fd()).map_err(|e| HostError::errno(reading(path), e))?);
        if stat.kind != Kind::File {
            return Err(HostError::refused(
                reading(path),
                "it is not a regular file",
            ));
        }
        if stat.size > most {
            return Err(too_large(path, most));
        }
        // The kernel's own files have no size, and seldom more than this.
        let room = usize::try_from(stat.size).unwrap_or(0) + 1;
        let mut content = Vec::with_capacity(room.max(KERNEL_FILE));
        let read = File::from(fd).take(most + 1).read_to_end(&mut content);
        read.map_err(|e| HostError::new(reading(path), e))?;
        if content.len() as u64 > most {
            return Err(too_large(path, most));
        }
        Ok(Some(content))
    }
}

/// Opening a FIFO must not wait, nor a terminal become ours.
pub(super) fn read_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY
}

fn reading(path: &Path) -> String {
    format!("reading {}", path.display())
}

fn looking(path: &Path) -> String {
    format!("looking at {}", path.display())
}

impl From<FileStat> for Stat {
    fn from(stat: FileStat) -> Stat {
        let kind = match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFREG => Kind::File,
            SFlag::S_IFDIR => Kind::Dir,
            SFlag::S_IFLNK => Kind::Link,
            _ => Kind::Other,
        };
        Stat {
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            links: links(&stat),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            device: stat.st_dev,
            inode: stat.st_ino,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
        }
    }
}

/// 32 bits wide on arm64.
#[allow(clippy::useless_conversion, reason = "not where it is 64 bits wide")]
fn links(stat: &FileStat) -> u64 {
    stat.st_nlink.into()
}

fn too_large(path: &Path, most: u64) -> HostError {
    HostError::refused(
        reading(path),
        format!("it is larger than {} KiB", most >> 10),
    )
}
