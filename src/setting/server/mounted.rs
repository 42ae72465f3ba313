//! The mounts as the server itself sees them: a unit's sandbox is another view than ours.

use crate::policy::Policy;
use crate::setting::Sight;
use crate::value::Value;
use procfs::process::Process;
use std::path::Path;

/// Whether the mount that holds the data directory lets programs be run and modules be mapped.
pub(super) fn data_executable(
    sight: Sight,
    pid: i32,
    policy: &Policy,
) -> procfs::ProcResult<Option<Value>> {
    let process = Process::new_with_root(sight.host.real(Path::new(&format!("/proc/{pid}"))))?;
    let data = policy.data_dir();
    let mounts = process.mountinfo()?;
    // The longest mount point is the nearest; of two at the same one, the later lies over the earlier.
    let holder = mounts
        .into_iter()
        .filter(|mount| data.starts_with(&mount.mount_point))
        .max_by_key(|mount| mount.mount_point.as_os_str().len());
    Ok(holder.map(|mount| Value::Flag(!mount.mount_options.contains_key("noexec"))))
}
