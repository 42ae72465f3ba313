//! ACL rules. A line is one user at most, its white space means nothing, and what `reset` leaves may do nothing. Rules that a policy
//! accepts stay in the line of the user that they are for.

use super::policy;
use redis_harden::redis::users::{User, commands};

pub fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let users: Vec<User> = text.lines().filter_map(one_line).collect();
    assert_eq!(User::parse_all(text), users);
    // JSON's escapes are TOML's.
    let quoted = serde_json::to_string(text).expect("a text");
    for role in ["", "role = \"application\"\n"] {
        policy::holds(format!("[acl.fuzzed]\n{role}rules = {quoted}\n").as_bytes());
    }
}

fn one_line(line: &str) -> Option<User> {
    let user = User::parse(line)?;
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(User::parse(&words.join(" ")).as_ref(), Some(&user));
    assert!(user.reaches_as(&user));
    let reset = User::parse(&format!("{line} ) reset")).expect("a user");
    let (able, trusted) = (commands().any(|c| reset.may(c)), reset.trusted_payloads);
    assert!(!able && !trusted && !reset.on && !reset.nopass && reset.hashes.is_empty());
    Some(user)
}
