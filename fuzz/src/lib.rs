//! What must hold of whatever is read: a function each, which takes any bytes and panics where it does not hold.
//! `fuzz_targets` gives them to libFuzzer; `tests/corpus.rs` runs them on what is committed.

pub mod acl;
pub mod journal;
pub mod nft;
pub mod policy;
pub mod redis_conf;
pub mod replies;
pub mod sysctl_d;

/// What a property is asked with.
pub type Property = fn(&[u8]);

/// By the names of `fuzz_targets`, `corpus` and `regressions`.
pub const PROPERTIES: [(&str, Property); 7] = [
    ("acl", acl::holds),
    ("journal", journal::holds),
    ("nft", nft::holds),
    ("policy", policy::holds),
    ("redis_conf", redis_conf::holds),
    ("replies", replies::holds),
    ("sysctl_d", sysctl_d::holds),
];
