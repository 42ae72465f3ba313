//! Bad input: an error with the next step, exit 2, and nothing written.

use super::harness::{Fake, NOBODY, Ran, command, scratch};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

/// The tree's own policy is this text; what `apply` says of it.
#[track_caller]
fn refused(policy: &str) -> String {
    let tree = Fake::debian();
    tree.file("etc/redis-harden/policy.toml", policy);
    let before = tree.snapshot();
    let mut messages = Vec::new();
    for command in ["apply", "plan", "check"] {
        let ran = tree.run(&[command]);
        assert_eq!(ran.exits(2), "", "{ran}");
        messages.push(ran.err);
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
    tree.is_untouched(&before);
    messages.remove(0)
}

#[test]
fn an_unknown_key_gets_a_did_you_mean() {
    assert_eq!(
        refused("[firewall]\nenabeld = false\n"),
        "redis-harden: /etc/redis-harden/policy.toml:2:1: unknown key \"enabeld\" in [firewall]
   |
 2 | enabeld = false
   | ^^^^^^^
   = did you mean \"enabled\"?
   = [firewall] knows enabled, allow, peers, ports, resolvers, connection-rate, published-ports
"
    );
}

#[test]
fn wrong_types_units_and_ranges_are_underlined() {
    let cases = [
        ("[redis]\nport = \"6379\"\n", ":2:8: "),
        ("[redis]\nmaxmemory = \"2 GiB\"\n", "is no size"),
        ("[redis]\nport = 70000\n", "it goes from 0 to 65535"),
        ("[service]\nstart-timeout = \"5 minutes\"\n", "is no time"),
        ("redis = 3\n", ":1:9: "),
    ];
    for (policy, part) in cases {
        let message = refused(policy);
        assert!(message.contains(part), "{part:?} is not in {message}");
        assert!(message.contains("^"), "nothing is underlined in {message}");
    }
}

#[test]
fn a_syntax_error_has_file_line_and_column() {
    let message = refused("[redis]\nport = 6379\nbind = [\"127.0.0.1\"\n");
    assert!(
        message.starts_with("redis-harden: /etc/redis-harden/policy.toml:"),
        "{message}"
    );
    assert!(
        message.contains("\n   | ") && message.contains('^'),
        "{message}"
    );
}

#[test]
fn a_password_file_that_was_named_by_mistake_is_not_shown() {
    let tree = Fake::debian();
    for content in [
        "3f7a0000000000000000000000000000000000000000000000000000000000aa\n",
        "root:$y$j9T$abc:19700:0:99999:7:::\n",
    ] {
        tree.file("etc/secret", content);
        let path = tree.at("etc/secret");
        let ran = tree.run(&[
            "--policy",
            path.to_str().expect("UTF-8"),
            "policy",
            "validate",
        ]);
        ran.exits(2);
        assert!(ran.err.contains("(hidden)"), "{ran}");
        assert!(!ran.err.contains(content.trim()), "{ran}");
    }
}

#[test]
fn what_it_extends_must_exist_and_not_go_round() {
    let message = refused("extends = \"base.toml\"\n");
    assert!(message.contains("/etc/redis-harden/base.toml"), "{message}");
    let message = refused("extends = \"durabel\"\n");
    assert!(message.contains("did you mean \"durable\"?"), "{message}");
    let message = refused("extends = \"policy.toml\"\n");
    assert!(
        message.contains("policy.toml") && message.contains("extends"),
        "{message}"
    );
}

#[test]
fn a_waiver_of_no_control_is_refused() {
    let message = refused("[[waiver]]\ncontrol = \"kernel.overcomit*\"\nreason = \"x\"\n");
    assert!(message.contains("kernel.overcomit*"), "{message}");
    assert!(message.contains("did you mean"), "{message}");
}

#[test]
fn globs_of_no_control_are_refused() {
    let tree = Fake::debian();
    let before = tree.snapshot();
    for command in ["check", "plan", "apply"] {
        tree.run(&[command, "--only", "kernel.overcomit-memory"]).refuses(
            "redis-harden: --only: \"kernel.overcomit-memory\" fits no control\n  = did you mean \"kernel.overcommit-memory\"?",
        );
        tree.run(&[command, "--skip", "sandox.*"])
            .refuses_with(&["--skip: \"sandox.*\" fits no control"]);
    }
    tree.run(&["explain", "kernel.overcomit-memory"]).refuses(
        "redis-harden: \"kernel.overcomit-memory\" fits no control\n  = did you mean \"kernel.overcommit-memory\"?",
    );
    tree.is_untouched(&before);
}

#[test]
fn a_policy_that_others_could_have_written_is_refused() {
    let tree = Fake::debian();
    tree.file("etc/redis-harden/policy.toml", "");
    let say = |why: &str| format!("redis-harden: trusting /etc/redis-harden/policy.toml: {why}");
    let path = tree.at("etc/redis-harden/policy.toml");
    tree.mode("etc/redis-harden/policy.toml", 0o666);
    let before = tree.snapshot();
    for command in ["apply", "plan", "check"] {
        tree.run(&[command]).refuses(&say(
            "it can be written by its group and others (mode 0666); `chmod go-w /etc/redis-harden/policy.toml`",
        ));
    }
    tree.is_untouched(&before);
    tree.mode("etc/redis-harden/policy.toml", 0o644);
    chown(&path, Some(NOBODY), None).expect("root may");
    let before = tree.snapshot();
    for command in ["apply", "plan", "check"] {
        tree.run(&[command]).refuses(&say(
            "it is owned by uid 65534, not by root; if its content is what you want: `chown root: /etc/redis-harden/policy.toml`",
        ));
    }
    tree.is_untouched(&before);
    chown(&path, Some(0), None).expect("root may");
    tree.mode("etc/redis-harden", 0o777);
    let before = tree.snapshot();
    tree.run(&["apply"]).refuses(&say(
        "the directory /etc/redis-harden can be written by its group and others (mode 0777); `chmod go-w /etc/redis-harden`",
    ));
    tree.is_untouched(&before);
}

#[test]
fn root_acts_on_no_policy_in_a_directory_that_everybody_can_write() {
    let tree = Fake::debian();
    let before = tree.snapshot();
    let dir = scratch();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).expect("our own");
    let policy = dir.path().join("policy.toml");
    fs::write(&policy, "").expect("our own");
    let policy = policy.to_str().expect("UTF-8");
    tree.run(&["--policy", policy, "apply"])
        .refuses_with(&["can be written by its group and others (mode 1777); move the file"]);
    // What it would do may be looked at.
    tree.run(&["--policy", policy, "plan"]).exits(1);
    tree.is_untouched(&before);
}

#[test]
fn a_policy_that_is_missing_or_a_directory_is_refused() {
    let tree = Fake::debian();
    let before = tree.snapshot();
    for command in ["apply", "plan", "check"] {
        tree.run(&["--policy", "/nonexistent/policy.toml", command]).refuses(
            "redis-harden: reading the policy /nonexistent/policy.toml: no such file\n  = `redis-harden policy init` writes a starter file",
        );
        tree.run(&["--policy", "/etc", command]).refuses(
            "redis-harden: reading the policy /etc: it is a directory\n  = name the file in it",
        );
    }
    tree.is_untouched(&before);
}

#[test]
fn a_root_that_is_no_directory_is_refused() {
    for (root, why) in [
        ("/nonexistent", "no such file or directory (ENOENT)"),
        ("/etc/passwd", "not a directory (ENOTDIR)"),
    ] {
        for sub in ["apply", "check", "rollback", "history"] {
            Ran::of(&mut command(&["--root", root, sub])).refuses(&format!(
                "redis-harden: opening the root {root}: {why}\n  = --root names a directory with a system's files"
            ));
        }
    }
}
