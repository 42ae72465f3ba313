//! What is generated: schemas, manual pages, completions, help, and the texts that explain.

use super::harness::{Fake, Ran, run, scratch};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The shipped file is what the code generates; `UPDATE_GENERATED=1` writes it.
#[track_caller]
fn is_shipped(name: &str, generated: &str) {
    let path = shipped(name);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, generated).expect("our own checkout");
    }
    let shipped = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        shipped == generated,
        "{} is not what the code generates: UPDATE_GENERATED=1 cargo test --test cli shipped",
        path.display()
    );
}

#[test]
fn the_shipped_schema_of_check_is_the_generated_one() {
    let schema = redis_harden::report::json::schema();
    let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
    is_shipped("packaging/schema/check.schema.json", &text);
}

#[test]
fn the_shipped_schema_of_apply_is_the_generated_one_and_fits_what_apply_prints() {
    let schema = redis_harden::report::applied::schema();
    let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
    is_shipped("packaging/schema/apply.schema.json", &text);
    let validator = validator("packaging/schema/apply.schema.json");
    let tree = Fake::debian();
    for (number, changes) in [(Some(1), true), (None, false)] {
        let ran = tree.run(&["apply", "--format", "json", "--only", "kernel.*"]);
        let report: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
        assert!(validator.is_valid(&report), "{ran}");
        assert_eq!(report["run"].as_u64(), number, "{ran}");
        let list = report["changes"].as_array().expect("a list");
        assert_eq!(!list.is_empty(), changes, "{ran}");
        assert!(
            report["failed"].as_array().is_some_and(Vec::is_empty),
            "{ran}"
        );
    }
    assert!(!validator.is_valid(&serde_json::json!({"schema": 1})));
}

#[test]
fn the_shipped_schema_of_an_applys_result_is_the_generated_one() {
    let schema = redis_harden::commands::apply::result::schema();
    let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
    is_shipped("packaging/schema/result.schema.json", &text);
}

#[test]
fn the_shipped_schema_of_a_policy_is_the_generated_one() {
    is_shipped(
        "packaging/schema/policy.schema.json",
        run(&["policy", "schema"]).exits(0),
    );
}

#[test]
fn the_shipped_reference_of_a_policy_is_the_generated_one() {
    let page = run(&["policy", "schema", "--format", "markdown"]);
    is_shipped("docs/policy.md", page.exits(0));
    for key in [
        "## [redis]",
        "### maxmemory-policy",
        "## [acl.NAME]",
        "### role",
        "## [[waiver]]",
        "### expires",
    ] {
        assert_eq!(page.out.matches(&format!("\n{key}\n")).count(), 1, "{key}");
    }
}

#[test]
fn the_shipped_page_of_controls_is_the_generated_one() {
    let page = run(&["controls", "--format", "markdown"]);
    is_shipped("docs/controls.md", page.exits(0));
    for control in redis_harden::controls::all() {
        let heading = format!("\n### {}\n", control.id);
        assert_eq!(page.out.matches(&heading).count(), 1, "{heading}");
    }
}

/// Of a schema that ships.
pub fn validator(name: &str) -> jsonschema::Validator {
    let text = fs::read_to_string(shipped(name)).expect("shipped");
    let schema = serde_json::from_str(&text).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

#[test]
fn reports_fit_the_shipped_schema() {
    let validator = validator("packaging/schema/check.schema.json");
    let tree = Fake::debian();
    tree.file(
        "etc/redis-harden/policy.toml",
        "[[waiver]]\ncontrol = \"kernel.*\"\nreason = \"ticket 42\"\n",
    );
    let of_tree = tree.run(&["check", "--format", "json"]).out;
    let of_machine = run(&["check", "--format", "json"]).out;
    for text in [of_tree, of_machine] {
        let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let errors: Vec<String> = validator
            .iter_errors(&report)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?} in {text}");
        let statuses = ["pass", "fail", "waived", "unknown", "not-applicable"];
        let summed: u64 = statuses
            .iter()
            .filter_map(|s| report["summary"][s].as_u64())
            .sum();
        assert_eq!(
            Some(summed as usize),
            report["controls"].as_array().map(Vec::len)
        );
    }
    let nonsense = serde_json::json!({"schema": 1});
    assert!(!validator.is_valid(&nonsense));
}

#[test]
fn the_starter_policy_is_valid_and_fits_the_schema() {
    let tree = Fake::debian();
    let starter = run(&["policy", "init"]).out;
    tree.file("etc/redis-harden/policy.toml", &starter);
    let ran = tree.run(&["policy", "validate"]);
    assert_eq!(
        ran.exits(0),
        "valid: /etc/redis-harden/policy.toml (1 instance)\n"
    );
    let policy: toml::Value = toml::from_str(&starter).expect("TOML");
    let policy = serde_json::to_value(policy).expect("JSON");
    assert!(validator("packaging/schema/policy.schema.json").is_valid(&policy));
}

#[test]
fn what_policy_show_prints_is_a_policy() {
    let tree = Fake::debian();
    let shown = tree.run(&["policy", "show"]);
    tree.file("etc/redis-harden/policy.toml", shown.exits(0));
    tree.run(&["policy", "validate"]).exits(0);
}

/// The subcommands, by the help's own list.
fn subcommands() -> Vec<String> {
    let help = run(&["--help"]).out;
    let (_, list) = help
        .split_once("\nCommands:\n")
        .expect("a list of commands");
    let (list, _) = list.split_once("\n\n").expect("its end");
    let indented = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    list.lines()
        .filter(indented)
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_help_has_an_example() {
    let names = subcommands();
    assert!(names.len() >= 15, "{names:?}");
    let mut commands: Vec<Vec<&str>> = names.iter().map(|n| vec![n.as_str()]).collect();
    commands.push(Vec::new());
    commands.extend(["show", "validate", "schema", "init"].map(|sub| vec!["policy", sub]));
    for mut args in commands {
        args.push("--help");
        let ran = run(&args);
        let (_, example) = ran
            .exits(0)
            .split_once("Example:\n")
            .unwrap_or_else(|| panic!("no example in {ran}"));
        assert!(
            example.trim_start().starts_with("redis-harden")
                || example.contains("sudo redis-harden"),
            "{ran}"
        );
    }
}

#[test]
fn manual_pages_are_written_for_every_command_and_pass_man() {
    let dir = scratch();
    run(&["man", dir.path().to_str().expect("UTF-8")]).exits(0);
    let mut expected: Vec<String> = subcommands()
        .iter()
        .map(|name| format!("redis-harden-{name}.1"))
        .collect();
    expected.push("redis-harden.1".into());
    expected.sort();
    let mut written: Vec<String> = fs::read_dir(dir.path())
        .expect("our own")
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    written.sort();
    assert_eq!(written, expected);
    for page in written {
        let mut man = Command::new("man");
        man.env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8");
        man.args(["--warnings", "-l"]).arg(dir.path().join(&page));
        let ran = Ran::of(&mut man);
        assert!(ran.exits(0).contains("SYNOPSIS"), "{ran}");
        assert_eq!(ran.err, "", "{page}: {ran}");
    }
}

#[test]
fn the_directory_of_manual_pages_must_exist() {
    run(&["man", "/nonexistent"]).refuses_with(&["/nonexistent"]);
}

#[test]
fn completions_are_scripts_of_their_shell() {
    let dir = scratch();
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(&["completions", shell]);
        assert!(ran.exits(0).contains("redis-harden"), "{ran}");
        assert!(ran.out.contains("rollback"), "{ran}");
        let file = dir.path().join(shell);
        fs::write(&file, &ran.out).expect("our own");
        if shell == "bash" {
            Ran::of(Command::new("bash").arg("-n").arg(&file)).exits(0);
        }
    }
    run(&["completions", "tcsh"]).refuses_with(&["possible values"]);
}

#[test]
fn explain_says_why_what_and_how() {
    let tree = Fake::debian();
    let ran = tree.run(&["explain", "kernel.overcommit-memory"]);
    let text = ran.exits(0);
    for part in [
        "kernel.overcommit-memory (high): ",
        "\nnow: fail\njudged by the policy production\n",
        "  not-applicable  sysctl vm.overcommit_memory\n                  read from /proc/sys/vm/overcommit_memory\n                  wants 1\n",
        "                  apply fixes it\n",
        "as systemd-sysctl reads it",
        "sysctl vm.overcommit_memory at boot is absent, wants 1",
        "\nby hand: ",
        "\nreferences:\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in {ran}");
    }
}

#[test]
fn controls_are_listed_whole() {
    let text = run(&["controls"]);
    let json = run(&["controls", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(json.exits(0)).expect("JSON");
    let controls = json["controls"].as_array().expect("a list");
    assert!(controls.len() >= 45, "{}", controls.len());
    assert!(
        text.exits(0)
            .ends_with(&format!("{} controls\n", controls.len()))
    );
    for control in controls {
        for field in ["id", "title", "severity", "why", "fix"] {
            assert!(
                control[field].as_str().is_some_and(|t| !t.is_empty()),
                "{control}"
            );
        }
        assert!(
            control["references"]
                .as_array()
                .is_some_and(|r| !r.is_empty()),
            "{control}"
        );
        run(&["explain", control["id"].as_str().expect("text")]).exits(0);
    }
}

#[test]
fn history_tells_the_runs() {
    let tree = Fake::debian();
    assert_eq!(
        tree.run(&["history"]).exits(0),
        "no run has changed anything yet\n"
    );
    tree.run(&["apply", "--message", "ticket 42"]).exits(0);
    tree.run(&["apply"]).exits(0);
    let ran = tree.run(&["history"]);
    assert_eq!(
        ran.exits(0).lines().count(),
        1,
        "a run that changes nothing is none: {ran}"
    );
    assert!(
        ran.out.starts_with("   1  ") && ran.out.contains("  uid 0"),
        "{ran}"
    );
    assert!(
        ran.out.ends_with("changes, complete  \"ticket 42\"\n"),
        "{ran}"
    );
    tree.run(&["rollback"]).exits(0);
    assert!(
        tree.run(&["history"])
            .exits(0)
            .contains("changes, rolled back")
    );
    let verbose = tree.run(&["history", "-v"]);
    assert!(
        verbose
            .exits(0)
            .contains("sysctl vm.swappiness at boot: create, 10"),
        "{verbose}"
    );
}
