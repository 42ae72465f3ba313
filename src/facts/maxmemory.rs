//! Each instance's maxmemory: given, or its share of what there is.

use crate::policy::{Memory, Policies, Policy};
use std::collections::BTreeMap;

/// `maxmemory = "auto"` is rounded down to this, so that a kernel update that reserves a page more changes nothing.
const GRAIN: u64 = 16 << 20;

/// Each instance's maxmemory: the automatic ones share what the memory limit leaves after its headroom and the fixed ones.
pub(super) fn maxmemory(policies: &Policies, memory: u64, limit: u64) -> BTreeMap<String, u64> {
    let fixed = |policy: &Policy| match policy.redis.maxmemory {
        Memory::Size(size) => Some(size.0),
        Memory::Percent(percent) if memory > 0 => Some(memory / 100 * u64::from(percent)),
        _ => None,
    };
    let taken: u64 = policies.instances.iter().filter_map(fixed).sum();
    let automatic = policies
        .instances
        .iter()
        .filter(|p| p.redis.maxmemory == Memory::Auto)
        .count();
    let auto = |policy: &Policy| {
        let wanted = policy.redis.maxmemory == Memory::Auto && memory > 0;
        wanted.then(|| share(limit, policy.memory.headroom, taken, automatic))
    };
    let of = |policy: &Policy| {
        let bytes = fixed(policy).or_else(|| auto(policy))?;
        Some((policy.redis.name.to_string(), bytes))
    };
    policies.instances.iter().filter_map(of).collect()
}

fn share(limit: u64, headroom: f64, taken: u64, instances: usize) -> u64 {
    // A memory size fits a double's 53 bits, and the result is rounded to 16 MiB anyway.
    let usable = (limit as f64 / headroom.max(1.0)) as u64;
    let each = usable.saturating_sub(taken) / u64::try_from(instances.max(1)).unwrap_or(1);
    (each / GRAIN * GRAIN).max(GRAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn automatic_instances_share_what_the_fixed_ones_leave() {
        const GIB: u64 = 1 << 30;
        assert_eq!(share(8 * GIB, 2.0, 0, 1), 4 * GIB);
        assert_eq!(share(8 * GIB, 2.0, 2 * GIB, 2), GIB);
        assert_eq!(share(GIB, 2.0, 4 * GIB, 1), GRAIN, "never none at all");
    }
}
