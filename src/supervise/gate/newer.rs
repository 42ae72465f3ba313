//! Data that a newer server wrote, or one of the other family: this one would end at it again and again, and say so in its own log only.
//! No table of versions tells what it reads: the installed program is asked, with the first bytes of the file and nothing behind them.

use super::Layout;
use super::beyond::Directives;
use crate::host::{Host, HostResult};
use crate::supervise::process;
use crate::supervise::settings::Settings;
use std::path::PathBuf;

/// `REDIS0012` or `VALKEY080`. Source: `rdbSaveRio` in rdb.c.
const MAGIC: usize = 9;

/// The auxiliary fields that say who wrote it are within these.
const HEAD: u64 = 256;

/// Why it must not start, with the next step. What cannot be asked is no reason to refuse: the server then judges it itself.
pub(super) fn danger(
    host: &Host,
    settings: &Settings,
    layout: &Layout,
    directives: &Directives,
) -> HostResult<Option<String>> {
    // Valkey's own word that it tries all the same.
    if directives.get("rdb-version-check") == Some("relaxed") {
        return Ok(None);
    }
    for path in loaded(host, layout)? {
        let head = host.read_head(&path, HEAD)?.unwrap_or_default();
        let Some(magic) = magic(&head) else {
            continue;
        };
        if process::reads_snapshot(settings, magic)? == Some(false) {
            let writer = writer(&head).map_or(String::new(), |writer| format!(" by {writer}"));
            return Ok(Some(format!(
                "{} was written{writer} in a format ({}) that this server cannot read; nothing of it was touched. Install the server \
                 that wrote it again, or move {} away and put back a backup that this one wrote",
                path.display(),
                String::from_utf8_lossy(magic),
                layout.dir.display()
            )));
        }
    }
    Ok(None)
}

/// The files in that format which it would load. Source: `loadDataFromDisk` in server.c.
fn loaded(host: &Host, layout: &Layout) -> HostResult<Vec<PathBuf>> {
    if !layout.appendonly {
        return Ok(vec![layout.snapshot.clone()]);
    }
    let Some(manifest) = host.read_untrusted(&layout.manifest())? else {
        return Ok(vec![layout.dir.join(&layout.aof_name)]);
    };
    let manifest = String::from_utf8_lossy(&manifest);
    let files = manifest.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.find(|word| *word == "file").and(words.next())
    });
    Ok(files.map(|name| layout.aof_dir.join(name)).collect())
}

fn magic(head: &[u8]) -> Option<&[u8]> {
    let magic = head.get(..MAGIC)?;
    let digits = magic
        .strip_prefix(b"REDIS")
        .or(magic.strip_prefix(b"VALKEY"))?;
    digits.iter().all(u8::is_ascii_digit).then_some(magic)
}

/// `redis 8.0.2`, by the field in which a server names itself.
fn writer(head: &[u8]) -> Option<String> {
    ["redis", "valkey"].into_iter().find_map(|name| {
        let field = format!("{name}-ver");
        let after = head
            .windows(field.len())
            .position(|bytes| bytes == field.as_bytes())?
            .checked_add(field.len())?;
        let (&length, rest) = head.get(after..)?.split_first()?;
        let version = std::str::from_utf8(rest.get(..usize::from(length))?).ok()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-~+".contains(c);
        version
            .chars()
            .all(plain)
            .then(|| format!("{name} {version}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_its_format_and_who_wrote_it() {
        // Of Redis 8.0.2 and Valkey 8.1.1.
        let redis = b"REDIS0012\xfa\x09redis-ver\x058.0.2\xfa\x0aredis-bits\xc0\x40";
        assert_eq!(magic(redis), Some(&b"REDIS0012"[..]));
        assert_eq!(writer(redis).as_deref(), Some("redis 8.0.2"));
        let valkey = b"REDIS0011\xfa\x0avalkey-ver\x058.1.1\xfa\x0aredis-bits\xc0\x40";
        assert_eq!(writer(valkey).as_deref(), Some("valkey 8.1.1"));
        assert_eq!(magic(b"VALKEY080\xfa"), Some(&b"VALKEY080"[..]));
    }

    #[test]
    fn what_is_no_snapshot_is_not_asked_about() {
        for head in [
            &b""[..],
            b"*2\r\n$6\r\nSELECT\r\n",
            b"REDIS001",
            b"REDIS00x2",
            b"VALKEY\0\0\0",
        ] {
            assert_eq!(magic(head), None, "{head:?}");
        }
        for head in [
            &b"REDIS0012\xfa\x09redis-ver"[..],
            b"REDIS0012\xfa\x09redis-ver\x3f8.0",
            b"REDIS0012\xfa\x09redis-ver\x05\x1b[31m",
        ] {
            assert_eq!(writer(head), None, "{head:?}");
        }
    }
}
