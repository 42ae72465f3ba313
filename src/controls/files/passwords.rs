//! The password of each ACL user: in a file that only its owner reads, or from systemd.

use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::controls::rendered::access;
use crate::facts::Facts;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::credential;
use crate::value::Value;
use std::path::Path;

/// Of a policy whose application has its password from systemd.
const OF_A_CREDENTIAL: &str =
    "[acl.app]\nrole = \"application\"\npassword-credential = \"redis-app\"";

pub const CONTROL: Control = Control {
    id: "files.passwords",
    title: "every ACL user has a password file that only its owner reads",
    severity: Severity::Critical,
    why: "A password that others can read is no password.",
    references: &["Redis security/acl.md"],
    by_hand: "chown root:root /etc/redis-harden/secrets/* && chmod 0600 /etc/redis-harden/secrets/*",
    wants: Wants::Instance(wants),
    cases: &[
        passes(&[
            ("/etc/redis-harden/secrets/admin 0600 root:root", "0f3c\n"),
            ("/etc/redis-harden/secrets/agent 0600 root:root", "1f3c\n"),
            ("/etc/redis-harden/secrets/app 0600 root:root", "2f3c\n"),
        ]),
        fails(&[
            ("/etc/redis-harden/secrets/admin 0644 root:root", "0f3c\n"),
            ("/etc/redis-harden/secrets/agent 0600 root:root", "1f3c\n"),
            ("/etc/redis-harden/secrets/app 0600 root:root", "2f3c\n"),
        ]),
        passes(&[
            ("/etc/redis-harden/secrets/admin 0600 root:root", "0f3c\n"),
            ("/etc/redis-harden/secrets/agent 0600 root:root", "1f3c\n"),
            ("/etc/credstore/redis-app 0600 root:root", "2f3c\n"),
        ])
        .under(OF_A_CREDENTIAL),
        fails(&[
            ("/etc/redis-harden/secrets/admin 0600 root:root", "0f3c\n"),
            ("/etc/redis-harden/secrets/agent 0600 root:root", "1f3c\n"),
            ("/etc/credstore/redis-app 0644 root:root", "2f3c\n"),
        ])
        .under(OF_A_CREDENTIAL),
        fails(&[
            ("/etc/redis-harden/secrets/admin 0600 root:root", "0f3c\n"),
            ("/etc/redis-harden/secrets/agent 0600 root:root", "1f3c\n"),
            ("/etc/credstore/redis-app 0600 redis:root", "2f3c\n"),
        ])
        .under(OF_A_CREDENTIAL),
        fails(&[
            ("/etc/redis-harden/secrets/admin 0600 root:root", "0f3c\n"),
            ("/etc/redis-harden/secrets/agent 0600 root:root", "1f3c\n"),
            ("/etc/credstore/redis-app 0600 root:root", "\n"),
        ])
        .under(OF_A_CREDENTIAL),
        fails(&[
            ("/etc/redis-harden/secrets/admin 0600 root:root", "0f3c\n"),
            ("/etc/redis-harden/secrets/agent 0600 root:root", "1f3c\n"),
        ])
        .under(OF_A_CREDENTIAL),
    ],
};

fn wants(policy: &Policy, facts: &Facts) -> Vec<Want> {
    let want = |(name, user): (crate::policy::scalar::Name, crate::policy::AclUser)| {
        if let Some(credential) = &user.password_credential {
            return Want::by_hand(
                Setting::Credential(credential.clone()),
                Rule::Is(Value::Present),
                format!("give {name} its password: {}", credential::step(credential)),
            );
        }
        let owner = user.owner.as_deref().unwrap_or("root");
        let group = user.group.as_deref().unwrap_or("root");
        let mode = user.mode.map_or(0o600, |m| m.0);
        let path = policy.secret_file(&name);
        let mut access = access(facts, owner, group, mode);
        // Made at the container's start, by whoever starts it.
        if user.owner.is_none() && user.group.is_none() && user.password_file.is_none() {
            (access.user, access.group) = (facts.root_account(), facts.root_group());
        }
        let rule = Rule::Is(Value::Owned(access));
        match path.starts_with(Path::new("/etc/redis-harden/secrets")) {
            true => Want::write(Phase::Ground, "passwords", Setting::Secret(path), rule),
            false => Want::by_hand(
                Setting::Secret(path.clone()),
                rule,
                format!("put the password of {name} into {}", path.display()),
            ),
        }
    };
    let mut wants: Vec<Want> = policy.acl_users().into_iter().map(want).collect();
    if policy.default_lets_in(facts.today) {
        // It is no new one: what the server had, from the configuration that it had.
        let rule = Rule::Is(Value::Owned(access(facts, "root", "root", 0o600)));
        let setting = Setting::Secret(policy.legacy_secret_file());
        wants.push(Want::write(Phase::Ground, "passwords", setting, rule));
    }
    wants
}
