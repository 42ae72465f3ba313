//! The ACL file: every user with its rules and the SHA-256 of its password, and always a `default` that is off.

use crate::policy::{PasswordSource, Policy, Role, is_taken_from};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What stands in a plan for the digest of a password that `apply` will generate.
pub const NOT_YET: &str = "(the SHA-256 of a password that apply generates)";

/// Every channel.
const ALL: &str = "&*";

/// Every channel but those that begin with `__s`: an ACL has no pattern that takes away. Keyspace events are among them.
const OTHERS: &str = "&[^_]* &_[^_]* &__[^s]*";

/// The user that everybody is who does not log in.
pub const DEFAULT_OFF: &str = "user default off sanitize-payload resetkeys resetchannels -@all";

/// The rules of a role, without passwords. Sources: Redis's `acl.md`; CATALOGUE §1.12.
pub fn rules(role: Role) -> &'static str {
    match role {
        Role::Admin => "~* &* +@all",
        // The end of clients that have not logged in: whoever reaches the port could have all connections for nothing.
        Role::Agent => {
            "resetkeys resetchannels -@all +ping +info +shutdown +script|kill +function|kill +client|kill"
        }
        // Scripting is where the 2022–2026 remote-code bugs were; a policy that needs it adds `+@scripting`. MEMORY beyond the size of a
        // key is about the server as a whole; CLUSTER GETKEYSINSLOT names keys whatever a user's patterns.
        Role::Application => {
            "~* &* +@all -@admin -@dangerous -@scripting -memory +memory|usage -cluster|getkeysinslot -cluster|countkeysinslot +info"
        }
        // A client of a cluster asks where the slots are before it reads.
        Role::ReadOnly => {
            "%R~* resetchannels -@all +@read +@connection -@dangerous -@admin +ping +cluster|slots +cluster|shards"
        }
        // What redis_exporter asks, but for CONFIG GET, which shows a replica's `masterauth` in clear text: what it tells is in INFO.
        Role::Metrics => {
            "resetkeys resetchannels -@all +ping +info +slowlog|len +slowlog|get +latency|latest +latency|histogram +client|setname \
             +cluster|info"
        }
        // A snapshot on the server's disk, and `redis-cli --rdb`, which is a replica's SYNC. It reads everything, and writes nothing.
        Role::Backup => {
            "resetkeys resetchannels -@all +ping +info +dbsize +lastsave +bgsave +bgrewriteaof +psync +sync +replconf +client|setname"
        }
        // Source: Redis acl.md, "ACL rules for Sentinel and Replicas".
        Role::Replica => "resetkeys resetchannels -@all +ping +psync +replconf",
        // The same source gives it every channel; it speaks on one.
        Role::Sentinel => {
            "resetkeys resetchannels &__sentinel__:hello -@all +multi +slaveof +ping +exec +subscribe +config|rewrite +role +publish \
             +info +client|setname +client|kill +script|kill"
        }
    }
}

/// What is known of the passwords: the SHA-256 of each that counts, by where it is. The first is the one to come, or the only one.
pub type Digests = BTreeMap<PasswordSource, Vec<String>>;

/// The file, whole.
pub fn render(policy: &Policy, digests: &Digests) -> String {
    let mut text = default(policy, digests);
    for (name, user) in policy.acl_users() {
        let known = digests.get(&policy.password_of(&name));
        let passwords = known.map_or_else(|| format!("#{NOT_YET}"), |known| words(known));
        let role = match user.role {
            Some(role) => beside(policy, role),
            None => "resetkeys resetchannels -@all".into(),
        };
        let extra = user.rules.as_deref().map_or(String::new(), |r| {
            format!("{} {}", narrowed(&role, r), r.trim())
        });
        let rules = match is_taken_from(user.role) {
            true => without(&format!("{role}{extra}"), policy),
            false => format!("{role}{extra}"),
        };
        text.push_str(&format!(
            "user {name} on sanitize-payload {passwords} {rules}\n"
        ));
    }
    text
}

/// The rules of a role beside the policy's other users. Where a Sentinel is one, no application speaks on its channel: who says there
/// that another server is the primary is believed. Source: Redis's `sentinel.c`, `sentinelProcessHelloMessage`.
pub fn beside(policy: &Policy, role: Role) -> Cow<'static, str> {
    let mut users = policy.acl.values();
    match role {
        Role::Application if users.any(|user| user.role == Some(Role::Sentinel)) => {
            rules(role).replacen(ALL, OTHERS, 1).into()
        }
        Role::Agent => agent(policy).into(),
        _ => rules(role).into(),
    }
}

/// The supervisor's, by what the policy has it do.
fn agent(policy: &Policy) -> String {
    let mut all = rules(Role::Agent).to_owned();
    // `default` is also whoever has not logged in yet: where it is let in, nobody can tell the two apart.
    if policy.legacy.default_until.is_some() {
        all = all.replace(" +client|kill", "");
    }
    // An ACL has no pattern for the directive.
    if policy.is_watched_by_supervisor() {
        all.push_str(" +config|set");
    }
    all
}

/// Rules without the commands that the policy takes from everybody who is not there to administer, in each selector too.
fn without(rules: &str, policy: &Policy) -> String {
    let denied = policy.denied();
    let denied: String = denied.iter().map(|name| format!(" -{name}")).collect();
    if denied.is_empty() {
        return rules.to_owned();
    }
    // The last rule decides, so these come last.
    let words = rules.split(' ').map(|word| match word.strip_suffix(')') {
        Some(within) => format!("{within}{denied})"),
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ") + &denied
}

/// `default`: off, but where the policy lets it in for a time; then its password's digest is known on its days only.
fn default(policy: &Policy, digests: &Digests) -> String {
    let legacy = policy.legacy.default_until.as_ref();
    match legacy.and_then(|_| digests.get(&PasswordSource::File(policy.legacy_secret_file()))) {
        Some(known) => {
            let role = beside(policy, Role::Application);
            let extra = policy.legacy.rules.as_deref().map_or(String::new(), |r| {
                format!("{} {}", narrowed(&role, r), r.trim())
            });
            let passwords = words(known);
            let rules = without(&format!("{role}{extra}"), policy);
            format!("user default on sanitize-payload {passwords} {rules}\n")
        }
        None => format!("{DEFAULT_OFF}\n"),
    }
}

/// Passwords as rules: `#` and the SHA-256 of each.
pub fn words(digests: &[String]) -> String {
    let words: Vec<String> = digests.iter().map(|digest| format!("#{digest}")).collect();
    words.join(" ")
}

/// A line `user NAME rule…` with these passwords in place of those that it has; one that has none is left as it is.
pub fn with_passwords(line: &str, digests: &[String]) -> String {
    let mut all = Vec::new();
    let mut put = false;
    for word in line.split(' ') {
        match word.starts_with('#') {
            true if put => {}
            true => {
                all.push(words(digests));
                put = true;
            }
            false => all.push(word.to_owned()),
        }
    }
    all.join(" ")
}

/// The lines of an ACL without what differs from one password to the next: what a run wrote is still that after a rotation.
pub fn without_passwords(text: &str) -> String {
    let lines = text
        .split('\n')
        .map(|line| with_passwords(line, &["…".to_owned()]));
    lines.collect::<Vec<_>>().join("\n")
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
    if (role.contains(ALL) || role.contains(OTHERS)) && own(&['&']) {
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
    fn a_users_passwords_change_and_its_rules_do_not() {
        let line = "user app on sanitize-payload #aa #bb ~* &* +@all";
        let new = with_passwords(line, &["cc".into(), "aa".into()]);
        assert_eq!(new, "user app on sanitize-payload #cc #aa ~* &* +@all");
        assert_eq!(
            with_passwords(&new, &["cc".into()]),
            "user app on sanitize-payload #cc ~* &* +@all"
        );
        let off = "user default off sanitize-payload resetkeys -@all";
        assert_eq!(with_passwords(off, &["cc".into()]), off);
        assert_eq!(without_passwords(line), without_passwords(&new));
    }

    #[test]
    fn the_supervisor_may_change_the_configuration_only_to_renew_a_certificate() {
        let agent = |text: &str| {
            let policies = crate::policy::Policies::parse("test.toml", text).expect("a policy");
            agent(policies.instances.first().expect("an instance"))
        };
        let may = |text: &str| agent(text).contains("config|");
        assert!(may("[tls]\nenabled = true\nwatch = \"supervisor\"\n"));
        assert!(!may("[tls]\nenabled = true\n"));
        assert!(!may("[tls]\nwatch = \"supervisor\"\n"));
        assert!(!may("extends = \"container\"\n"));
        assert!(may("extends = \"container\"\n[tls]\nenabled = true\n"));
        // Whoever has not logged in is `default`, too.
        let legacy = "[legacy]\ndefault-until = \"2027-01-01\"\n";
        assert!(agent("").contains("client|kill"));
        assert!(!agent(legacy).contains("client|kill"));
    }

    #[test]
    fn beside_a_sentinel_an_application_has_every_channel_but_sentinels() {
        let policies = |text: &str| {
            let policies = crate::policy::Policies::parse("test.toml", text).expect("a policy");
            let policy = policies.instances.first().expect("an instance").clone();
            render(&policy, &Digests::new())
        };
        let line = |text: &str, name: &str| {
            let start = format!("user {name} ");
            let lines = text.lines().find(|line| line.starts_with(&start));
            lines.expect("its line").to_owned()
        };
        let alone = policies("");
        assert!(line(&alone, "app").contains(" &* "), "{alone}");
        let beside = policies("[acl.failover]\nrole = \"sentinel\"\n");
        assert!(line(&beside, "app").contains(OTHERS), "{beside}");
        assert!(!line(&beside, "app").contains("&*"), "{beside}");
        assert!(line(&beside, "admin").contains(" &* "), "{beside}");
    }

    #[test]
    fn patterns_of_a_users_own_replace_those_of_its_role() {
        let role = rules(Role::Application);
        assert_eq!(
            narrowed(role, "~jobs:* &jobs:*"),
            " resetkeys resetchannels"
        );
        assert_eq!(narrowed(role, "%R~jobs:*"), " resetkeys");
        assert_eq!(narrowed(role, "+keys (~other:* +get)"), "");
        let beside = role.replacen(ALL, OTHERS, 1);
        assert_eq!(narrowed(&beside, "&*"), " resetchannels");
        assert_eq!(
            narrowed("resetkeys resetchannels -@all", "~app:* +@read"),
            ""
        );
    }
}
