//! Directives of the running server about its users: what a new one may hear, and what is remembered of those that were refused.

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::rule::Rule;
use crate::value::Value;

pub const CONTROLS: &[Control] = &[
    running!(
        "acl.channels",
        Medium,
        "acl-pubsub-default",
        Rule::Is(Value::text("resetchannels")),
        "a new user may listen to no channel",
        "allchannels, the default before 7.0, lets every user hear what all others publish.",
        &["redis.conf acl-pubsub-default"],
        "resetchannels",
        "allchannels"
    ),
    running!(
        "acl.log",
        Low,
        "acllog-max-len",
        Rule::AtLeast(1),
        "refused commands and logins are remembered",
        "ACL LOG is where an attack is seen first; with a length of 0 there is none.",
        &["redis.conf acllog-max-len"],
        "128",
        "0"
    ),
];
