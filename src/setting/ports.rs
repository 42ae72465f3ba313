//! The ports that the kernel gives to whoever asks for any: one of ours among them is taken by a client sooner or later.

use super::Reading;
use crate::host::{Host, HostResult};
use crate::value::Value;
use std::ops::RangeInclusive;
use std::path::Path;

const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// Which of `ports` the kernel may lend. Words, or nothing.
pub fn read_lent(host: &Host, ports: &[u16]) -> Reading {
    match lent(host, ports) {
        Ok(None) => Reading::NotApplicable(format!("{RANGE} does not exist")),
        Ok(Some(lent)) if lent.is_empty() => Reading::Absent,
        Ok(Some(lent)) => Reading::Value(Value::Words(lent), None),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

fn lent(host: &Host, ports: &[u16]) -> HostResult<Option<Vec<String>>> {
    let Some(range) = host.read_text(Path::new(RANGE))? else {
        return Ok(None);
    };
    let reserved = host.read_text(Path::new(RESERVED))?.unwrap_or_default();
    let lent = ports
        .iter()
        .filter(|port| is_lent(**port, &range, &reserved));
    Ok(Some(lent.map(u16::to_string).collect()))
}

fn is_lent(port: u16, range: &str, reserved: &str) -> bool {
    let mut ends = range.split_whitespace().map_while(|end| end.parse().ok());
    let (Some(from), Some(to)) = (ends.next(), ends.next()) else {
        return false;
    };
    (from..=to).contains(&port)
        && !reserved
            .trim()
            .split(',')
            .filter_map(ports_of)
            .any(|r| r.contains(&port))
}

/// `8080` or `9148-9150`. Source: ip-sysctl.rst, ip_local_reserved_ports.
fn ports_of(word: &str) -> Option<RangeInclusive<u16>> {
    let (from, to) = word.split_once('-').unwrap_or((word, word));
    Some(from.parse().ok()?..=to.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_lent_to_nobody() {
        let range = "32768\t60999\n";
        assert!(is_lent(32768, range, "\n") && is_lent(60999, range, "\n"));
        assert!(!is_lent(6379, range, "\n") && !is_lent(61000, range, "\n"));
        assert!(!is_lent(40000, range, "8080,39999-40001\n"));
        assert!(is_lent(40002, range, "8080,39999-40001\n"));
    }
}
