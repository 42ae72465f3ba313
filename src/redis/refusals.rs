//! Clients that the server refused, from `ACL LOG`: how often and when. Never who or what they tried: a user name that was mistyped
//! is often a password.

use redis::{FromRedisValue, Value, from_redis_value};
use std::collections::BTreeMap;

/// Asked for at most so many, and no more are kept; a server of somebody else's keeps 128 by default.
pub const MOST: &str = "32";

/// One entry: refusals of one kind that came close together.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// `auth`, `command`, `key` or `channel`.
    pub reason: String,
    pub count: u64,
    /// Seconds since the last of them.
    pub age: f64,
}

impl Refusal {
    /// From an entry's fields; one without them counts as just now.
    pub fn of(fields: &BTreeMap<String, Value>) -> Refusal {
        let age: Option<String> = field(fields, "age-seconds");
        let reason: Option<String> = field(fields, "reason");
        let known = ["auth", "command", "key", "channel"];
        let reason = reason.filter(|reason| known.contains(&reason.as_str()));
        Refusal {
            reason: reason.unwrap_or_else(|| "unknown".to_owned()),
            count: field(fields, "count").unwrap_or(1),
            age: age.and_then(|age| age.parse().ok()).unwrap_or(0.0),
        }
    }
}

fn field<T: FromRedisValue>(fields: &BTreeMap<String, Value>, name: &str) -> Option<T> {
    from_redis_value(fields.get(name)?.clone()).ok()
}
