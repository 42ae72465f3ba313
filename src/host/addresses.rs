//! The addresses of this machine's interfaces, as others can connect to them.

use super::{Host, HostError, HostResult};
use nix::ifaddrs::getifaddrs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl Host {
    /// All but the loopback's and those that mean nothing without their interface; none of a tree that is not this machine's root.
    pub fn addresses(&self) -> HostResult<Vec<IpAddr>> {
        if !self.is_live_root() {
            return Ok(Vec::new());
        }
        let all = getifaddrs()
            .map_err(|e| HostError::errno("listing the addresses of this machine", e))?;
        let of = |interface: nix::ifaddrs::InterfaceAddress| {
            let address = interface.address?;
            let four = address.as_sockaddr_in().map(|a| IpAddr::from(a.ip()));
            four.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::from(a.ip())))
        };
        Ok(all.filter_map(of).filter(reached_from_elsewhere).collect())
    }
}

fn reached_from_elsewhere(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !Ipv4Addr::is_loopback(ip) && !ip.is_link_local(),
        IpAddr::V6(ip) => !Ipv6Addr::is_loopback(ip) && !ip.is_unicast_link_local(),
    }
}
