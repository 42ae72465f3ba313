//! The bounding set: emptied while still root, so that nothing that is run later can hold a capability.

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

/// Empties it as far as this process may: without CAP_SETPCAP it stays, which /proc tells.
pub fn empty_bounding_set() {
    for capability in CapabilitySet::all() {
        // Any other error is EINVAL: a kernel that is older than this capability.
        if remove_capability_from_bounding_set(capability) == Err(Errno::PERM) {
            return;
        }
    }
}
