//! Networks of IPv4 and IPv6 in CIDR notation.

use super::text_scalar;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network, `10.0.0.0/8` or `fd00::/8`; a bare address is the network of that one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    /// The network's first address: host bits are zero.
    pub address: IpAddr,
    /// Length of the prefix in bits.
    pub prefix: u8,
}

impl Cidr {
    /// Whether the network is one of IPv4.
    pub fn is_v4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (first, last) = self.range();
        self.is_v4() == address.is_ipv4() && (first..=last).contains(&number(address))
    }

    /// The network's first and last address, as numbers.
    pub fn range(&self) -> (u128, u128) {
        let (first, hosts) = (number(self.address), self.host_bits());
        (first & !hosts, first | hosts)
    }

    /// A number with ones where the network has host bits.
    fn host_bits(&self) -> u128 {
        let width: u32 = if self.is_v4() { 32 } else { 128 };
        let free = width - u32::from(self.prefix).min(width);
        1u128.checked_shl(free).map_or(u128::MAX, |size| size - 1)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

impl FromStr for Cidr {
    type Err = String;
    fn from_str(text: &str) -> Result<Cidr, String> {
        let wrong = |what: &str| {
            format!("{text:?} is no network: {what} (such as \"10.1.0.0/16\" or \"fd00::/8\")")
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong("not an IP address"))?;
        let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(p) => p
                .parse()
                .ok()
                .filter(|p| *p <= bits)
                .ok_or_else(|| wrong("the prefix does not fit"))?,
        };
        let cidr = Cidr { address, prefix };
        if number(address) & cidr.host_bits() != 0 {
            return Err(wrong("it has bits beyond its prefix"));
        }
        Ok(cidr)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

text_scalar!(
    Cidr,
    "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$",
    "an IPv4 or IPv6 network"
);
