//! A policy in TOML. What is accepted shows as a policy that is the same one, and puts nothing but its own lines into the files
//! that are rendered from it.

use redis_harden::policy::{Policies, Policy, show};
use redis_harden::redis::{acl, config, users::User};
use std::collections::BTreeMap;

pub fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match Policies::parse("fuzz.toml", text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(policies) => accepted(&policies),
    }
}

fn accepted(policies: &Policies) {
    let shown = show(policies);
    let again = Policies::parse("shown.toml", &shown)
        .unwrap_or_else(|e| panic!("what is shown is refused: {e}\n{shown}"));
    assert_eq!(policies.instances, again.instances, "{shown}");
    for policy in &policies.instances {
        redis_conf(policy);
        acl_file(policy);
    }
}

/// A line for each directive, which reads back as its name and arguments.
fn redis_conf(policy: &Policy) {
    let wanted: Vec<(String, Vec<String>)> = config::directives(policy, 1 << 30, None)
        .into_iter()
        .map(|(name, line)| {
            let arguments = config::split(&line);
            let arguments = arguments.unwrap_or_else(|| panic!("{name} has unbalanced quotes"));
            (name, arguments)
        })
        .collect();
    assert_eq!(
        config::parse(&config::render(policy, 1 << 30, None)),
        wanted
    );
}

/// A line for each user, the default one first, and that one off.
fn acl_file(policy: &Policy) {
    let text = acl::render(policy, &BTreeMap::new());
    let users = User::parse_all(&text);
    assert_eq!(text.lines().count(), users.len(), "{text}");
    let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
    let wanted = policy.acl_users();
    let wanted = wanted.keys().map(|name| name.as_str());
    let wanted: Vec<&str> = std::iter::once("default").chain(wanted).collect();
    assert_eq!(names, wanted, "{text}");
    let default_is_off = users.first().is_some_and(|user| !user.on);
    assert!(
        default_is_off && !users.iter().any(|user| user.nopass),
        "{text}"
    );
}
