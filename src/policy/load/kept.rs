//! Policies as they are in force, merged and written to a directory, whatever becomes of the files that they came from.

use crate::host::{Host, HostResult, Trust};
use crate::policy::{Policies, Policy, PolicyError};
use std::path::Path;

impl Policies {
    /// Those that `keep` wrote.
    pub fn kept(host: &Host, directory: &Path) -> Result<Policies, PolicyError> {
        Policies::load_installed(host, directory, Trust::Root)
    }

    /// Writes them to a directory as they are now, merged: whatever becomes of the files that they came from. In the way of
    /// `/etc/redis-harden`, for root alone; what was kept there before is gone.
    pub fn keep(&self, host: &Host, directory: &Path) -> HostResult<()> {
        let (uid, gid) = (host.euid(), nix::unistd::getegid().as_raw());
        let instances = directory.join("instances");
        for dir in [directory, &instances] {
            host.make_dir(dir, 0o700, uid, gid)?;
        }
        for name in host.list(&instances)? {
            host.remove(&instances.join(name))?;
        }
        for (number, policy) in self.instances.iter().enumerate() {
            let path = match number {
                0 => directory.join("policy.toml"),
                _ => instances.join(format!("{}.toml", policy.redis.name)),
            };
            host.write_file(&path, text(policy).as_bytes(), 0o600, uid, gid)?;
        }
        Ok(())
    }
}

/// A merged policy as a file.
pub(super) fn text(policy: &Policy) -> String {
    toml::to_string(policy).expect("a policy is tables, texts and numbers")
}
