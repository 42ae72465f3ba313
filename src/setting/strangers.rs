//! What lies in a data directory that no Redis made: told by name, kind, mode and the first bytes of a dump. Nothing is opened but
//! dumps, and nothing is moved or removed: it is evidence.

use super::{Reading, Sight, traces};
use crate::host::{Host, HostResult, Kind, Stat};
use crate::policy::Policy;
use crate::supervise::lock;
use std::path::Path;

/// Where a mount or a system puts something beside the data.
const OTHERS: [&str; 1] = ["lost+found"];

/// What any dump begins with. Source: `rdb.h` of Redis, and of Valkey since 9.
const MAGIC: [&[u8]; 2] = [b"REDIS", b"VALKEY"];

/// The names in a data directory, and in that of its append-only files, that are not Redis's, each with what is odd about it.
pub fn read(sight: Sight, dir: &Path) -> Reading {
    let mut instances = sight.facts.instances.values().map(|known| &known.policy);
    let policy = instances.find(|policy| policy.data_dir() == dir);
    match odd(sight.host, policy, dir, true) {
        Ok(odd) => traces::words(odd),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

fn odd(host: &Host, policy: Option<&Policy>, dir: &Path, is_top: bool) -> HostResult<Vec<String>> {
    let mut odd = Vec::new();
    for name in host.list(dir)? {
        if name.contains(char::REPLACEMENT_CHARACTER) {
            // Its bytes are no text, and the file is not found by what stands for them.
            odd.push(format!("{name} (no name of Redis's)"));
            continue;
        }
        let path = dir.join(&name);
        // A rewrite may have ended since it was listed.
        let Some(stat) = host.stat(&path)? else {
            continue;
        };
        let original = before_set_aside(&name);
        if is_top && stat.kind == Kind::Dir && is_of_aof(policy, original) {
            let below = self::odd(host, policy, &path, false)?;
            odd.extend(below.iter().map(|found| format!("{name}/{found}")));
        } else if let Some(why) = why_odd(host, policy, &path, original, stat)? {
            odd.push(format!("{name} ({why})"));
        }
    }
    Ok(odd)
}

fn why_odd(
    host: &Host,
    policy: Option<&Policy>,
    path: &Path,
    name: &str,
    stat: Stat,
) -> HostResult<Option<&'static str>> {
    let why = match stat.kind {
        _ if OTHERS.contains(&name) => None,
        Kind::Link => Some("a link"),
        Kind::Dir => Some("a directory"),
        Kind::Other => Some("no file"),
        Kind::File if !is_redis(policy, name) => Some("no name of Redis's"),
        Kind::File if stat.links > 1 => Some("has another name elsewhere"),
        Kind::File if stat.mode & 0o7111 != 0 => Some("may be run"),
        Kind::File if name.ends_with(".rdb") && !is_dump(host, path)? => Some("no dump"),
        Kind::File => None,
    };
    Ok(why)
}

/// Whether a dump is one; a temporary one may be empty still.
fn is_dump(host: &Host, path: &Path) -> HostResult<bool> {
    let head = host.read_head(path, 6)?.unwrap_or_default();
    Ok(head.is_empty() || MAGIC.iter().any(|magic| head.starts_with(magic)))
}

/// A name that Redis gives a file: as configured, or by its kind, since an earlier configuration may have had another.
fn is_redis(policy: Option<&Policy>, name: &str) -> bool {
    let configured = ["dbfilename", "appendfilename", "cluster-config-file"];
    let ends = [".rdb", ".aof", ".manifest"];
    name == lock::NAME
        || configured.iter().any(|key| is_given(policy, key, name))
        || ends.iter().any(|end| name.ends_with(end))
        // cluster.c writes nodes.conf.tmp-PID-MS beside nodes.conf.
        || name.starts_with("nodes") && name.contains(".conf")
        || name.starts_with("temp-")
}

/// The name that a file or directory had before a rollback set it aside.
fn before_set_aside(name: &str) -> &str {
    let is_stamp = |stamp: &str| {
        let digits = stamp.bytes().filter(u8::is_ascii_digit).count();
        digits == 14 && stamp.len() == 16 && stamp.ends_with('Z')
    };
    match name.rsplit_once(".set-aside-") {
        Some((original, stamp)) if is_stamp(stamp) => original,
        _ => name,
    }
}

fn is_of_aof(policy: Option<&Policy>, name: &str) -> bool {
    name == "appendonlydir" || is_given(policy, "appenddirname", name)
}

fn is_given(policy: Option<&Policy>, key: &str, name: &str) -> bool {
    let given = policy.and_then(|policy| policy.redis.directives.get(key));
    given.and_then(|value| value.text()) == Some(name)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test builds its own root")]
mod tests {
    use super::*;
    use crate::host::Reach;
    use crate::value::Value;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_name_that_is_no_text_is_told_and_one_of_two_lines_is_told_on_one() {
        let root = tempfile::tempdir().expect("a directory");
        for name in [&b"\xff.so"[..], b"a\n99 pass, 0 fail"] {
            std::fs::write(root.path().join(OsStr::from_bytes(name)), "x").expect("written");
        }
        let host = Host::at(root.path(), Reach::FilesOnly("a test".into())).expect("a root");
        let found = odd(&host, None, Path::new("/"), true).expect("listed");
        let Reading::Value(Value::Words(told), None) = traces::words(found) else {
            panic!("two are there");
        };
        let expected = [
            "a\\n99 pass, 0 fail (no name of Redis's)",
            "\u{fffd}.so (no name of Redis's)",
        ];
        assert_eq!(told, expected);
    }
}
