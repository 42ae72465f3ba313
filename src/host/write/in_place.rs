//! Files that are written where they are, and never replaced: those of the kernel, and ours that only grow.

use crate::host::{Host, HostError, HostResult};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::fsync;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

impl Host {
    /// Writes a kernel file (`/proc/sys`, `/sys`): one write, nothing created.
    pub fn write_kernel(&self, path: &Path, text: &str) -> HostResult<()> {
        let doing = || format!("writing {:?} to {}", text.trim_end(), path.display());
        let place = self.place_for_writing(path)?;
        let flags = OFlag::O_WRONLY | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(
            place.parent.as_fd(),
            place.name.as_os_str(),
            flags,
            Mode::empty(),
        )
        .map_err(|e| HostError::errno(doing(), e))?;
        File::from(fd)
            .write_all(text.as_bytes())
            .map_err(|e| HostError::new(doing(), e))
    }

    /// Appends to a file of ours and syncs it; created 0600.
    pub fn append(&self, path: &Path, text: &[u8]) -> HostResult<()> {
        let doing = || format!("appending to {}", path.display());
        let place = self.place_for_writing(path)?;
        let flags = OFlag::O_WRONLY
            | OFlag::O_APPEND
            | OFlag::O_CREAT
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC;
        let fd = openat(
            place.parent.as_fd(),
            place.name.as_os_str(),
            flags,
            Mode::from_bits_truncate(0o600),
        )
        .map_err(|e| HostError::errno(doing(), e))?;
        let mut file = File::from(fd);
        let length = file
            .metadata()
            .map_err(|e| HostError::new(doing(), e))?
            .len();
        let written = file.write_all(text).and_then(|()| file.sync_data());
        if written.is_err() {
            // A full disk must not leave half a line; where this fails too, the reader knows a torn line.
            let _ = file.set_len(length);
        }
        written.map_err(|e| HostError::new(doing(), e))?;
        if length == 0 {
            // The file itself is new, and its name has to last as well.
            fsync(place.parent.as_fd()).map_err(|e| HostError::errno(doing(), e))?;
        }
        Ok(())
    }
}
