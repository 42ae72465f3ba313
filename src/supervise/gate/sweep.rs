//! What a server that was killed in the middle of a save leaves: Redis never removes it. Source: rdb.c, aof.c (`temp-…`).

use crate::host::{Host, HostResult, Kind};
use std::path::Path;

/// Removes them from a data directory in which no server runs. Returns their names.
pub(in crate::supervise) fn sweep(host: &Host, dir: &Path) -> HostResult<Vec<String>> {
    let mut swept = Vec::new();
    for name in host
        .list(dir)?
        .into_iter()
        .filter(|name| is_left_over(name))
    {
        let path = dir.join(&name);
        if host
            .stat(&path)?
            .is_some_and(|stat| stat.kind == Kind::File)
        {
            host.remove(&path)?;
            swept.push(name);
        }
    }
    Ok(swept)
}

/// `temp-PID.rdb`, `temp-SECONDS.PID.rdb` of a full copy, `temp-rewriteaof-PID.aof`, `temp-rewriteaof-bg-PID.aof`.
fn is_left_over(name: &str) -> bool {
    let numbers = |text: &str| {
        let digits = text
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
        !text.is_empty() && digits
    };
    let between = |start, end| name.strip_prefix(start)?.strip_suffix(end);
    let kinds = [
        ("temp-", ".rdb"),
        ("temp-rewriteaof-", ".aof"),
        ("temp-rewriteaof-bg-", ".aof"),
    ];
    kinds
        .into_iter()
        .filter_map(|(start, end)| between(start, end))
        .any(numbers)
}

#[cfg(test)]
mod tests {
    use super::is_left_over;

    #[test]
    fn only_redis_own_leftovers_are_swept() {
        for name in [
            "temp-77.rdb",
            "temp-1700000000.77.rdb",
            "temp-rewriteaof-77.aof",
            "temp-rewriteaof-bg-77.aof",
        ] {
            assert!(is_left_over(name), "{name}");
        }
        for name in [
            "dump.rdb",
            "temp.rdb",
            "temp-.rdb",
            "temp-mine.rdb",
            "temp-77.rdb.bak",
            "appendonly.aof",
        ] {
            assert!(!is_left_over(name), "{name}");
        }
    }
}
