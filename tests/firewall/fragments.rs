//! The first packet of a connection in pieces, made by hand: the kernel puts it together for our port no more than for any other.

use super::friends;
use super::network::{Namespace, Network, OTHER, REDIS, far_v4, far_v6, v4, v6};
use nix::libc;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

const FROM: u16 = 40_000;

#[test]
fn a_handshake_in_fragments_gets_no_further_than_one_in_a_piece() {
    let net = Network::new();
    net.server.load(&friends());
    for (here, there) in [(far_v4(2), v4(2)), (far_v6(2), v6(2))] {
        assert!(
            is_answered(&net.stranger, here, there, OTHER),
            "{there}: any other port gets them whole"
        );
        assert!(!is_answered(&net.stranger, here, there, REDIS), "{there}");
    }
    assert!(net.server.refused() >= 2, "they got as far as our chain");
    assert!(
        is_answered(&net.friend, far_v4(1), v4(1), REDIS),
        "a friend's are taken"
    );
    assert!(is_answered(&net.friend, far_v6(1), v6(1), REDIS));
}

/// Sends a SYN in fragments; whether a SYN-ACK comes back.
fn is_answered(from: &Namespace, here: IpAddr, there: IpAddr, port: u16) -> bool {
    from.enter(|| {
        let listening = raw(&here, libc::IPPROTO_TCP);
        let segment = syn(here, there, port);
        match there {
            // Eight bytes each: the first has the ports, and not the flags.
            IpAddr::V4(_) => {
                let pieces = segment.chunks(8).enumerate();
                let sending = raw(&here, libc::IPPROTO_RAW);
                for (n, piece) in pieces {
                    let last = (n + 1) * 8 >= segment.len();
                    send(&sending, there, &ipv4(here, there, n * 8, last, piece));
                }
            }
            // The kernel wants the whole TCP header in the first (RFC 7112).
            IpAddr::V6(_) => {
                let sending = raw(&here, libc::IPPROTO_FRAGMENT);
                for (at, last) in [(0, false), (24, true)] {
                    let piece = if last { &segment[24..] } else { &segment[..24] };
                    let offset = (at as u16 | u16::from(!last)).to_be_bytes();
                    let head = [6, 0, offset[0], offset[1], 0, 0, 0x12, port as u8];
                    send(&sending, there, &[&head, piece].concat());
                }
            }
        }
        let until = Instant::now() + Duration::from_millis(600);
        while Instant::now() < until {
            let mut packet = [0u8; 256];
            let got = unsafe {
                libc::recv(
                    listening.as_raw_fd(),
                    packet.as_mut_ptr().cast(),
                    packet.len(),
                    libc::MSG_DONTWAIT,
                )
            };
            let Ok(got) = usize::try_from(got) else {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            // Of IPv6 the header is left out.
            let tcp = if here.is_ipv4() {
                &packet[20..got]
            } else {
                &packet[..got]
            };
            let ports = [
                u16::from_be_bytes([tcp[0], tcp[1]]),
                u16::from_be_bytes([tcp[2], tcp[3]]),
            ];
            if ports == [port, FROM] {
                return tcp[13] == 0x12;
            }
        }
        false
    })
}

fn raw(address: &IpAddr, protocol: i32) -> OwnedFd {
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    let fd = unsafe { libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
    assert!(
        fd >= 0,
        "a raw socket (run as root): {}",
        std::io::Error::last_os_error()
    );
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn send(socket: &OwnedFd, to: IpAddr, packet: &[u8]) {
    use nix::sys::socket::{MsgFlags, SockaddrStorage, sendto};
    let to = SockaddrStorage::from(std::net::SocketAddr::new(to, 0));
    sendto(socket.as_raw_fd(), packet, &to, MsgFlags::empty()).unwrap();
}

/// A header of 20 bytes, options that say nothing, and data: 32 bytes.
fn syn(here: IpAddr, there: IpAddr, port: u16) -> Vec<u8> {
    let mut segment = vec![0u8; 32];
    segment[..2].copy_from_slice(&FROM.to_be_bytes());
    segment[2..4].copy_from_slice(&port.to_be_bytes());
    segment[4..8].copy_from_slice(&7u32.to_be_bytes());
    segment[12] = 8 << 4; // With 12 bytes of options.
    segment[13] = 0x02;
    segment[14..16].copy_from_slice(&1024u16.to_be_bytes());
    segment[20..32].fill(1); // No operation.
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let pseudo = [
        octets(here),
        octets(there),
        vec![0, 6, 0, 32],
        segment.clone(),
    ]
    .concat();
    segment[16..18].copy_from_slice(&checksum(&pseudo).to_be_bytes());
    segment
}

fn ipv4(here: IpAddr, there: IpAddr, at: usize, last: bool, piece: &[u8]) -> Vec<u8> {
    let (IpAddr::V4(here), IpAddr::V4(there)) = (here, there) else {
        unreachable!()
    };
    let mut head = [
        0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let offset = (at / 8) as u16 | if last { 0 } else { 0x2000 };
    head[6..8].copy_from_slice(&offset.to_be_bytes());
    head[12..16].copy_from_slice(&here.octets());
    head[16..20].copy_from_slice(&there.octets());
    [&head, piece].concat()
}

fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|two| u32::from(u16::from_be_bytes([two[0], two[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) as u16 + (folded >> 16) as u16)
}
