//! What a server was told of TLS: its directives, by what they mean. Reads nothing.

use super::Blank;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The directives of a server, as far as TLS is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Tls<'a> {
    directives: &'a BTreeMap<String, String>,
}

impl<'a> Tls<'a> {
    /// From `CONFIG GET *`, or what a policy renders.
    pub fn of(directives: &'a BTreeMap<String, String>) -> Tls<'a> {
        Tls { directives }
    }

    /// A directive's text; empty where the server does not know it.
    pub fn text(&self, name: &str) -> &'a str {
        self.directives.get(name).map_or("", String::as_str)
    }

    /// Whether it speaks TLS with anybody: clients, its master, its replicas or other nodes.
    pub fn is_on(&self) -> bool {
        self.port().is_some() || self.speaks_as_client()
    }

    /// The port on which it speaks TLS with clients.
    pub fn port(&self) -> Option<u16> {
        self.port_of("tls-port")
    }

    /// Whether it connects to others by TLS, and shows them a certificate as their client.
    pub fn speaks_as_client(&self) -> bool {
        let yes = |name| self.text(name) == "yes";
        yes("tls-replication") || yes("tls-cluster")
    }

    /// Whether it must have somebody to verify its peers by: redis-server does not start without (src/tls.c).
    pub fn needs_authorities(&self) -> bool {
        self.is_on() && (self.text("tls-auth-clients") != "no" || self.speaks_as_client())
    }

    /// A file or directory; a relative one is in the server's working directory, which is `dir`.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let text = self.text(name);
        (!text.is_empty()).then(|| Path::new(self.text("dir")).join(text))
    }

    /// The same, where it must be set for there to be something to judge.
    pub fn named(&self, name: &str) -> Result<PathBuf, Blank> {
        let unset = || Blank::NotApplicable(format!("{name} is not set"));
        self.path(name).ok_or_else(unset)
    }

    /// The addresses beyond this host where clients are answered in clear text.
    pub fn plain_addresses(&self) -> Vec<String> {
        let Some(port) = self.port_of("port") else {
            return Vec::new();
        };
        let beyond = self.addresses().into_iter().filter(|a| !is_loopback(a));
        beyond.map(|address| format!("{address}:{port}")).collect()
    }

    /// An address where this host itself can connect to it.
    pub fn own_address(&self) -> String {
        let addresses = self.addresses();
        let loopback = addresses.iter().find(|a| is_loopback(a));
        let address = loopback.or(addresses.first()).map_or("*", |a| *a);
        match address {
            "*" | "0.0.0.0" => "127.0.0.1",
            "::" | "::*" => "::1",
            other => other,
        }
        .to_owned()
    }

    /// What it was told to bind to; nothing means everywhere.
    fn addresses(&self) -> Vec<&'a str> {
        let words = self.text("bind").split_whitespace();
        let words: Vec<&str> = words.map(|word| word.trim_start_matches('-')).collect();
        match words.is_empty() {
            true => vec!["*"],
            false => words,
        }
    }

    fn port_of(&self, name: &str) -> Option<u16> {
        self.text(name).parse().ok().filter(|port| *port != 0)
    }
}

fn is_loopback(address: &str) -> bool {
    let ip: Option<IpAddr> = address.parse().ok();
    address == "localhost" || ip.is_some_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn an_empty_bind_is_everywhere_and_a_loopback_address_nowhere() {
        let plain = |bind, port| {
            let told = told(&[("bind", bind), ("port", port)]);
            Tls::of(&told).plain_addresses()
        };
        assert_eq!(plain("", "6379"), ["*:6379"]);
        assert_eq!(plain("127.0.0.1 -::1", "6379"), [""; 0]);
        assert_eq!(plain("127.0.0.1 -10.0.0.1", "6379"), ["10.0.0.1:6379"]);
        assert_eq!(plain("10.0.0.1", "0"), [""; 0]);
    }

    #[test]
    fn a_handshake_prefers_the_loopback() {
        let own = |bind| Tls::of(&told(&[("bind", bind)])).own_address();
        assert_eq!(own("10.0.0.1 -::1"), "::1");
        assert_eq!(own("* -::*"), "127.0.0.1");
        assert_eq!(own("10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn authorities_are_needed_unless_nobody_is_verified() {
        let needs = |pairs: &[(&str, &str)]| Tls::of(&told(pairs)).needs_authorities();
        assert!(needs(&[("tls-port", "6380"), ("tls-auth-clients", "yes")]));
        assert!(!needs(&[("tls-port", "6380"), ("tls-auth-clients", "no")]));
        assert!(needs(&[
            ("tls-replication", "yes"),
            ("tls-auth-clients", "no")
        ]));
        assert!(!needs(&[("tls-port", "0")]));
    }
}
