//! The `*.conf` files of a set of directories, as sysctl.d(5) and tmpfiles.d(5) take them: by name, whichever directory they are in,
//! and of one name the first directory's. A link to /dev/null masks those after it.

use crate::host::{Host, HostResult, Kind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files that count, in the order of their names.
pub(super) fn files(host: &Host, dirs: &[&str]) -> HostResult<Vec<PathBuf>> {
    let mut by_name: BTreeMap<String, PathBuf> = BTreeMap::new();
    for dir in dirs.iter().rev().map(Path::new) {
        let names = host.list(dir)?.into_iter();
        by_name.extend(
            names
                .filter(|name| name.ends_with(".conf"))
                .map(|name| (name.clone(), dir.join(name))),
        );
    }
    Ok(by_name.into_values().collect())
}

/// A file's text; nothing where it is a mask. A byte that is no text in somebody's comment is nothing to those who apply it either.
pub(super) fn text(host: &Host, path: &Path) -> HostResult<Option<String>> {
    if is_mask(host, path)? {
        return Ok(None);
    }
    let bytes = host.read(path)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn is_mask(host: &Host, path: &Path) -> HostResult<bool> {
    let is_link = host.stat(path)?.is_some_and(|s| s.kind == Kind::Link);
    let target = if is_link { host.read_link(path)? } else { None };
    Ok(target.is_some_and(|target| target == Path::new("/dev/null")))
}
