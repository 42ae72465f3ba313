//! The ACL file: every user with its rules and the SHA-256 of its password, and always a `default` that is off.

use crate::policy::{Policy, Role};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What stands in a plan for the digest of a password that `apply` will generate.
pub const NOT_YET: &str = "(the SHA-256 of a password that apply generates)";

/// The rules of a role, without passwords. Sources: Redis's `acl.md`; CATALOGUE §1.12.
pub fn rules(role: Role) -> &'static str {
    match role {
        Role::Admin => "~* &* +@all",
        Role::Agent => {
            "resetkeys resetchannels -@all +ping +info +shutdown +script|kill +function|kill"
        }
        // Scripting is where the 2022–2026 remote-code bugs were; a policy that needs it adds `+@scripting`.
        Role::Application => "~* &* +@all -@admin -@dangerous -@scripting +info",
        // What redis_exporter asks where it is told not to ask for the configuration; no key, and nothing is changed.
        Role::Monitor => {
            "resetkeys resetchannels -@all +ping +info +client|setname +slowlog|get +slowlog|len +latency|latest +latency|histogram"
        }
        Role::ReadOnly => "~* resetchannels -@all +@read +@connection -@dangerous +ping",
    }
}

/// The file, whole. `digests` holds what is known of the password files.
pub fn render(policy: &Policy, digests: &BTreeMap<PathBuf, String>) -> String {
    let mut text =
        String::from("user default off sanitize-payload resetkeys resetchannels -@all\n");
    for (name, user) in policy.acl_users() {
        let digest = digests
            .get(&policy.secret_file(&name))
            .map_or(NOT_YET, String::as_str);
        let role = user.role.map_or("resetkeys resetchannels -@all", rules);
        let extra = user.rules.as_deref().map_or(String::new(), |r| {
            format!("{} {}", narrowed(role, r), r.trim())
        });
        text.push_str(&format!(
            "user {name} on sanitize-payload #{digest} {role}{extra}\n"
        ));
    }
    text
}

/// Redis does not start on a pattern after `~*` or `&*`: a user's own patterns stand in place of its role's. Source: `ACLSetUser` in Redis's `acl.c`.
fn narrowed(role: &str, extra: &str) -> String {
    let mut depth = 0;
    let mut outside = Vec::new();
    for word in extra.split_whitespace() {
        // What stands in parentheses is a selector, with patterns of its own.
        depth += word.matches('(').count();
        if depth == 0 {
            outside.push(word);
        }
        depth = depth.saturating_sub(word.matches(')').count());
    }
    let own = |marks: &[char]| outside.iter().any(|word| word.starts_with(marks));
    let mut text = String::new();
    if role.contains("~*") && own(&['~', '%']) {
        text.push_str(" resetkeys");
    }
    if role.contains("&*") && own(&['&']) {
        text.push_str(" resetchannels");
    }
    text
}

/// Whether every password that the file needs is known.
pub fn is_complete(text: &str) -> bool {
    !text.contains(NOT_YET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_a_users_own_replace_those_of_its_role() {
        let role = rules(Role::Application);
        assert_eq!(
            narrowed(role, "~jobs:* &jobs:*"),
            " resetkeys resetchannels"
        );
        assert_eq!(narrowed(role, "%R~jobs:*"), " resetkeys");
        assert_eq!(narrowed(role, "+keys (~other:* +get)"), "");
        assert_eq!(
            narrowed("resetkeys resetchannels -@all", "~app:* +@read"),
            ""
        );
    }
}
