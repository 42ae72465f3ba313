//! Reading a file that somebody less privileged may have named: what he could not read himself is not read for him.

use super::files::{MAX_FILE, read_flags};
use super::{Host, HostError, HostResult, Kind, Stat, Trust};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::fstat;
use std::os::fd::AsFd;
use std::path::Path;

const STICKY: u32 = 0o1000;

/// Who beside root may have said what is read next.
#[derive(Clone, Debug, Default)]
pub struct Sayers(Vec<Sayer>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sayer {
    /// An owner, with his group.
    User(u32, u32),
    /// Whoever is in a group.
    Group(u32),
    Anybody,
}

impl Sayer {
    fn may_read(self, file: &Stat) -> bool {
        let by = |bit: u32| file.mode & bit != 0;
        match self {
            Sayer::User(uid, _) if uid == file.uid => by(0o400),
            Sayer::User(_, gid) | Sayer::Group(gid) if gid == file.gid => by(0o040),
            _ => by(0o004),
        }
    }
}

impl Host {
    /// The content of a regular file, no link followed, as far as all of `sayers` could read it; `None` when there is none. Whoever could
    /// have written or swapped it has a say from then on. Source: the kernel's own rule, path_resolution(7), permissions.
    pub fn read_named(&self, path: &Path, sayers: &mut Sayers) -> HostResult<Option<Vec<u8>>> {
        let reading = || format!("reading {}", path.display());
        // Before it is opened: a directory that is another's stays so.
        for above in path.ancestors().filter(|above| above.parent().is_some()) {
            if let Some(stat) = self.stat(above)? {
                self.add(&stat, sayers)?;
            }
        }
        let Some(place) = self.place(path)? else {
            return Ok(None);
        };
        let flags = read_flags() | OFlag::O_NOFOLLOW;
        let name = place.name.as_os_str();
        let opened = openat(
            place.parent.as_fd(),
            name,
            flags,
            nix::sys::stat::Mode::empty(),
        );
        if let Ok(file) = &opened {
            let stat = fstat(file.as_fd()).map_err(|e| HostError::errno(reading(), e))?;
            let stat = Stat::from(stat);
            // Whoever is not root lends nobody more than he may himself, and in a pod nothing is above the server's own user.
            let lends = self.euid() == 0;
            if lends && !sayers.0.iter().all(|sayer| sayer.may_read(&stat)) {
                let why = "somebody who may not read it himself could have named it";
                return Err(HostError::refused(reading(), why));
            }
            self.add(&stat, sayers)?;
        }
        self.read_opened(path, opened, MAX_FILE)
    }

    fn add(&self, stat: &Stat, sayers: &mut Sayers) -> HostResult<()> {
        // What a link says, its directory's owner has said.
        if stat.kind == Kind::Link {
            return Ok(());
        }
        let is_roots = self.is_trusted_owner(stat.uid, Trust::Reader)?;
        let sticky = stat.kind == Kind::Dir && stat.mode & STICKY != 0;
        let sayer = match stat.mode & 0o022 {
            _ if !is_roots => Sayer::User(stat.uid, stat.gid),
            0 => return Ok(()),
            _ if sticky => return Ok(()),
            0o020 if stat.gid == 0 => return Ok(()),
            0o020 => Sayer::Group(stat.gid),
            _ => Sayer::Anybody,
        };
        if !sayers.0.contains(&sayer) {
            sayers.0.push(sayer);
        }
        Ok(())
    }
}

impl Sayers {
    /// A user with his group; root's word needs no other's leave.
    pub fn user(uid: u32, gid: u32) -> Sayers {
        let who = (uid != 0).then_some(Sayer::User(uid, gid));
        Sayers(who.into_iter().collect())
    }

    /// Whether root alone has said all so far.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_read_is_as_the_kernel_has_it() {
        let file = |uid, gid, mode| Stat {
            kind: Kind::File,
            mode,
            uid,
            gid,
            links: 1,
            size: 0,
            device: 0,
            inode: 0,
            modified: (0, 0),
        };
        for (sayer, file, may) in [
            (Sayer::User(5, 6), file(0, 42, 0o640), false),
            (Sayer::User(5, 6), file(0, 6, 0o640), true),
            (Sayer::User(5, 6), file(5, 0, 0o600), true),
            (Sayer::User(5, 6), file(5, 0, 0o044), false),
            (Sayer::User(5, 6), file(0, 0, 0o644), true),
            (Sayer::Group(6), file(0, 6, 0o604), false),
            (Sayer::Group(6), file(5, 7, 0o640), false),
            (Sayer::Anybody, file(0, 0, 0o640), false),
            (Sayer::Anybody, file(0, 0, 0o644), true),
        ] {
            assert_eq!(sayer.may_read(&file), may, "{sayer:?} {file:?}");
        }
    }
}
