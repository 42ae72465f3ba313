//! Writing: regular files by temporary file, fsync, rename and fsync of the directory; kernel files by one write (`in_place`).
//! Modes and owners go through descriptors, so that nobody can swap what is being changed.

mod image;
mod in_place;

pub use image::Image;

use super::attributes::{self, Attributes};
use super::path::Place;
use super::{Host, HostError, HostResult, Kind, Stat};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod, fstat, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fsync, linkat, symlinkat, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

impl Host {
    /// Writes a regular file whole: either the old content or the new is there, whatever happens.
    pub fn write_file(
        &self,
        path: &Path,
        content: &[u8],
        mode: u32,
        uid: u32,
        gid: u32,
    ) -> HostResult<()> {
        self.write_whole(path, content, (mode, uid, gid), &Attributes::new())
    }

    fn write_whole(
        &self,
        path: &Path,
        content: &[u8],
        access: (u32, u32, u32),
        attributes: &Attributes,
    ) -> HostResult<()> {
        let fail = |e: Errno| HostError::errno(writing(path), e);
        let place = self.place_for_writing(path)?;
        let old = self.lstat_in(&place).map_err(fail)?.map(Stat::from);
        if old.is_some_and(|s| !matches!(s.kind, Kind::File | Kind::Link)) {
            return Err(HostError::refused(
                writing(path),
                "something that is not a regular file is in its place",
            ));
        }
        let temporary = temporary_name(&place);
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(
            place.parent.as_fd(),
            temporary.as_os_str(),
            flags,
            Mode::from_bits_truncate(0o600),
        )
        .map_err(fail)?;
        if let Err(e) = fill(fd, content, access, attributes) {
            take_away(&place, &temporary);
            return Err(HostError::new(writing(path), e));
        }
        put_in_place(&place, &temporary).map_err(fail)?;
        fsync(place.parent.as_fd()).map_err(fail)
    }

    /// Makes a directory (its parents must exist), or changes the owner and mode of the one that is there.
    pub fn make_dir(&self, path: &Path, mode: u32, uid: u32, gid: u32) -> HostResult<()> {
        let fail =
            |e: Errno| HostError::errno(format!("making the directory {}", path.display()), e);
        let place = self.place_for_writing(path)?;
        match mkdirat(
            place.parent.as_fd(),
            place.name.as_os_str(),
            Mode::from_bits_truncate(0o700),
        ) {
            Ok(()) => fsync(place.parent.as_fd()).map_err(fail)?,
            Err(Errno::EEXIST) => {}
            Err(e) => return Err(fail(e)),
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(
            place.parent.as_fd(),
            place.name.as_os_str(),
            flags,
            Mode::empty(),
        )
        .map_err(fail)?;
        set_access(&fd, mode, uid, gid)
            .and_then(|()| fsync(fd))
            .map_err(fail)
    }

    /// Makes a symbolic link, replacing a link or file of that name at once.
    pub fn make_link(&self, path: &Path, target: &Path) -> HostResult<()> {
        let fail = |e: Errno| {
            HostError::errno(
                format!("linking {} to {}", path.display(), target.display()),
                e,
            )
        };
        let place = self.place_for_writing(path)?;
        let temporary = temporary_name(&place);
        symlinkat(target, place.parent.as_fd(), temporary.as_os_str()).map_err(fail)?;
        put_in_place(&place, &temporary).map_err(fail)?;
        fsync(place.parent.as_fd()).map_err(fail)
    }

    /// Changes the mode and owner of a file or directory, not of what a link points at, nor of a file with a second name.
    pub fn set_access(&self, path: &Path, mode: u32, uid: u32, gid: u32) -> HostResult<()> {
        let doing = || format!("changing the owner and mode of {}", path.display());
        let fail = |e: Errno| HostError::errno(doing(), e);
        let place = self.place_for_writing(path)?;
        let stat = self.lstat_in(&place).map_err(fail)?.map(Stat::from);
        match stat {
            Some(Stat {
                kind: Kind::File,
                links: 1,
                ..
            })
            | Some(Stat {
                kind: Kind::Dir, ..
            }) => {}
            Some(_) => {
                return Err(HostError::refused(
                    doing(),
                    "it is not a directory or a file with one name",
                ));
            }
            None => return Err(fail(Errno::ENOENT)),
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let fd = openat(
            place.parent.as_fd(),
            place.name.as_os_str(),
            flags,
            Mode::empty(),
        )
        .map_err(fail)?;
        let opened = Stat::from(fstat(fd.as_fd()).map_err(fail)?);
        let same = stat.is_some_and(|s| s.kind == opened.kind)
            && (opened.kind == Kind::Dir || opened.links == 1);
        if !same {
            return Err(HostError::refused(
                doing(),
                "it was swapped while we looked",
            ));
        }
        set_access(&fd, mode, uid, gid)
            .and_then(|()| fsync(fd))
            .map_err(fail)
    }

    /// Removes a file, a link or an empty directory; nothing there is no error.
    pub fn remove(&self, path: &Path) -> HostResult<()> {
        let fail = |e: Errno| HostError::errno(format!("removing {}", path.display()), e);
        let Some(place) = self.place(path)? else {
            return Ok(());
        };
        let Some(stat) = self.lstat_in(&place).map_err(fail)?.map(Stat::from) else {
            return Ok(());
        };
        let flag = if stat.kind == Kind::Dir {
            UnlinkatFlags::RemoveDir
        } else {
            UnlinkatFlags::NoRemoveDir
        };
        unlinkat(place.parent.as_fd(), place.name.as_os_str(), flag).map_err(fail)?;
        fsync(place.parent.as_fd()).map_err(fail)
    }

    /// Moves a file to another name, on the same file system.
    pub fn rename(&self, from: &Path, to: &Path) -> HostResult<()> {
        let fail = |e: Errno| {
            HostError::errno(format!("moving {} to {}", from.display(), to.display()), e)
        };
        let (old, new) = (self.place_for_writing(from)?, self.place_for_writing(to)?);
        renameat(
            old.parent.as_fd(),
            old.name.as_os_str(),
            new.parent.as_fd(),
            new.name.as_os_str(),
        )
        .map_err(fail)?;
        fsync(new.parent.as_fd()).map_err(fail)?;
        fsync(old.parent.as_fd()).map_err(fail)
    }

    /// Gives a file or a link a second name on the same file system; a name that is taken is an error.
    pub fn hard_link(&self, from: &Path, to: &Path) -> HostResult<()> {
        let fail = |e: Errno| {
            HostError::errno(
                format!("naming {} also {}", from.display(), to.display()),
                e,
            )
        };
        let (old, new) = (self.place_for_writing(from)?, self.place_for_writing(to)?);
        linkat(
            old.parent.as_fd(),
            old.name.as_os_str(),
            new.parent.as_fd(),
            new.name.as_os_str(),
            AtFlags::empty(),
        )
        .map_err(fail)?;
        fsync(new.parent.as_fd()).map_err(fail)
    }

    fn place_for_writing(&self, path: &Path) -> HostResult<Place> {
        self.place(path)?.ok_or_else(|| {
            HostError::refused(
                writing(path),
                format!("its directory {} does not exist", parent(path).display()),
            )
        })
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn writing(path: &Path) -> String {
    format!("writing {}", path.display())
}

/// A name that marks the file as ours and unfinished.
fn temporary_name(place: &Place) -> OsString {
    let mut name = OsString::from(".");
    name.push(&place.name);
    name.push(format!(".redis-harden.{}", std::process::id()));
    // One process writes one file at a time, so a name that is taken is a crash's left-over with our pid.
    let _ = unlinkat(
        place.parent.as_fd(),
        name.as_os_str(),
        UnlinkatFlags::NoRemoveDir,
    );
    name
}

/// Gives the finished temporary file its name, in place of what has it.
fn put_in_place(place: &Place, temporary: &OsStr) -> Result<(), Errno> {
    let dir = place.parent.as_fd();
    let moved = renameat(dir, temporary, dir, place.name.as_os_str());
    if moved.is_err() {
        take_away(place, temporary);
    }
    moved
}

/// The write has failed already, and that is the error to report; a left-over temporary file is swept by name.
fn take_away(place: &Place, temporary: &OsStr) {
    let _ = unlinkat(place.parent.as_fd(), temporary, UnlinkatFlags::NoRemoveDir);
}

fn fill(
    fd: OwnedFd,
    content: &[u8],
    (mode, uid, gid): (u32, u32, u32),
    attributes: &Attributes,
) -> std::io::Result<()> {
    let mut file = File::from(fd);
    file.write_all(content)?;
    set_access(&file, mode, uid, gid)?;
    attributes::write(&file, attributes)?;
    file.sync_all()
}

/// Owner first: a chown clears the set-id bits that the mode then sets.
fn set_access(fd: &impl AsFd, mode: u32, uid: u32, gid: u32) -> Result<(), Errno> {
    let stat = Stat::from(fstat(fd.as_fd())?);
    if (stat.uid, stat.gid) != (uid, gid) {
        fchown(
            fd.as_fd(),
            Some(Uid::from_raw(uid)),
            Some(Gid::from_raw(gid)),
        )?;
    }
    fchmod(fd.as_fd(), Mode::from_bits_truncate(mode))
}
