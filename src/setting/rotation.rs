//! Who rotates a log: the first stanza of logrotate's configuration whose patterns match the file.

use super::Reading;
use crate::host::{Host, HostResult};
use crate::redis::effective::glob;
use crate::value::Value;
use std::path::{Path, PathBuf};

/// The file of logrotate that names `log`. Text, or nothing.
pub fn read(host: &Host, log: &Path) -> Reading {
    match rotating(host, log) {
        Ok(Some(path)) => Reading::Value(Value::text(path.display().to_string()), None),
        Ok(None) => Reading::Absent,
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

fn rotating(host: &Host, log: &Path) -> HostResult<Option<PathBuf>> {
    let dir = Path::new("/etc/logrotate.d");
    let mut files = vec![PathBuf::from("/etc/logrotate.conf")];
    files.extend(host.list(dir)?.iter().map(|name| dir.join(name)));
    for path in files {
        let text = host.read_text(&path)?.unwrap_or_default();
        if patterns(&text).any(|pattern| names(pattern, log)) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The words outside of braces that are paths. Source: logrotate.conf(5).
fn patterns(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let outside = text.lines().filter_map(move |line| {
        let line = line.trim();
        let (before, _) = line.split_once('{').unwrap_or((line, ""));
        let at_top = depth == 0;
        depth = (depth + line.matches('{').count()).saturating_sub(line.matches('}').count());
        (at_top && !line.starts_with('#')).then_some(before)
    });
    outside
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_matches('"'))
        .filter(|word| word.starts_with('/'))
}

fn names(pattern: &str, log: &Path) -> bool {
    let pattern = Path::new(pattern);
    let (Some(ours), Some(theirs)) = (log.file_name(), pattern.file_name()) else {
        return false;
    };
    pattern.parent() == log.parent()
        && glob::matches(&theirs.to_string_lossy(), &ours.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Debian's redis-server 7.0.15 installs.
    const DEBIAN: &str = "/var/log/redis/redis-server*.log {\n\tweekly\n\tmissingok\n\trotate 12\n\tcompress\n\tnotifempty\n}\n";

    #[test]
    fn a_stanza_is_known_by_the_patterns_before_its_brace() {
        let named = |text: &str, log: &str| patterns(text).any(|p| names(p, Path::new(log)));
        assert!(named(DEBIAN, "/var/log/redis/redis-server.log"));
        assert!(named(DEBIAN, "/var/log/redis/redis-server-two.log"));
        assert!(!named(DEBIAN, "/var/log/redis.log"));
        assert!(!named(
            "# /var/log/redis/redis-server.log\n",
            "/var/log/redis/redis-server.log"
        ));
        let several = "/a/b.log\n\"/c/d.log\" {\n postrotate\n  cp /x/y.log /z\n endscript\n}\n";
        assert!(named(several, "/a/b.log") && named(several, "/c/d.log"));
        assert!(!named(several, "/x/y.log"));
    }
}
