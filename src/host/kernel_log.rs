//! What the kernel has said since it started, as far as its ring still holds it. Source: Documentation/ABI/testing/dev-kmsg.

use super::{Host, HostError, HostResult};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The longest record. Source: `CONSOLE_EXT_LOG_MAX`, kernel/printk/printk.c.
const RECORD: usize = 8 << 10;

impl Host {
    /// Its records, the oldest first.
    ///
    /// # Errors
    /// Where there is no such device (a container), or it may not be read (`kernel.dmesg_restrict`).
    pub fn kernel_log(&self) -> HostResult<Vec<String>> {
        let path = self.real(Path::new("/dev/kmsg"));
        let fail = |e| HostError::new("reading the kernel's log", e);
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW;
        let mut device = File::options()
            .read(true)
            .custom_flags(flags)
            .open(path)
            .map_err(fail)?;
        let mut records = Vec::new();
        let mut record = vec![0; RECORD];
        loop {
            match device.read(&mut record) {
                Ok(0) => return Ok(records),
                Ok(length) => {
                    let text = record.get(..length).unwrap_or_default();
                    records.push(String::from_utf8_lossy(text).into_owned());
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(records),
                // The ring has gone round meanwhile: the next one is there.
                Err(e) if e.kind() == ErrorKind::BrokenPipe => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(fail(e)),
            }
        }
    }
}
