//! A lock that dies with its holder, and says who that is.

use super::{Host, HostError, HostResult};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat};
use nix::sys::stat::Mode;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// Held until dropped; the kernel releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

impl Host {
    /// Takes the lock, waiting up to `patience`. `holder` is what another process is told of us.
    pub fn lock(&self, path: &Path, holder: &str, patience: Duration) -> HostResult<Lock> {
        let doing = || format!("taking the lock {}", path.display());
        let deadline = Instant::now() + patience;
        let place = self
            .place(path)?
            .ok_or_else(|| HostError::errno(doing(), Errno::ENOENT))?;
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(
            place.parent.as_fd(),
            place.name.as_os_str(),
            flags,
            Mode::from_bits_truncate(0o600),
        )
        .map_err(|e| HostError::errno(doing(), e))?;
        let mut file = File::from(fd);
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(mut locked) => {
                    sign(&mut locked, holder).map_err(|e| HostError::new(doing(), e))?;
                    return Ok(Lock { _file: locked });
                }
                Err((mut unlocked, Errno::EWOULDBLOCK)) => {
                    if Instant::now() >= deadline {
                        let who = holder_of(&mut unlocked);
                        let cause = format!("{who} holds it (wait longer with --lock-timeout)");
                        return Err(HostError::refused(doing(), cause));
                    }
                    file = unlocked;
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err((_, e)) => return Err(HostError::errno(doing(), e)),
            }
        }
    }

    /// Whether somebody holds it. Nothing is written, nor waited for.
    pub fn is_locked(&self, path: &Path) -> HostResult<bool> {
        let doing = || format!("looking at the lock {}", path.display());
        let Some(place) = self.place(path)? else {
            return Ok(false);
        };
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let name = place.name.as_os_str();
        let fd = match openat(place.parent.as_fd(), name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::ENOENT) => return Ok(false),
            Err(e) => return Err(HostError::errno(doing(), e)),
        };
        match Flock::lock(File::from(fd), FlockArg::LockSharedNonblock) {
            Ok(_) => Ok(false),
            Err((_, Errno::EWOULDBLOCK)) => Ok(true),
            Err((_, e)) => Err(HostError::errno(doing(), e)),
        }
    }
}

fn sign(file: &mut File, holder: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(holder.as_bytes())
}

fn holder_of(file: &mut File) -> String {
    let mut text = String::new();
    // Who it is, is a courtesy; that it is held, is known.
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    match read {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}
