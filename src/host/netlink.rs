//! Questions to the kernel by netlink, and what all its answers have in common. Source: netlink(7).

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sendto, socket,
};
use std::os::fd::{AsRawFd, OwnedFd};

pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;

/// Length of a header.
pub(super) const HEADER: usize = 16;

/// A socket on which the kernel has been asked: it answers while it is asked, so that there is nothing to wait for.
pub(super) fn asked(protocol: SockProtocol, request: &[u8]) -> Result<OwnedFd, Errno> {
    let (family, kind) = (AddressFamily::Netlink, SockType::Raw);
    let kernel = socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol)?;
    let to = NetlinkAddr::new(0, 0);
    sendto(kernel.as_raw_fd(), request, &to, MsgFlags::empty())?;
    Ok(kernel)
}

/// Length and kind of the message that a piece begins with.
pub(super) fn header(piece: &[u8]) -> Option<(usize, u16)> {
    let length = usize::try_from(word(piece, 0)?).ok()?;
    let kind = piece.get(4..6)?.try_into().ok()?;
    (length >= HEADER).then(|| (length, u16::from_ne_bytes(kind)))
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_ne_bytes(four))
}

/// The kernel tells an error as a negative number.
pub(super) fn error(number: u32) -> Errno {
    Errno::from_raw(number.cast_signed().wrapping_neg())
}
