//! The names and addresses by which clients find a host's server: what its certificate is for.

use crate::host::{Host, HostResult};
use crate::policy::Policy;
use std::net::IpAddr;
use std::path::Path;

/// Source: RFC 1035 section 2.3.4, less the length bytes.
const MAX_DNS: usize = 253;

/// The host's names, the loopback, the addresses that are listened on, and those that are asked for, each once; a name comes first.
pub fn of_server(
    host: &Host,
    hostname: &str,
    policy: &Policy,
    more: &[String],
) -> HostResult<Vec<String>> {
    let mut names = known_as(host, hostname)?;
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    names.extend(addresses(host, policy)?);
    names.extend(more.iter().cloned());
    let mut each: Vec<String> = Vec::new();
    for name in names.into_iter().filter_map(|name| written(&name)) {
        if !each.contains(&name) {
            each.push(name);
        }
    }
    Ok(each)
}

/// Whether a certificate can be for it: an address, or a name of a host, which may begin with `*.`.
pub fn is_name(text: &str) -> bool {
    written(text).is_some()
}

/// An address or a name in the one form in which it is compared.
fn written(text: &str) -> Option<String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip.to_canonical().to_string());
    }
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label = |part: &str| !part.is_empty() && part.len() < 64 && part.chars().all(known);
    let labels = name.strip_prefix("*.").unwrap_or(&name);
    (name.len() <= MAX_DNS && labels.split('.').all(label)).then_some(name)
}

/// The host's own name, and what /etc/hosts has on the same line: without asking the network.
fn known_as(host: &Host, hostname: &str) -> HostResult<Vec<String>> {
    let hosts = host.read_text(Path::new("/etc/hosts"))?.unwrap_or_default();
    let lines = hosts
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let words = lines.map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>());
    let ours = words.filter(|names| names.contains(&hostname)).flatten();
    let ours: Vec<String> = ours.map(str::to_owned).collect();
    // The longest is the one with its domain.
    let mut names = vec![hostname.to_owned()];
    names.extend(ours);
    names.retain(|name| !name.starts_with("localhost"));
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    Ok(names)
}

/// What `redis.bind` names; of a wildcard every address that the host has now.
fn addresses(host: &Host, policy: &Policy) -> HostResult<Vec<String>> {
    let bind = policy.redis.bind.iter();
    let words: Vec<&str> = bind.map(|word| word.trim_start_matches('-')).collect();
    let named = |word: &&str| {
        let ip = word.parse::<IpAddr>();
        ip.is_ok_and(|ip| !ip.is_unspecified())
    };
    let mut found: Vec<String> = words
        .iter()
        .copied()
        .filter(named)
        .map(str::to_owned)
        .collect();
    if !words.iter().all(named) {
        found.extend(host.addresses()?.iter().map(ToString::to_string));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_client_could_ask_for_is_no_name() {
        for (text, name) in [
            ("Cache.Example.", Some("cache.example")),
            ("*.example", Some("*.example")),
            ("10.0.0.5", Some("10.0.0.5")),
            ("::ffff:10.0.0.5", Some("10.0.0.5")),
            ("FE80::1", Some("fe80::1")),
            ("a_b", Some("a_b")),
            ("", None),
            ("a..b", None),
            ("a b", None),
            ("a*.example", None),
            ("*", None),
            ("ex\u{e4}mple", None),
            ("x\n", None),
        ] {
            assert_eq!(written(text).as_deref(), name, "{text:?}");
        }
    }
}
