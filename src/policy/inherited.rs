//! `requirepass` and `rename-command` under `[redis.directives]`, as the guides of old have them: understood, warned about, and made into
//! ACL. Neither reaches redis.conf, and a password is taken out before anything could show it.

use super::error::PolicyError;
use super::source::{Node, Tree};
use super::{DirectiveValue, Policy, Role};
use crate::redis::config;
use crate::redis::users::commands;
use std::collections::BTreeSet;
use std::fmt;

/// The two names.
pub(super) const UNDERSTOOD: [&str; 2] = ["rename-command", "requirepass"];

/// A password that a policy had in clear text, if it had. No log and no report shows it, and it is in no policy that is written.
#[derive(Clone, Default)]
pub struct Hidden(Option<String>);

impl Hidden {
    /// The password, for the one file that it goes into.
    pub fn reveal(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// Policies are the same that are written the same.
impl PartialEq for Hidden {
    fn eq(&self, _: &Hidden) -> bool {
        true
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Takes the password out of a merged tree; the place is that of the line.
pub(super) fn take_password(tree: &mut Node) -> Result<Option<(Hidden, Node)>, PolicyError> {
    let Some(directives) = tree.table_mut(&["redis", "directives"]) else {
        return Ok(None);
    };
    let Some(mut node) = directives.remove("requirepass") else {
        return Ok(None);
    };
    let password = match &node.value {
        Tree::Leaf(toml::Value::String(text)) => text.trim_matches(['"', '\'']).to_owned(),
        Tree::Leaf(toml::Value::Integer(number)) => number.to_string(),
        _ => {
            return Err(PolicyError::new("redis.directives.requirepass is no text")
                .at_key(&node.at)
                .help("leave it out: [legacy] default-until lets the user default in for a time"));
        }
    };
    node.value = Tree::Leaf(toml::Value::String(String::new()));
    // Redis's own word for none.
    Ok((!password.is_empty()).then_some((Hidden(Some(password)), node)))
}

/// What is to be said of a policy that has either.
pub(super) fn warnings(policy: &Policy, tree: &Node, password: Option<&Node>) -> Vec<PolicyError> {
    let mut all: Vec<PolicyError> = password
        .map(|at| of_password(policy, at))
        .into_iter()
        .collect();
    if let Some(node) = tree.find(&["redis", "directives", "rename-command"]) {
        all.push(of_names(policy, node));
    }
    all
}

fn of_password(policy: &Policy, node: &Node) -> PolicyError {
    let what = "requirepass is the password of the user default, in clear text for whoever reads this file";
    let help = match (&policy.legacy.default_until, policy.is_default()) {
        (Some(until), is_default) => format!(
            "default lets in with it until {until}, as an application: apply puts it into secrets/{}, so take it out of the policy",
            match is_default {
                true => "default".to_owned(),
                false => format!("{}.default", policy.redis.name),
            }
        ),
        (None, _) => "it is not used, since default is off: [legacy] default-until = \"YYYY-MM-DD\" lets it in until that day; then take it out of the policy".to_owned(),
    };
    PolicyError::new(what).at_key(&node.at).help(help)
}

fn of_names(policy: &Policy, node: &Node) -> PolicyError {
    let what = "rename-command is not rendered: it breaks Sentinel's failover and replication, and an append-only file with such a command does not load";
    let lines = renamed(policy);
    let names = lines.iter().map(|(name, _)| name.to_ascii_uppercase());
    let names: BTreeSet<String> = names.collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let error = PolicyError::new(what).at_key(&node.at).help(format!(
        "{}: taken by ACL from applications, from read-only users and from those with rules alone, in place of it; write rules = \"{}\" and take the line out",
        names.join(", "),
        policy.denied().iter().map(|name| format!("-{name}")).collect::<Vec<_>>().join(" "),
    ));
    match lines.iter().any(|(_, other)| !other.is_empty()) {
        true => error.help(
            "nothing has another name any more: who may run it, such as admin, calls it by its own",
        ),
        false => error,
    }
}

/// Judges a line of `rename-command`.
pub(super) fn line(text: &str) -> Result<(), (String, String)> {
    let step = "write the command and its other name, or \"\" for none: \"FLUSHALL \\\"\\\"\"";
    let words = config::split(text).unwrap_or_default();
    let [name, _] = words.as_slice() else {
        return Err((
            "it is no command and its other name".to_owned(),
            step.to_owned(),
        ));
    };
    let name = name.to_ascii_lowercase();
    let known = |command: &str| command.split('|').next() == Some(name.as_str());
    match commands().any(|command| known(command.name)) {
        true => Ok(()),
        false => Err((
            format!("no server has the command {name:?}"),
            "write it as Redis does, or take the line out".to_owned(),
        )),
    }
}

/// Each command with its other name, empty for none.
fn renamed(policy: &Policy) -> Vec<(String, String)> {
    let lines = match policy.redis.directives.get("rename-command") {
        Some(DirectiveValue::Line(line)) => std::slice::from_ref(line),
        Some(DirectiveValue::Lines(lines)) => lines,
        _ => &[],
    };
    let pair = |line: &String| match config::split(line)?.as_slice() {
        [name, other] => Some((name.to_ascii_lowercase(), other.clone())),
        _ => None,
    };
    lines.iter().filter_map(pair).collect()
}

impl Policy {
    /// The commands that `rename-command` takes from whoever is not there to administer.
    pub fn denied(&self) -> BTreeSet<String> {
        renamed(self).into_iter().map(|(name, _)| name).collect()
    }
}

/// Whether a role is one of those from which such a command is taken. The others have what their work needs, by name, and no more:
/// without CONFIG REWRITE Sentinel fails over no more.
pub fn is_taken_from(role: Option<Role>) -> bool {
    matches!(role, None | Some(Role::Application | Role::ReadOnly))
}

#[cfg(test)]
mod tests {
    use crate::policy::Policies;
    use crate::redis::{acl, config};

    fn policies(text: &str) -> Policies {
        Policies::parse("old.toml", text).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn a_renamed_command_is_taken_by_rules_and_reaches_no_configuration() {
        let text = "[redis.directives]\nrename-command = [\"SUBSCRIBE \\\"\\\"\", \"CONFIG b840fc02\"]\n\
             [acl.jobs]\nrules = \"~jobs:* +@all (~x:* +subscribe)\"\n[acl.sentinel]\nrole = \"sentinel\"\n";
        let policies = policies(text);
        let policy = policies.only_one().expect("one");
        assert!(!config::render(policy, 1 << 30, None).contains("rename"));
        let users = acl::render(policy, &acl::Digests::new());
        let of = |name: &str| {
            let mut lines = users.lines();
            let line = lines.find(|line| line.starts_with(&format!("user {name} ")));
            line.unwrap_or_else(|| panic!("{users}")).to_owned()
        };
        assert!(of("app").ends_with(" -config -subscribe"), "{users}");
        let jobs = "+@all (~x:* +subscribe -config -subscribe) -config -subscribe";
        assert!(of("jobs").ends_with(jobs), "{users}");
        for left in ["admin", "sentinel", "agent"] {
            assert!(!of(left).contains("-config"), "{users}");
        }
        let warning = policies.warnings.first().expect("one").to_string();
        assert!(
            warning.contains("old.toml:2:1: rename-command is not rendered"),
            "{warning}"
        );
        assert!(warning.contains("CONFIG, SUBSCRIBE"), "{warning}");
    }

    #[test]
    fn a_password_is_warned_of_and_shown_nowhere() {
        for (legacy, says) in [
            ("", "it is not used, since default is off"),
            (
                "[legacy]\ndefault-until = \"2099-12-31\"\n",
                "default lets in with it until 2099-12-31",
            ),
        ] {
            let text =
                format!("[redis.directives]\nrequirepass = \"hunter2-hunter2\"\nhz = 20\n{legacy}");
            let policies = policies(&text);
            let policy = policies.only_one().expect("one");
            assert_eq!(policy.legacy.password.reveal(), Some("hunter2-hunter2"));
            let warning = policies.warnings.first().expect("one").to_string();
            assert!(warning.contains(says), "{warning}");
            let shown = [
                warning,
                crate::policy::show(&policies),
                format!("{policies:?}"),
                config::render(policy, 1 << 30, None),
                toml::to_string(policy).expect("TOML"),
            ];
            for text in shown {
                assert!(!text.contains("hunter2"), "{text}");
            }
        }
    }
}
