//! Which sockets listen on a port, asked of the kernel by netlink: `/proc/net/tcp` has it as well, and costs a walk through the
//! table of all connections, milliseconds on a machine of some size. It loads no module.

use super::netlink::{HEADER, NLMSG_DONE, NLMSG_ERROR, asked, error, header, word};
use super::{Host, HostError, HostResult};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::socket::{MsgFlags, SockProtocol, recv};
use nix::sys::stat::{Mode, SFlag, fstat};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const IPPROTO_TCP: u8 = 6;
const TCP_LISTEN: u32 = 10;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Length of a request with its header. Source: sock_diag(7).
const REQUEST: usize = HEADER + 56;

/// Where the inode stands in an answer, after its header. Source: `struct inet_diag_msg`, sock_diag(7).
const INODE: usize = 68;

/// A unix socket that is held, so that nothing else can take its place.
#[derive(Debug)]
pub struct Door(OwnedFd);

impl Door {
    /// A name that leads to it and to nothing else. Source: proc_pid_fd(5).
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

impl Host {
    /// The socket at a path, no link followed; `None` where none is.
    pub fn socket(&self, path: &Path) -> HostResult<Option<Door>> {
        let Some(place) = self.place(path)? else {
            return Ok(None);
        };
        let fail = |e| HostError::errno(format!("opening the socket {}", path.display()), e);
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let name = place.name.as_os_str();
        let held = match openat(place.parent.as_fd(), name, flags, Mode::empty()) {
            Ok(held) => held,
            Err(Errno::ENOENT) => return Ok(None),
            Err(e) => return Err(fail(e)),
        };
        let stat = fstat(held.as_fd()).map_err(fail)?;
        let is_socket = SFlag::from_bits_truncate(stat.st_mode).contains(SFlag::S_IFSOCK);
        Ok(is_socket.then_some(Door(held)))
    }

    /// The inodes of the TCP sockets of our network namespace that listen on a port; `None` where the kernel would have to load a
    /// module to tell.
    pub fn listening(&self, port: u16) -> HostResult<Option<Vec<u32>>> {
        if !self.tells_of_sockets()? {
            return Ok(None);
        }
        let fail = |e| HostError::errno(format!("asking the kernel who listens on port {port}"), e);
        let mut inodes = ask(AF_INET, port).map_err(fail)?;
        match ask(AF_INET6, port) {
            Ok(more) => inodes.extend(more),
            // A kernel without IPv6.
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(fail(e)),
        }
        Ok(Some(inodes))
    }

    /// Whether what answers is loaded, or built into a kernel without modules.
    fn tells_of_sockets(&self) -> HostResult<bool> {
        let is_there = |path: &str| self.stat(Path::new(path)).map(|found| found.is_some());
        Ok(self.is_live_root()
            && (is_there("/sys/module/tcp_diag")? || !is_there("/proc/modules")?))
    }
}

fn ask(family: u8, port: u16) -> Result<Vec<u32>, Errno> {
    let kernel = asked(SockProtocol::NetlinkSockDiag, &request(family, port))?;
    let fd = kernel.as_raw_fd();
    let mut inodes = Vec::new();
    let mut piece = vec![0; 32 << 10];
    loop {
        // The kernel answers while it is asked: there is nothing to wait for.
        let length = recv(fd, &mut piece, MsgFlags::MSG_DONTWAIT)?;
        let (told, is_done) = answers(piece.get(..length).unwrap_or_default())?;
        inodes.extend(told);
        if is_done || length == 0 {
            return Ok(inodes);
        }
    }
}

fn request(family: u8, port: u16) -> Vec<u8> {
    let mut request = Vec::with_capacity(REQUEST);
    request.extend((REQUEST as u32).to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST_DUMP.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([family, IPPROTO_TCP, 0, 0]);
    request.extend((1_u32 << TCP_LISTEN).to_ne_bytes());
    request.extend(port.to_be_bytes());
    request.resize(REQUEST, 0);
    request
}

/// The inodes in a piece of the answer, and whether it was the last.
fn answers(mut piece: &[u8]) -> Result<(Vec<u32>, bool), Errno> {
    let mut inodes = Vec::new();
    while let Some((length, kind)) = header(piece) {
        let body = piece.get(HEADER..length).ok_or(Errno::EBADMSG)?;
        match kind {
            NLMSG_DONE => return Ok((inodes, true)),
            NLMSG_ERROR => return Err(word(body, 0).map_or(Errno::EBADMSG, error)),
            _ => inodes.push(word(body, INODE).ok_or(Errno::EBADMSG)?),
        }
        // Each stands on a boundary of four bytes.
        piece = piece.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok((inodes, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Reach;
    use std::os::unix::fs::MetadataExt;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the listener of a test")]
    fn what_listens_is_named_by_its_inode_and_nothing_else_is() {
        let host = Host::at(Path::new("/"), Reach::Running).expect("the root opens");
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = std::net::TcpListener::bind(address).expect("a port");
            let port = listener.local_addr().expect("bound").port();
            let fd = format!("/proc/self/fd/{}", listener.as_raw_fd());
            let inode = std::fs::metadata(fd).expect("ours").ino();
            let _client = std::net::TcpStream::connect(("localhost", port));
            // A kernel that would load a module is asked by /proc instead.
            if let Some(told) = host.listening(port).expect("asked") {
                assert_eq!(
                    told.iter().map(|i| u64::from(*i)).collect::<Vec<_>>(),
                    [inode]
                );
            }
            drop(listener);
            assert!(
                host.listening(port)
                    .expect("asked")
                    .is_none_or(|told| told.is_empty())
            );
        }
    }

    #[test]
    fn an_answer_is_read_as_the_kernel_lays_it_out() {
        let message = |kind: u16, body: &[u8]| {
            let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([0; 10]);
            bytes.extend(body);
            bytes
        };
        let mut socket = [0; 72];
        socket[INODE..].copy_from_slice(&5741_u32.to_ne_bytes());
        let mut piece = message(SOCK_DIAG_BY_FAMILY, &socket);
        assert_eq!(answers(&piece), Ok((vec![5741], false)));
        piece.extend(message(NLMSG_DONE, &[0; 4]));
        assert_eq!(answers(&piece), Ok((vec![5741], true)));
        let refusal = message(NLMSG_ERROR, &(-(Errno::ENOENT as i32)).to_ne_bytes());
        assert_eq!(answers(&refusal), Err(Errno::ENOENT));
        assert_eq!(answers(&piece[..40]), Err(Errno::EBADMSG), "cut");
        assert_eq!(answers(&[0; 32]), Ok((Vec::new(), false)), "no message");
    }
}
