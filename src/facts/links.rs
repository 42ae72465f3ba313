//! Directories whose names lead elsewhere: what judges by where a file is (AppArmor) never sees the name.

use crate::host::{Host, HostResult, Kind};
use crate::policy::Policies;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The directories of the instances' data and logs that are links, or lie below one.
pub(super) fn of(host: &Host, policies: &Policies) -> HostResult<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for policy in &policies.instances {
        let log = policy.log_file();
        let log = log.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        for dir in log.into_iter().chain([policy.data_dir()]) {
            if is_linked(host, &dir)? {
                found.insert(dir);
            }
        }
    }
    Ok(found)
}

fn is_linked(host: &Host, dir: &Path) -> HostResult<bool> {
    for part in dir.ancestors().filter(|part| part.parent().is_some()) {
        match host.stat(part) {
            Ok(Some(stat)) if stat.kind == Kind::Link => return Ok(true),
            Ok(_) => {}
            // Who may not look renders nothing either.
            Err(e) if e.is_denied() => return Ok(false),
            Err(e) => return Err(e),
        }
    }
    Ok(false)
}
