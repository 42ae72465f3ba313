//! Whether the packet filter has a table, asked of the kernel by netlink: where it has none, nft needs not be started.

use super::Host;
use super::netlink::{HEADER, NLMSG_ERROR, asked, error, header, word};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockProtocol, recv};
use std::os::fd::AsRawFd;

const NFT_MSG_GETTABLE: u16 = 10 << 8 | 1;
const NLM_F_REQUEST: u16 = 1;
const NFPROTO_INET: u8 = 1;
const NFTA_TABLE_NAME: u16 = 1;

impl Host {
    /// Whether there is a table of the family `inet` by this name; `None` where the kernel does not tell us.
    pub fn has_inet_table(&self, name: &str) -> Option<bool> {
        if !self.is_live_root() {
            return None;
        }
        match ask(name) {
            Ok(()) => Some(true),
            Err(Errno::ENOENT) => Some(false),
            // Not allowed to ask, or another kernel than this was written for: nft says what is wrong.
            Err(_) => None,
        }
    }
}

fn ask(name: &str) -> Result<(), Errno> {
    let kernel = asked(SockProtocol::NetlinkNetFilter, &request(name))?;
    let mut answer = vec![0; 8 << 10];
    let length = recv(kernel.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT)?;
    let answer = answer.get(..length).unwrap_or_default();
    match header(answer).ok_or(Errno::EBADMSG)? {
        (_, NLMSG_ERROR) => Err(word(answer, HEADER).map_or(Errno::EBADMSG, error)),
        _ => Ok(()),
    }
}

/// A header, the family, and the name as an attribute. Source: `linux/netfilter/nfnetlink.h`, `nf_tables.h`.
fn request(name: &str) -> Vec<u8> {
    let attribute = 4 + name.len() + 1;
    let length = HEADER + 4 + attribute.next_multiple_of(4);
    let mut request = Vec::with_capacity(length);
    request.extend((length as u32).to_ne_bytes());
    request.extend(NFT_MSG_GETTABLE.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([NFPROTO_INET, 0, 0, 0]);
    request.extend((attribute as u16).to_ne_bytes());
    request.extend(NFTA_TABLE_NAME.to_ne_bytes());
    request.extend(name.as_bytes());
    request.resize(length, 0);
    request
}
