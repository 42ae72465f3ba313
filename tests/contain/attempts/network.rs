//! Connections, ports and sockets.

use super::Real::{Root, Service};
use super::*;

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
