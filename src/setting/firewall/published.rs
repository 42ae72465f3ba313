//! Ports of this host that address translation gives to a container or another host: such a packet passes no input chain.
//! Read from what nft and iptables list; whom else a rule lets in is not judged.

use super::{found, nft};
use crate::host::{Host, HostResult, Run};
use crate::setting::Reading;
use crate::value::Value;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

/// A directory for each interface, and in it whether the kernel sends on what arrives there. Source: ip-sysctl.rst, `forwarding`.
const INTERFACES: [&str; 2] = ["/proc/sys/net/ipv4/conf", "/proc/sys/net/ipv6/conf"];

/// The tables of the older iptables, which nft does not list, and the program that does. It is asked only where the kernel names the
/// table: asking would load it.
const LEGACY: [(&str, &str); 2] = [
    ("/proc/net/ip_tables_names", "iptables-legacy-save"),
    ("/proc/net/ip6_tables_names", "ip6tables-legacy-save"),
];

/// Where packets for a port of this host go instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    /// The port that others connect to; nothing where the rule names none.
    pub port: Option<u16>,
    /// Address and port there, as far as the rule tells.
    pub to: Option<(IpAddr, Option<u16>)>,
}

impl Published {
    /// Whether it is about one of these ports, here or there.
    fn concerns(&self, ports: &[u16]) -> bool {
        let there = self.to.and_then(|(_, port)| port);
        let either = [self.port, there].into_iter().flatten();
        either.into_iter().any(|port| ports.contains(&port))
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{port}")?,
            None => f.write_str("?")?,
        }
        match self.to {
            Some((address, Some(port))) => write!(f, "→{address}:{port}"),
            Some((address, None)) => write!(f, "→{address}"),
            None => f.write_str("→?"),
        }
    }
}

/// Those about one of `ports`, but for those that arrive at one of `guarded`. Words, or nothing.
pub fn read_published(host: &Host, ports: &[u16], guarded: &[u16]) -> Reading {
    let all = match published(host) {
        Ok(all) => all,
        Err(e) => return Reading::Unknown(e.to_string()),
    };
    let is_guarded = |p: &Published| p.port.is_some_and(|port| guarded.contains(&port));
    let open = all.iter().filter(|p| p.concerns(ports) && !is_guarded(p));
    let mut open: Vec<String> = open.map(ToString::to_string).collect();
    open.dedup();
    match open.is_empty() {
        true => Reading::Absent,
        false => Reading::Value(Value::Words(open), None),
    }
}

/// All of them, sorted; a port of loopback's alone is none.
pub fn published(host: &Host) -> HostResult<Vec<Published>> {
    if !forwards(host)? {
        return Ok(Vec::new());
    }
    // Without nft it is not known what stands in the kernel: iptables puts its rules there too.
    let run = Run::new("nft").args(&["-s", "list", "ruleset"]);
    let listing = found(nft(host, run.clone())?, &run)?.unwrap_or_default();
    let mut all: Vec<Published> = listing.lines().flat_map(of_rule).collect();
    for (names, program) in LEGACY {
        let names = host.read_text(Path::new(names))?.unwrap_or_default();
        if names.lines().any(|name| name == "nat") {
            let rules = host.run_ok(&Run::new(program).args(&["-t", "nat"]))?;
            all.extend(rules.stdout.lines().flat_map(of_rule));
        }
    }
    all.sort();
    Ok(all)
}

/// Whether any interface sends packets on: where none does, none reaches a container.
fn forwards(host: &Host) -> HostResult<bool> {
    for interfaces in INTERFACES.map(Path::new) {
        for name in host.list(interfaces)? {
            let file = interfaces.join(name).join("forwarding");
            let text = host.read_text(&file)?;
            if text.is_some_and(|text| text.trim() != "0") {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// What a line of a listing of nft's or iptables-save's publishes: a rule, or the elements of a map of ports.
fn of_rule(line: &str) -> Vec<Published> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let pairs = of_map(&words);
    if !pairs.is_empty() {
        return pairs;
    }
    let translates = words
        .iter()
        .any(|w| ["dnat", "DNAT", "\"DNAT\""].contains(w));
    if !translates || is_loopback_only(&words) || words.contains(&"udp") {
        return Vec::new();
    }
    let to =
        after(&words, &["to", "--to-destination"]).and_then(|words| destination(words.first()?));
    let ports = after(&words, &["dport", "--dport", "--dports"]).map_or(Vec::new(), ports);
    match ports.is_empty() {
        true if to.is_none() => Vec::new(),
        true => vec![Published { port: None, to }],
        false => ports
            .into_iter()
            .map(|port| Published {
                port: Some(port),
                to,
            })
            .collect(),
    }
}

/// `6390 : 10.1.1.1 . 6379`, any number of times.
fn of_map(words: &[&str]) -> Vec<Published> {
    let element = |five: &[&str]| {
        let [port, ":", address, ".", there] = five else {
            return None;
        };
        let number = |word: &str| word.trim_matches(['{', '}', ',']).parse::<u16>().ok();
        Some(Published {
            port: Some(number(port)?),
            to: Some((address.parse().ok()?, Some(number(there)?))),
        })
    };
    words.windows(5).filter_map(element).collect()
}

/// `ip daddr 127.0.0.1`, `-d 127.0.0.1/32`; not `!=`, not `! -d`.
fn is_loopback_only(words: &[&str]) -> bool {
    words.windows(3).any(|three| {
        let [before, key, address] = three else {
            return false;
        };
        let address = address.split('/').next().unwrap_or_default();
        let is_loopback = address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        ["daddr", "-d"].contains(key) && *before != "!" && is_loopback
    })
}

/// The words after the first of these keys.
fn after<'a>(words: &'a [&'a str], keys: &[&str]) -> Option<&'a [&'a str]> {
    let at = words.iter().position(|word| keys.contains(word))?;
    words.get(at + 1..)
}

/// `6379`, `{ 6379, 6380 }`, `6379,6380`, `6379-6381` and `6379:6381`: at most as many as there are.
fn ports(words: &[&str]) -> Vec<u16> {
    let list: Vec<&str> = match words.first() {
        Some(&"{") => words
            .iter()
            .skip(1)
            .take_while(|word| **word != "}")
            .copied()
            .collect(),
        Some(word) => vec![word],
        None => Vec::new(),
    };
    let ranges = list
        .iter()
        .flat_map(|word| word.split(','))
        .filter_map(|word| {
            let (from, to) = word.split_once(['-', ':']).unwrap_or((word, word));
            Some(from.parse::<u16>().ok()?..=to.parse::<u16>().ok()?)
        });
    ranges.flatten().collect()
}

/// `172.17.0.2:6379`, `[fd00::2]:6379`, or an address alone.
fn destination(word: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(both) = word.parse::<std::net::SocketAddr>() {
        return Some((both.ip(), Some(both.port())));
    }
    let address = word.trim_matches(['[', ']']);
    address.parse().ok().map(|address| (address, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        let all = of_rule(line);
        all.iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// As nft 1.0.6 and 1.1.3 (without iptables beside it), iptables-save 1.8.9, Docker and netavark have them.
    #[test]
    fn rules_are_read_in_every_dialect() {
        for (line, wanted) in [
            (
                "\t\tiifname != \"docker0\" tcp dport 6379 counter packets 0 bytes 0 dnat to 172.17.0.2:6379",
                "6379→172.17.0.2:6379",
            ),
            (
                "\t\tiifname != \"docker0\" tcp dport 6379 counter xt target \"DNAT\"",
                "6379→?",
            ),
            (
                "\t\tiifname != \"docker0\" ip daddr 127.0.0.1 tcp dport 6380 counter dnat to 172.17.0.2:6379",
                "",
            ),
            (
                "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 7000 -j DNAT --to-destination 172.17.0.2:6379",
                "7000→172.17.0.2:6379",
            ),
            (
                "-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 6380 -j DNAT --to-destination 172.17.0.2:6379",
                "",
            ),
            (
                "-A X ! -d 127.0.0.1/32 -p tcp -m tcp --dport 6380 -j DNAT --to-destination 172.17.0.2",
                "6380→172.17.0.2",
            ),
            (
                "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 6379 -j DNAT --to-destination [fd00::2]:6379",
                "6379→fd00::2:6379",
            ),
            (
                "ip daddr 10.0.0.5 tcp dport { 6379, 6381-6382 } dnat ip to 10.88.0.4:6379",
                "6379→10.88.0.4:6379 6381→10.88.0.4:6379 6382→10.88.0.4:6379",
            ),
            (
                "\t\tdnat ip to tcp dport map { 6390 : 10.1.1.1 . 6379, 80 : 10.1.1.1 . 8080 }",
                "6390→10.1.1.1:6379 80→10.1.1.1:8080",
            ),
            (
                "\t\telements = { 6390 : 10.1.1.1 . 6379 }",
                "6390→10.1.1.1:6379",
            ),
            (
                "\t\tmeta l4proto tcp dnat to 10.1.1.9:6379",
                "?→10.1.1.9:6379",
            ),
            ("\t\tudp dport 6379 dnat to 10.1.1.9:6379", ""),
            ("\t\ttcp dport 6379 accept", ""),
            (
                "\t\tmeta l4proto tcp ct status dnat ct direction original ct original proto-dst 6379 jump published_6379",
                "",
            ),
            ("", ""),
        ] {
            assert_eq!(shown(line), wanted, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_listing_makes_it_panic(line in "([a-z0-9:.{},\\[\\]! -]{0,12} ){0,12}") {
            let _ = of_rule(&line);
        }
    }
}
