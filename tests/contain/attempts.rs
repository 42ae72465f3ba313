//! What a Redis that an attacker controls would try next: each attempt, whose right it would need outside, and what refuses it inside.

#[path = "attempts/files.rs"]
mod files;
#[path = "attempts/kernel.rs"]
mod kernel;
#[path = "attempts/network.rs"]
mod network;
#[path = "attempts/programs.rs"]
mod programs;

use super::hostile::{Target, call, run_program};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc::*;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, UnixAddr, bind, connect, socket,
};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

type Tried = Result<(), Errno>;

/// One attempt.
pub struct Attempt {
    pub name: &'static str,
    /// Who gets through with it unconfined.
    pub real: Real,
    /// What refuses it, as `status` calls it.
    pub layer: &'static str,
    /// How that looks.
    pub outcome: &'static str,
    /// How it looks where the mount namespace, which only root can make, stands before that.
    pub with_mounts: &'static str,
    pub act: fn(&Target) -> Tried,
}

/// As whom an attempt succeeds, or at least reaches what it attacks, without the sandbox.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Real {
    Service,
    Root,
}

const fn of(
    name: &'static str,
    real: Real,
    layer: &'static str,
    outcome: &'static str,
    act: fn(&Target) -> Tried,
) -> Attempt {
    Attempt {
        name,
        real,
        layer,
        outcome,
        with_mounts: outcome,
        act,
    }
}

impl Attempt {
    /// Refused by the mounts already.
    const fn mounted(self, with_mounts: &'static str) -> Attempt {
        Attempt {
            with_mounts,
            ..self
        }
    }
}

/// All of them. Two layers often stand behind each other; the one named is the first that is asked.
pub const TOPICS: [&[Attempt]; 4] = [files::ALL, programs::ALL, network::ALL, kernel::ALL];

/// One after the other.
pub fn attempts() -> impl Iterator<Item = &'static Attempt> {
    TOPICS.into_iter().flatten()
}

fn at(text: &CStr) -> usize {
    text.as_ptr() as usize
}

fn raw(number: c_long, args: &[usize]) -> Tried {
    call(number, args).map(drop)
}

fn read(path: &CStr) -> Tried {
    open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map(drop)
}

fn write(path: &CStr) -> Tried {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_CLOEXEC;
    open(path, flags, Mode::from_bits_truncate(0o600)).map(drop)
}

fn map(protection: c_int) -> Result<usize, Errno> {
    let flags = (MAP_PRIVATE | MAP_ANONYMOUS) as usize;
    let mapped = call(
        SYS_mmap,
        &[0, 4096, protection as usize, flags, usize::MAX, 0],
    )?;
    Ok(usize::try_from(mapped).unwrap())
}

fn made(family: AddressFamily, kind: SockType) -> Result<OwnedFd, Errno> {
    socket(family, kind, SockFlag::SOCK_CLOEXEC, None)
}

fn tcp() -> Result<OwnedFd, Errno> {
    made(AddressFamily::Inet, SockType::Stream)
}

fn socket_of(family: c_int, kind: c_int, protocol: c_int) -> Tried {
    raw(
        SYS_socket,
        &[family as usize, kind as usize, protocol as usize],
    )
}

/// The child of a raw clone ends at once.
fn cloned(number: c_long, args: &[usize]) -> Tried {
    match call(number, args)? {
        0 => {
            let _ = call(SYS_exit_group, &[0]);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The process that started the hostile program.
fn outer() -> Pid {
    let status = std::fs::read_to_string(format!("/proc/{}/status", nix::unistd::getppid()));
    let status = status.unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    Pid::from_raw(parent.and_then(|pid| pid.trim().parse().ok()).unwrap_or(1))
}
