//! Where the server listens.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, UnixAddr, connect, socket,
};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

/// Where the server listens.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl Target {
    /// A socket, and whether it is connected already.
    pub(super) fn connect(&self) -> Result<(OwnedFd, bool), Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let open = |family| socket(family, SockType::Stream, flags, None);
        let (socket, made) = match self {
            Target::Unix(path) => {
                let socket = open(AddressFamily::Unix)?;
                let made = connect(socket.as_raw_fd(), &UnixAddr::new(path)?);
                (socket, made)
            }
            Target::Tcp(SocketAddr::V4(address)) => {
                let socket = open(AddressFamily::Inet)?;
                let made = connect(socket.as_raw_fd(), &SockaddrIn::from(*address));
                (socket, made)
            }
            Target::Tcp(SocketAddr::V6(address)) => {
                let socket = open(AddressFamily::Inet6)?;
                let made = connect(socket.as_raw_fd(), &SockaddrIn6::from(*address));
                (socket, made)
            }
        };
        match made {
            Ok(()) => Ok((socket, true)),
            Err(Errno::EINPROGRESS) => Ok((socket, false)),
            Err(e) => Err(e),
        }
    }
}
