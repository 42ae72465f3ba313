//! What the server's control group has counted.

use crate::host::Host;
use crate::value::Value;
use procfs::process::Process;
use std::path::{Path, PathBuf};

/// Kills in its own group; `None` where it has no group of its own, or the kernel does not count.
/// Source: cgroup-v2.rst memory.events, cgroup-v1 memory.oom_control.
pub(super) fn oom_kills(host: &Host, process: &Process) -> procfs::ProcResult<Option<Value>> {
    for group in process.cgroups()? {
        let inside = group.pathname.trim_start_matches('/');
        let of_memory = group.controllers.iter().any(|c| c == "memory");
        let file = match (inside, group.hierarchy, of_memory) {
            ("", ..) => continue,
            (_, 0, _) => unified(host, inside),
            (_, _, true) => Path::new("/sys/fs/cgroup/memory")
                .join(inside)
                .join("memory.oom_control"),
            _ => continue,
        };
        // A group that is gone, or not ours to read, has counted nothing that we know of.
        if let Ok(Some(text)) = host.read_text(&file)
            && let Some(kills) = counted(&text)
        {
            return Ok(Some(Value::Int(kills)));
        }
    }
    Ok(None)
}

/// Where the unified hierarchy is: at the root, or beside the old ones.
fn unified(host: &Host, inside: &str) -> PathBuf {
    let beside = Path::new("/sys/fs/cgroup/unified");
    let root = match host.stat(beside) {
        Ok(Some(_)) => beside,
        _ => Path::new("/sys/fs/cgroup"),
    };
    root.join(inside).join("memory.events")
}

fn counted(text: &str) -> Option<i64> {
    let line = text.lines().find_map(|l| l.strip_prefix("oom_kill "));
    line?.trim().parse().ok()
}
