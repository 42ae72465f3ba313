//! What each command's exit code says: 0 fine, 1 findings or pending changes, 2 trouble, 3 not running.

use super::harness::{FIXED, Fake, run};

#[test]
fn help_and_version_are_0() {
    for args in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["check", "--help"],
        &["help", "apply"],
    ] {
        run(args).exits(0);
    }
    assert_eq!(
        run(&["--version"]).out,
        format!("redis-harden {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_wrong_use_is_2_and_names_the_right_one() {
    run(&["chekc"]).refuses_with(&["unrecognized subcommand 'chekc'", "'check'"]);
    run(&["check", "--exitzero"]).refuses_with(&["unexpected argument", "--exit-zero"]);
    run(&[]).refuses_with(&["Usage: redis-harden"]);
    run(&["check", "--fail-on", "never"]).refuses_with(&["low, medium, high, critical"]);
    run(&["check", "--format", "yaml"])
        .refuses_with(&["text, json, junit, sarif, prometheus, html"]);
    run(&["plan", "--format", "sarif"]).refuses_with(&["text, json"]);
    run(&["check", "--report", "json"])
        .refuses_with(&["FORMAT=PATH, with text, json, junit, sarif, prometheus, html"]);
    run(&["check", "--report", "pdf=/tmp/x"])
        .refuses_with(&["FORMAT=PATH, with text, json, junit, sarif, prometheus, html"]);
    run(&["apply", "--lock-timeout", "soon"]).refuses_with(&["\"soon\" is no time", "30s"]);
    run(&["rollback", "first"]).refuses_with(&["invalid value 'first'"]);
    run(&["check", "-q", "-v"]).refuses_with(&["cannot be used with"]);
}

#[test]
fn check_is_1_when_something_fails_and_0_when_all_holds() {
    let tree = Fake::debian();
    let only = ["check", "--only", "kernel.somaxconn"];
    tree.run(&only).exits(1);
    tree.file("etc/sysctl.d/50.conf", "net.core.somaxconn = 65535\n");
    tree.run(&only).exits(0);
}

#[test]
fn check_counts_failures_from_a_severity_on() {
    let tree = Fake::debian();
    // low, and it fails
    let low = ["check", "--only", "kernel.tcp-max-syn-backlog"];
    let shown = tree.run(&low);
    assert!(shown.exits(0).starts_with("files only: "), "{shown}");
    assert!(shown.out.contains("\nfail "), "{shown}");
    tree.run(&[&low[..], &["--fail-on", "low"]].concat())
        .exits(1);
    let high = ["check", "--only", "kernel.overcommit-memory"];
    tree.run(&[&high[..], &["--fail-on", "critical"]].concat())
        .exits(0);
    tree.run(&[&high[..], &["--exit-zero"]].concat()).exits(0);
}

#[test]
fn nothing_evaluated_is_2() {
    let tree = Fake::debian();
    // A value of a running kernel says nothing about a tree.
    for command in ["check", "plan"] {
        let ran = tree.run(&[command, "--only", "network.bind"]);
        ran.exits(2);
    }
    tree.run(&["check", "--only", "network.bind", "--exit-zero"])
        .exits(2);
    tree.run(&["check", "--only", "kernel.*", "--skip", "kernel.*"])
        .refuses("redis-harden: --only and --skip together leave no control to judge");
}

#[test]
fn plan_is_1_for_pending_changes_and_0_for_none() {
    let tree = Fake::debian();
    let only = ["plan", "--only", "kernel.somaxconn"];
    let ran = tree.run(&only);
    assert!(
        ran.exits(1)
            .ends_with("1 change; next: redis-harden apply\n"),
        "{ran}"
    );
    tree.file("etc/sysctl.d/50.conf", "net.core.somaxconn = 65535\n");
    let ran = tree.run(&only);
    assert!(ran.exits(0).ends_with("nothing to change\n"), "{ran}");
}

#[test]
fn apply_and_then_check_and_plan_are_0() {
    let tree = Fake::debian();
    tree.file("etc/redis-harden/policy.toml", FIXED);
    tree.run(&["apply"]).exits(0);
    tree.run(&["plan"]).exits(0);
    let ran = tree.run(&["check"]);
    ran.exits(0);
    let again = tree.run(&["apply"]);
    assert!(again.exits(0).starts_with("nothing to change\n"), "{again}");
}

#[test]
fn a_dry_run_is_a_plan() {
    let tree = Fake::debian();
    let before = tree.snapshot();
    let (dry, plan) = (tree.run(&["apply", "--dry-run"]), tree.run(&["plan"]));
    assert_eq!(dry.exits(1), plan.exits(1));
    tree.is_untouched(&before);
}

#[test]
fn rollback_of_nothing_is_0_and_of_a_run_that_is_none_2() {
    let tree = Fake::debian();
    assert_eq!(tree.run(&["rollback"]).exits(0), "nothing to roll back\n");
    tree.run(&["rollback", "7"])
        .refuses_with(&["there is no run 7: redis-harden history lists them"]);
}

#[test]
fn rollback_over_an_edit_is_1_and_touches_nothing() {
    let tree = Fake::debian();
    tree.run(&["apply"]).exits(0);
    tree.file("etc/tmpfiles.d/redis-harden.conf", "# mine\n");
    let before = tree.snapshot();
    let ran = tree.run(&["rollback"]);
    ran.exits(1);
    assert!(
        ran.out
            .starts_with("run 1 cannot be rolled back, and nothing was touched:\n")
            && ran.out.contains("/etc/tmpfiles.d/redis-harden.conf")
            && ran.out.contains("rollback --force"),
        "{ran}"
    );
    tree.is_untouched_but_the_lock(&before);
    tree.run(&["rollback", "--force"]).exits(0);
    tree.run(&["rollback", "1"])
        .refuses_with(&["run 1 is rolled back already"]);
}

#[test]
fn status_of_what_does_not_run_is_3() {
    let tree = Fake::debian();
    assert_eq!(tree.run(&["status"]).exits(3), "default: not running\n");
    let json = tree.run(&["status", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(json.exits(3)).expect("JSON");
    assert_eq!(json["instances"][0]["running"], false);
    tree.run(&["status", "other"])
        .refuses_with(&["the policy has no instance \"other\", only default"]);
}

#[test]
fn supervise_without_settings_is_78() {
    let tree = Fake::debian();
    let ran = tree.run(&["supervise"]);
    ran.exits(78);
}

#[test]
fn policy_commands_are_0_or_2() {
    let tree = Fake::debian();
    for command in ["show", "validate", "schema", "init"] {
        tree.run(&["policy", command]).exits(0);
    }
    tree.file("etc/redis-harden/policy.toml", "[redis]\nport = 70000\n");
    for command in ["show", "validate"] {
        tree.run(&["policy", command])
            .refuses_with(&["redis.port is 70000"]);
    }
    for command in ["schema", "init"] {
        tree.run(&["policy", command]).exits(0);
    }
}
