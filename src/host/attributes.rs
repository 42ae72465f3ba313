//! Extended attributes of a file: its ACL, its capabilities, its label, and what its owner noted. They belong to the inode, and a
//! file that is replaced loses them unless they are put onto the new one.

use super::path::Place;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
use std::collections::BTreeMap;
use std::os::fd::AsFd;

/// By name, such as `system.posix_acl_access`.
pub type Attributes = BTreeMap<String, Vec<u8>>;

/// What a rollback can put back; the others are the kernel's to make (`security.evm`, `security.ima`).
const KEPT: [&str; 4] = [
    "security.capability",
    "security.selinux",
    "system.posix_acl_access",
    "user.",
];

/// Larger ones than the kernel allows do not occur. Source: XATTR_SIZE_MAX, xattr(7).
const LARGEST: usize = 64 << 10;

/// Those of a file at a place, no link followed. A file system that has none of them is no error.
pub(super) fn read(place: &Place) -> Result<Attributes, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let name = place.name.as_os_str();
    let file = openat(place.parent.as_fd(), name, flags, Mode::empty())?;
    let mut room = vec![0; LARGEST];
    let length = match flistxattr(&file, room.as_mut_slice()) {
        Ok(length) => length,
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        Err(e) => return Err(errno(e)),
    };
    let names: Vec<String> = room
        .get(..length)
        .unwrap_or_default()
        .split(|byte| *byte == 0)
        .filter_map(|name| String::from_utf8(name.to_vec()).ok())
        .filter(|name| KEPT.iter().any(|kept| name.starts_with(kept)))
        .collect();
    let mut found = Attributes::new();
    for name in names {
        let length = fgetxattr(&file, name.as_str(), room.as_mut_slice()).map_err(errno)?;
        found.insert(name, room.get(..length).unwrap_or_default().to_vec());
    }
    Ok(found)
}

/// Puts them onto an open file, whose owner and mode are as they are to be: a change of owner takes capabilities away.
pub(super) fn write(file: &impl AsFd, attributes: &Attributes) -> Result<(), Errno> {
    for (name, value) in attributes {
        fsetxattr(file, name.as_str(), value, XattrFlags::empty()).map_err(errno)?;
    }
    Ok(())
}

fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}
