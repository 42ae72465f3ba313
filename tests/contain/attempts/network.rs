//! Connections, ports and sockets.

use super::Real::{Root, Service};
use super::*;
use nix::sys::socket::{MsgFlags, sendmsg, sendto};
use std::io::IoSlice;

pub const ALL: &[Attempt] = &[
    of("connect out", Service, "network", "EACCES", |t| {
        let opened = tcp()?;
        connect(opened.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, t.port))
    }),
    of(
        "listen on another port",
        Service,
        "network",
        "EACCES",
        |_| {
            let opened = tcp()?;
            bind(opened.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0))
        },
    ),
    // Landlock's rules for ports do not know it.
    of(
        "connect out by another protocol",
        Service,
        "system-calls",
        "EPERM",
        |_| socket_of(AF_INET, SOCK_STREAM, IPPROTO_MPTCP),
    ),
    of(
        "listen by another protocol",
        Service,
        "system-calls",
        "EPERM",
        |_| socket_of(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP),
    ),
    of(
        "connect out by sending",
        Service,
        "system-calls",
        "EPERM",
        |t| {
            let to = SockaddrIn::new(127, 0, 0, 1, t.port);
            sendto(
                tcp()?.as_raw_fd(),
                b"x",
                &to,
                MsgFlags::from_bits_retain(MSG_FASTOPEN),
            )
            .map(drop)
        },
    ),
    of(
        "connect out by sending a message",
        Service,
        "system-calls",
        "EPERM",
        |t| {
            let (to, words) = (SockaddrIn::new(127, 0, 0, 1, t.port), [IoSlice::new(b"x")]);
            let opened = tcp()?;
            let how = MsgFlags::from_bits_retain(MSG_FASTOPEN);
            sendmsg(opened.as_raw_fd(), &words, &[], how, Some(&to)).map(drop)
        },
    ),
    of(
        "connect out by sending messages",
        Service,
        "system-calls",
        "EPERM",
        |_| {
            let opened = tcp()?;
            let socket = opened.as_raw_fd() as usize;
            raw(SYS_sendmmsg, &[socket, 0, 0, MSG_FASTOPEN as usize])
        },
    ),
    of(
        "speak to an abstract socket",
        Service,
        "signals",
        "EPERM",
        |t| {
            let opened = made(AddressFamily::Unix, SockType::Stream)?;
            connect(
                opened.as_raw_fd(),
                &UnixAddr::new_abstract(t.dir.as_bytes())?,
            )
        },
    ),
    of("open a raw socket", Root, "system-calls", "EPERM", |_| {
        socket_of(AF_INET, SOCK_RAW, IPPROTO_ICMP)
    }),
    of(
        "open a packet socket",
        Root,
        "system-calls",
        "EPERM",
        |_| socket_of(AF_PACKET, SOCK_RAW, 0),
    ),
    of(
        "open a netlink socket",
        Service,
        "system-calls",
        "EPERM",
        |_| socket_of(AF_NETLINK, SOCK_RAW, 0),
    ),
];
