//! What topics share that render files: whose such a file is, with what it is done and undone together, and why it is not in a tree.

use crate::facts::{Entrypoint, Facts};
use crate::policy::Policy;
use crate::rule::Rule;
use crate::value::{Access, FileValue, Value};

/// Why redis.conf, and the settings beside it, are not in a tree that is prepared.
pub(super) const MEMORY_UNKNOWN: &str =
    "maxmemory is worked out from the memory of the host itself";

/// An access by names.
pub(super) fn access(facts: &Facts, user: &str, group: &str, mode: u32) -> Access {
    Access {
        user: facts.user(user),
        group: facts.group(group),
        mode,
    }
}

/// A rendered file of root's.
pub(super) fn rendered(facts: &Facts, group: &str, mode: u32, content: String) -> Rule {
    let mut access = access(facts, "root", group, mode);
    if let Some(Entrypoint::Own(..)) = facts.entrypoint {
        (access.user, access.group) = (facts.root_account(), facts.root_group());
    }
    Rule::Is(Value::File(FileValue {
        content: content.into_bytes(),
        access,
    }))
}

/// The group of an instance's rendered files and its service: they are done and undone together.
pub(super) fn group(policy: &Policy) -> String {
    format!("redis {}", policy.redis.name)
}
