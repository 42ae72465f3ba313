//! Networks as sets of addresses: any list of ranges has exactly one smallest, sorted list of prefixes.

use crate::policy::scalar::Cidr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A first and a last address, as numbers.
pub(super) type Range = (u128, u128);

/// The fewest IPv4 prefixes that hold exactly these addresses, sorted.
pub(super) fn cover_v4(ranges: Vec<Range>) -> Vec<Cidr> {
    cover(ranges, 32, |n| {
        // Every number comes from an IPv4 address.
        IpAddr::V4(Ipv4Addr::from_bits(n as u32))
    })
}

/// The fewest IPv6 prefixes that hold exactly these addresses, sorted.
pub(super) fn cover_v6(ranges: Vec<Range>) -> Vec<Cidr> {
    cover(ranges, 128, |n| IpAddr::V6(Ipv6Addr::from_bits(n)))
}

/// The IPv4 network that an IPv4-mapped one stands for; any other network itself.
pub(super) fn unmapped(cidr: Cidr) -> Cidr {
    match cidr.address {
        IpAddr::V6(v6) if cidr.prefix >= 96 => match v6.to_ipv4_mapped() {
            Some(v4) => Cidr {
                address: IpAddr::V4(v4),
                prefix: cidr.prefix - 96,
            },
            None => cidr,
        },
        _ => cidr,
    }
}

fn cover(ranges: Vec<Range>, width: u32, address: impl Fn(u128) -> IpAddr) -> Vec<Cidr> {
    let mut cidrs = Vec::new();
    for (mut first, last) in merge(ranges) {
        loop {
            let bits = largest_block(first, last, width);
            cidrs.push(Cidr {
                address: address(first),
                prefix: (width - bits) as u8,
            });
            let end = first | ones(bits);
            if end >= last {
                break;
            }
            first = end + 1;
        }
    }
    cidrs
}

/// Sorted, with what overlaps or touches made one.
fn merge(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// The host bits of the largest prefix that starts at `first` and does not pass `last`.
fn largest_block(first: u128, last: u128, width: u32) -> u32 {
    let aligned = first.trailing_zeros().min(width);
    (0..=aligned)
        .rev()
        .find(|bits| first | ones(*bits) <= last)
        .unwrap_or(0)
}

/// A number whose lowest `bits` bits are ones.
fn ones(bits: u32) -> u128 {
    1u128.checked_shl(bits).map_or(u128::MAX, |size| size - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cidrs(texts: &[&str]) -> Vec<Cidr> {
        texts
            .iter()
            .map(|t| t.parse().expect("a network"))
            .collect()
    }

    fn v4(texts: &[&str]) -> Vec<Cidr> {
        cover_v4(cidrs(texts).iter().map(Cidr::range).collect())
    }

    fn v6(texts: &[&str]) -> Vec<Cidr> {
        cover_v6(cidrs(texts).iter().map(Cidr::range).collect())
    }

    #[test]
    fn neighbours_and_overlaps_become_the_fewest_prefixes() {
        for (given, wanted) in [
            (&["10.0.0.0/24", "10.0.1.0/24"][..], &["10.0.0.0/23"][..]),
            (
                &["10.0.1.0/24", "10.0.2.0/24"],
                &["10.0.1.0/24", "10.0.2.0/24"],
            ),
            (&["10.0.0.0/8", "10.9.8.7"], &["10.0.0.0/8"]),
            (&["128.0.0.0/1", "0.0.0.0/1"], &["0.0.0.0/0"]),
            (&["0.0.0.0/0", "255.255.255.255"], &["0.0.0.0/0"]),
            (&["255.255.255.255"], &["255.255.255.255/32"]),
            (&[], &[]),
        ] {
            assert_eq!(v4(given), cidrs(wanted), "{given:?}");
        }
    }

    #[test]
    fn the_whole_of_ipv6_is_one_prefix() {
        assert_eq!(v6(&["8000::/1", "::/1"]), cidrs(&["::/0"]));
        assert_eq!(v6(&["::/0"]), cidrs(&["::/0"]));
        assert_eq!(
            v6(&["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]),
            cidrs(&["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"])
        );
    }

    #[test]
    fn a_mapped_network_is_the_ipv4_one() {
        let mapped: Cidr = "::ffff:10.0.0.0/104".parse().expect("a network");
        assert_eq!(unmapped(mapped), "10.0.0.0/8".parse().expect("a network"));
        let plain: Cidr = "fd00::/8".parse().expect("a network");
        assert_eq!(unmapped(plain), plain);
    }

    proptest! {
        #[test]
        fn a_cover_holds_the_same_addresses_and_is_its_own_cover(
            blocks in prop::collection::vec((0u128..4096, 0u32..8), 0..20)
        ) {
            let ranges: Vec<Range> = blocks
                .iter()
                .map(|(at, bits)| (at & !ones(*bits), at | ones(*bits)))
                .collect();
            let cover = cover_v4(ranges.clone());
            let holds = |list: &[Range], n| list.iter().any(|(a, b)| (*a..=*b).contains(&n));
            let covered: Vec<Range> = cover.iter().map(Cidr::range).collect();
            for n in 0..4400 {
                prop_assert_eq!(holds(&ranges, n), holds(&covered, n));
            }
            prop_assert_eq!(cover_v4(covered), cover);
        }
    }
}
