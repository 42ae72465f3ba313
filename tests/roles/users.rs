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

/// The ACL file with a user of each role, of one policy.
pub fn file() -> String {
    of(&ROLES)
}

/// The same, each as it is where the policy has no other.
pub fn apart() -> String {
    let line = |role: &str| {
        let all = of(&[role]);
        let mut lines = all.lines().map(str::to_owned);
        let line = lines.find(|line| line.starts_with(&format!("user {role} ")));
        line.expect("its user") + "\n"
    };
    "user default off\n".to_owned() + &ROLES.map(line).concat()
}

fn of(roles: &[&str]) -> String {
    let users = roles
        .iter()
        .map(|role| format!("[acl.{role}]\nrole = \"{role}\"\n"));
    let users: String = users.collect();
    let policies = Policies::parse("roles.toml", &users).expect("a valid policy");
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
