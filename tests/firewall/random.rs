//! Lists of ports and networks, the same in every run.

use redis_harden::policy::scalar::Cidr;
use redis_harden::setting::firewall::Table;
use std::net::{Ipv4Addr, Ipv6Addr};

/// xorshift64: the same cases in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Some ports, each with networks of its own.
    pub fn table(&mut self) -> Table {
        let ports: Vec<(u16, Vec<Cidr>)> = self
            .ports()
            .into_iter()
            .map(|port| (port, self.networks()))
            .collect();
        Table::of(ports.iter().map(|(port, allow)| (*port, allow.as_slice())))
    }

    fn ports(&mut self) -> Vec<u16> {
        (0..=self.below(4))
            .map(|_| 1 + self.below(65_535) as u16)
            .collect()
    }

    /// Few enough addresses that many lists overlap and touch.
    fn networks(&mut self) -> Vec<Cidr> {
        (0..self.below(40))
            .map(|_| {
                let (near, far) = (self.below(2) == 0, self.next());
                if self.below(2) == 0 {
                    let prefix = 1 + self.below(32) as u32;
                    let bits = if near {
                        0x0a00_0000 | (far as u32 & 0x3ff)
                    } else {
                        far as u32
                    };
                    let prefix = if near { prefix.max(24) } else { prefix };
                    let bits = bits & (u32::MAX << (32 - prefix));
                    Cidr {
                        address: Ipv4Addr::from_bits(bits).into(),
                        prefix: prefix as u8,
                    }
                } else {
                    let prefix = 1 + self.below(128) as u32;
                    let wide = u128::from(far) << 64 | u128::from(self.next());
                    let bits = if near {
                        0xfd00u128 << 112 | (wide & 0x3ff)
                    } else {
                        wide
                    };
                    let prefix = if near { prefix.max(120) } else { prefix };
                    let bits = bits & (u128::MAX << (128 - prefix));
                    Cidr {
                        address: Ipv6Addr::from_bits(bits).into(),
                        prefix: prefix as u8,
                    }
                }
            })
            .collect()
    }
}
