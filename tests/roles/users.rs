//! A user of each role, as a policy's ACL file has them.

use redis_harden::policy::Policies;
use redis_harden::redis::acl;
use sha2::{Digest, Sha256};

/// Each is the name of its user too.
pub const ROLES: [&str; 8] = [
    "admin",
    "agent",
    "application",
    "read-only",
    "metrics",
    "backup",
    "replica",
    "sentinel",
];

/// A user's password in these tests.
pub fn password(user: &str) -> String {
    format!("the password of {user}").replace(' ', "-")
}

/// The ACL file with a user of each role.
pub fn file() -> String {
    let users = ROLES.map(|role| format!("[acl.{role}]\nrole = \"{role}\"\n"));
    let policies = Policies::parse("roles.toml", &users.concat()).expect("a valid policy");
    let policy = policies.only_one().expect("one instance");
    let digest = |user: &str| {
        let digest = Sha256::digest(password(user).as_bytes());
        vec![digest.iter().map(|byte| format!("{byte:02x}")).collect()]
    };
    let digests: acl::Digests = policy
        .acl_users()
        .keys()
        .map(|name| (policy.password_of(name), digest(name.as_str())))
        .collect();
    acl::render(policy, &digests)
}
