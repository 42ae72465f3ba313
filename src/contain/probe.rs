//! The sandbox tried out by the process that it holds, just before it becomes the server: system calls only, each of which must be refused.

use super::mdwe;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::kill;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, connect, socket,
};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use std::os::fd::AsRawFd;

/// What was tried, in the order of the answer's bytes.
pub const TRIALS: usize = 5;

/// A refusal as it should be, or not.
pub type Answers = [u8; TRIALS];

/// The byte of a trial that was refused.
pub const HELD: u8 = 1;

/// What each byte is about.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Trial {
    Files,
    Network,
    Signals,
    WritableCode,
    SystemCalls,
}

/// Tries them. `port` is one that must not be connected to, `parent` a process outside of the same user.
pub fn attempt(port: u16, parent: Pid) -> Answers {
    let mut answers = [0; TRIALS];
    for (trial, held) in [
        (Trial::Files, root_is_closed()),
        (Trial::Network, port_is_closed(port)),
        (Trial::Signals, kill(parent, None) == Err(Errno::EPERM)),
        (Trial::WritableCode, mdwe::is_denied()),
        (Trial::SystemCalls, netlink_is_closed()),
    ] {
        if let (Some(answer), true) = (answers.get_mut(trial as usize), held) {
            *answer = HELD;
        }
    }
    answers
}

/// Everybody may read it, but for Landlock.
fn root_is_closed() -> bool {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    matches!(open(c"/", flags, Mode::empty()), Err(Errno::EACCES))
}

fn port_is_closed(port: u16) -> bool {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let Ok(opened) = socket(
        AddressFamily::Inet,
        SockType::Stream,
        flags,
        SockProtocol::Tcp,
    ) else {
        return false;
    };
    let here = SockaddrIn::new(127, 0, 0, 1, port);
    connect(opened.as_raw_fd(), &here) == Err(Errno::EACCES)
}

fn netlink_is_closed() -> bool {
    let kind = (AddressFamily::Netlink, SockType::Raw);
    let opened = socket(kind.0, kind.1, SockFlag::SOCK_CLOEXEC, None);
    matches!(opened, Err(Errno::EPERM))
}
