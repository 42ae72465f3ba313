//! Directives in a configuration file that is not ours, and in the files that it includes: how many, and where. Never what they say:
//! `requirepass` and `rename-command` are secrets. The file may be the server's own to write, so no link is followed.

use super::{Reading, Sight};
use crate::host::{Host, HostError, HostResult};
use crate::redis::config;
use crate::value::Value;
use std::path::Path;
use std::rc::Rc;

/// Deeper nesting of includes than any honest configuration has.
const MAX_INCLUDES: usize = 8;

/// A file's directives with their arguments, in order; `None` when there is no such file.
pub(super) type Lines = Option<Vec<(String, Vec<String>)>>;

/// Lines of a directive.
pub fn read(sight: Sight, path: &Path, name: &str) -> Reading {
    let mut found = Vec::new();
    match search(sight, path, name, 0, &mut found) {
        Ok(false) => Reading::NotApplicable(format!("there is no {}", path.display())),
        Ok(true) if found.is_empty() => Reading::Absent,
        Ok(true) => {
            let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
            Reading::Value(Value::Lines(count), Some(found.join(", ")))
        }
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// Adds `FILE` for each line of the directive; false when there is no such file.
fn search(
    sight: Sight,
    path: &Path,
    name: &str,
    depth: usize,
    found: &mut Vec<String>,
) -> HostResult<bool> {
    let refused = |cause: &str| {
        let doing = format!("reading {}", path.display());
        Err(HostError::refused(doing, cause))
    };
    if depth > MAX_INCLUDES {
        return refused("its includes go too deep to be followed");
    }
    let lines = lines(sight, path)?;
    let Some(lines) = lines.as_ref() else {
        return Ok(false);
    };
    for (directive, arguments) in lines {
        if directive == name {
            found.push(path.display().to_string());
        }
        for included in arguments.iter().filter(|_| directive == "include") {
            if included.contains(['*', '?', '[']) || !included.starts_with('/') {
                return refused(&format!(
                    "it includes {included}, which is not looked into: look at it by hand"
                ));
            }
            search(sight, Path::new(included), name, depth + 1, found)?;
        }
    }
    Ok(true)
}

/// A file's directives; in a pass of judging it is read once.
fn lines(sight: Sight, path: &Path) -> HostResult<Rc<Lines>> {
    let known = sight
        .memo
        .and_then(|memo| memo.config_files.borrow().get(path).cloned());
    if let Some(known) = known {
        return Ok(known);
    }
    let lines = Rc::new(parsed(sight.host, path)?);
    if let Some(memo) = sight.memo {
        let mut files = memo.config_files.borrow_mut();
        files.insert(path.to_path_buf(), Rc::clone(&lines));
    }
    Ok(lines)
}

fn parsed(host: &Host, path: &Path) -> HostResult<Lines> {
    let bytes = host.read_untrusted(path)?;
    Ok(bytes.map(|bytes| config::parse(&String::from_utf8_lossy(&without_comments(&bytes)))))
}

/// Debian's file is a manual of 2,000 lines around some eighty directives.
fn without_comments(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split_inclusive(|b| *b == b'\n');
    let kept = lines.filter(|line| !line.trim_ascii_start().starts_with(b"#"));
    kept.collect::<Vec<_>>().concat()
}
