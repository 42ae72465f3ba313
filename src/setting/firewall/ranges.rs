//! Sets of addresses as sorted ranges that neither touch nor overlap: two spellings of one set are equal.

use crate::policy::scalar::Cidr;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    ranges: Vec<(u128, u128)>,
    v4: bool,
}

impl Ranges {
    /// The union of ranges (first and last address, as numbers).
    pub fn of(ranges: impl Iterator<Item = (u128, u128)>, v4: bool) -> Ranges {
        let mut all: Vec<(u128, u128)> = ranges.collect();
        all.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::new();
        for (first, last) in all {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Ranges { ranges: merged, v4 }
    }

    /// Whether no address is in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    fn address(&self, number: u128) -> IpAddr {
        match u32::try_from(number) {
            Ok(bits) if self.v4 => IpAddr::V4(Ipv4Addr::from_bits(bits)),
            _ => IpAddr::V6(Ipv6Addr::from_bits(number)),
        }
    }

    /// The range as a network, where it is one.
    fn network(&self, first: u128, last: u128) -> Option<Cidr> {
        let host_bits = 128 - (first ^ last).leading_zeros();
        let prefix = if self.v4 { 32 } else { 128u32 }.checked_sub(host_bits)?;
        let network = Cidr {
            address: self.address(first),
            prefix: u8::try_from(prefix).ok()?,
        };
        (network.range() == (first, last)).then_some(network)
    }
}

impl fmt::Display for Ranges {
    /// As nft takes them: networks where they are, else `first-last`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (first, last)) in self.ranges.iter().enumerate() {
            if n > 0 {
                f.write_str(", ")?;
            }
            match self.network(*first, *last) {
                Some(network) => write!(f, "{network}")?,
                None => write!(f, "{}-{}", self.address(*first), self.address(*last))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(networks: &[&str]) -> Ranges {
        let cidrs: Vec<Cidr> = networks
            .iter()
            .map(|n| n.parse().expect("network"))
            .collect();
        let v4 = cidrs.first().is_none_or(Cidr::is_v4);
        Ranges::of(cidrs.iter().map(Cidr::range), v4)
    }

    #[test]
    fn overlapping_and_adjacent_networks_are_one_range() {
        assert_eq!(
            of(&["10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/8"]).to_string(),
            "10.0.0.0/7"
        );
        assert_eq!(
            of(&["10.0.0.0/8", "11.0.0.0/9"]).to_string(),
            "10.0.0.0-11.127.255.255"
        );
    }

    #[test]
    fn everything_is_prefix_zero() {
        assert_eq!(of(&["0.0.0.0/0", "10.0.0.0/8"]).to_string(), "0.0.0.0/0");
        assert_eq!(of(&["::/0"]).to_string(), "::/0");
        assert_eq!(of(&["::1/128"]).to_string(), "::1/128");
    }
}
