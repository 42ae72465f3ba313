//! `--baseline`: what failed before, and fails now just the same, is known; all else is reported and decides the exit code.

use super::harness::{Fake, Ran, scratch};
use super::unprivileged::Nobody;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

struct Compared {
    tree: Fake,
    dir: TempDir,
}

impl Compared {
    /// A tree, and a report of these controls of it.
    fn new(only: &str) -> Compared {
        let tree = Fake::debian();
        let dir = scratch();
        let compared = Compared { tree, dir };
        let to = format!("json={}", compared.path().display());
        let args = ["check", "--only", only, "--report", &to];
        compared.tree.run(&args).exits(1);
        compared
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("baseline.json")
    }

    fn check(&self, args: &[&str]) -> Ran {
        let path = self.path();
        let base = ["check", "--baseline", path.to_str().expect("UTF-8")];
        self.tree.run(&[&base, args].concat())
    }
}

fn status_of(json: &Value, id: &str) -> String {
    let controls = json["controls"].as_array().expect("a list");
    let control = controls.iter().find(|c| c["id"] == id).expect("judged");
    control["status"].as_str().expect("text").to_owned()
}

#[test]
fn what_is_known_is_counted_and_what_is_new_is_reported() {
    let compared = Compared::new("kernel.*");
    let same = compared.check(&["--only", "kernel.*"]);
    assert!(same.exits(0).contains("1 pass, 4 known"), "{same}");
    assert!(!same.out.contains("overcommit"), "{same}");
    assert!(!same.out.contains("next: "), "{same}");
    let verbose = compared.check(&["--only", "kernel.*", "-v"]);
    assert!(
        verbose.exits(0).contains("known since the baseline"),
        "{verbose}"
    );
    let more = compared.check(&["--only", "kernel.*", "--only", "files.own-directories"]);
    assert!(
        more.exits(1)
            .contains("\nfail            files.own-directories"),
        "{more}"
    );
    assert!(!more.out.contains("overcommit"), "{more}");
}

#[test]
fn what_is_known_still_costs_score() {
    let compared = Compared::new("kernel.somaxconn");
    let ran = compared.check(&["--only", "kernel.somaxconn", "--format", "json"]);
    let json: Value = serde_json::from_str(ran.exits(0)).expect("JSON");
    assert_eq!(json["summary"]["score"], 0);
    assert_eq!(json["summary"]["known"], 1);
    assert_eq!(json["baseline"]["host"]["hostname"], "image");
    assert_eq!(status_of(&json, "kernel.somaxconn"), "known");
}

#[test]
fn what_fails_otherwise_than_before_is_new() {
    let compared = Compared::new("kernel.*");
    compared
        .tree
        .file("etc/sysctl.d/50.conf", "net.core.somaxconn = 16\n");
    let ran = compared.check(&["--only", "kernel.*"]);
    assert!(
        ran.exits(1).contains("net.core.somaxconn at boot is 16"),
        "{ran}"
    );
    assert!(ran.out.contains(", 1 fail, 3 known"), "{ran}");
}

#[test]
fn a_baseline_of_a_baseline_knows_the_same() {
    let compared = Compared::new("kernel.*");
    let ran = compared.check(&["--only", "kernel.*", "--format", "json"]);
    fs::write(compared.path(), ran.exits(0)).expect("our own");
    compared.check(&["--only", "kernel.*"]).exits(0);
}

#[test]
fn what_was_waived_or_mended_and_fails_now_is_new() {
    let compared = Compared::new("kernel.*");
    let policy = "[[waiver]]\ncontrol = \"kernel.*\"\nreason = \"ticket 42\"\n";
    compared.tree.file("etc/redis-harden/policy.toml", policy);
    let to = format!("json={}", compared.path().display());
    compared
        .tree
        .run(&["check", "--only", "kernel.*", "--report", &to])
        .exits(0);
    fs::remove_file(compared.tree.at("etc/redis-harden/policy.toml")).expect("written");
    let ran = compared.check(&["--only", "kernel.*"]);
    assert!(ran.exits(1).contains("4 fail"), "{ran}");
}

#[test]
fn what_cannot_be_judged_is_never_known() {
    let (nobody, tree) = (Nobody::new(), Fake::debian());
    let path = nobody.own_dir("reports").join("b.json");
    let to = format!("json={}", path.display());
    let only = ["check", "--only", "account.no-password"];
    nobody
        .run_on(&tree, &[&only[..], &["--report", &to]].concat())
        .exits(2);
    let against = ["--baseline", path.to_str().expect("UTF-8")];
    nobody
        .run_on(&tree, &[&only[..], &against].concat())
        .exits(2);
}

#[test]
fn a_baseline_that_is_none_is_2() {
    let compared = Compared::new("kernel.*");
    for (text, said) in [
        ("", "it is no report of `redis-harden check --format json`"),
        ("{\"schema\": 1}", "missing field"),
        ("[]", "it is no report"),
    ] {
        fs::write(compared.path(), text).expect("our own");
        compared
            .check(&[])
            .refuses_with(&["redis-harden: the baseline ", said]);
    }
    let mut report: Value =
        serde_json::from_str(&compared.tree.run(&["check", "--format", "json"]).out).expect("JSON");
    report["schema"] = 2.into();
    fs::write(compared.path(), report.to_string()).expect("our own");
    compared.check(&[]).refuses_with(&["a report of schema 2"]);
    fs::remove_file(compared.path()).expect("written");
    compared
        .check(&[])
        .refuses_with(&["does not exist: make it with redis-harden check --report json="]);
}

#[test]
fn every_format_says_what_is_known() {
    let compared = Compared::new("kernel.*");
    let of = |format: &str| {
        compared
            .check(&["--only", "kernel.*", "--format", format])
            .exits(0)
            .to_owned()
    };
    assert_eq!(of("junit").matches("<skipped type=\"known\"").count(), 4);
    assert!(of("prometheus").contains("redis_harden_check_controls{status=\"known\"} 4\n"));
    let json: Value = serde_json::from_str(&of("json")).expect("JSON");
    let validator = super::documents::validator("packaging/schema/check.schema.json");
    let errors: Vec<String> = validator
        .iter_errors(&json)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let sarif: Value = serde_json::from_str(&of("sarif")).expect("JSON");
    let results = sarif["runs"][0]["results"].as_array().expect("a list");
    let failing: Vec<&Value> = results.iter().filter(|r| r["kind"] == "fail").collect();
    assert_eq!(failing.len(), 4);
    for result in failing {
        let why = result["suppressions"][0]["justification"]
            .as_str()
            .expect("text");
        assert!(why.starts_with("known since the report of 2"), "{why}");
    }
    assert!(of("html").contains("Known since the baseline <span class=\"count\">4</span>"));
}

#[test]
fn a_file_whose_content_differs_is_never_known() {
    let compared = Compared::new("service.*");
    let file = "etc/tmpfiles.d/redis-harden.conf";
    compared.tree.file(file, "# 14 bytes .\n");
    let only = ["--only", "memory.transparent-huge-pages"];
    let to = format!("json={}", compared.path().display());
    let args = [&["check", "--report", &to][..], &only].concat();
    compared.tree.run(&args).exits(1);
    compared.tree.file(file, "# 14 bytes :\n");
    let ran = compared.check(&only);
    assert!(ran.exits(1).contains("is 13 bytes"), "{ran}");
}
