//! Several reports of one run, and the files that they are written to.

use super::harness::{Fake, NOBODY, Ran, scratch};
use super::unprivileged::Nobody;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

/// Text that ends an attribute, a label, a line or an element where it is not escaped.
const HOSTILE: &str = "<a href='x'>&\\\"]]> \\\\n {x}";

/// Of each verdict one at least: it fails, passes, is waived, is unknown or does not apply.
pub fn tree() -> Fake {
    let tree = Fake::debian();
    tree.file("etc/hostname", "<i>&\"im\u{1b}age\n");
    let policy = format!(
        "[[waiver]]\ncontrol = \"kernel.swappiness\"\nreason = \"{HOSTILE}\"\nexpires = \"2099-12-31\"\n\
         [[waiver]]\ncontrol = \"kernel.somaxconn\"\nreason = \"ticket 42\"\nexpires = \"2020-01-31\"\n"
    );
    tree.file("etc/redis-harden/policy.toml", &policy);
    // Where a file should be is a directory: it can be read by nobody.
    fs::remove_file(tree.at("etc/shadow")).expect("made by the harness");
    tree.dir("etc/shadow", 0o755, 0, 0);
    tree
}

/// Each report of one run.
pub struct Reports {
    dir: TempDir,
    pub ran: Ran,
}

impl Reports {
    pub fn of(tree: &Fake) -> Reports {
        let dir = scratch();
        let to = |format: &str| format!("--report={format}={}/{format}", dir.path().display());
        let formats = ["text", "json", "junit", "sarif", "prometheus", "html"].map(to);
        let mut args = vec!["check"];
        args.extend(formats.iter().map(String::as_str));
        let ran = tree.run(&args);
        Reports { dir, ran }
    }

    pub fn path(&self, format: &str) -> PathBuf {
        self.dir.path().join(format)
    }

    pub fn text(&self, format: &str) -> String {
        fs::read_to_string(self.path(format)).expect("written")
    }

    pub fn json(&self, format: &str) -> Value {
        serde_json::from_str(&self.text(format)).expect("JSON")
    }

    /// Ids by their control's status.
    pub fn ids(&self, status: &str) -> Vec<String> {
        let json = self.json("json");
        let controls = json.get("controls").and_then(Value::as_array);
        let text = |control: &Value, key: &str| -> String {
            let text = control.get(key).and_then(Value::as_str);
            text.expect("text").to_owned()
        };
        let of = controls.expect("a list").iter();
        of.filter(|c| text(c, "status") == status)
            .map(|c| text(c, "id"))
            .collect()
    }
}

#[test]
fn several_reports_of_one_run_agree_and_leave_the_exit_code_alone() {
    let tree = tree();
    let reports = Reports::of(&tree);
    reports.ran.exits(2);
    for status in ["pass", "fail", "waived", "unknown", "not-applicable"] {
        assert!(!reports.ids(status).is_empty(), "{status}: {}", reports.ran);
    }
    assert_eq!(
        reports.text("text"),
        reports.ran.out,
        "no colour here or there"
    );
    for format in ["text", "json", "junit", "sarif", "prometheus", "html"] {
        for (args, code) in [
            (&["--allow-unknown"][..], 1),
            (&[], 2),
            (&["--allow-unknown", "--exit-zero"], 0),
        ] {
            let ran = tree.run(&[&["check", "--format", format], args].concat());
            assert!(!ran.exits(code).is_empty(), "{ran}");
        }
    }
}

#[test]
fn a_report_to_standard_output_is_alone_there() {
    let tree = Fake::debian();
    let ran = tree.run(&["check", "--only", "kernel.*", "--report", "json=-"]);
    let json: Value = serde_json::from_str(ran.exits(1)).expect("nothing but JSON");
    assert_eq!(json["schema"], 1);
    let two = ["check", "--format", "text", "--report", "json=-"];
    tree.run(&two).refuses(
        "redis-harden: text and json cannot both go to standard output: give one of them a file",
    );
    tree.run(&["check", "--report", "html=-", "--report", "json=-"])
        .refuses("redis-harden: html and json cannot both go to standard output: give one of them a file");
    tree.run(&[
        "check",
        "--report",
        "html=/tmp/./x",
        "--report",
        "json=/tmp/x",
    ])
    .refuses("redis-harden: two reports cannot both be /tmp/x");
}

#[test]
fn a_report_that_cannot_be_written_is_2_and_the_others_are() {
    let tree = Fake::debian();
    let dir = scratch();
    let good = dir.path().join("r.json");
    let good = format!("json={}", good.display());
    let args = [
        "check",
        "--report",
        "html=/nonexistent/r.html",
        "--report",
        &good,
        "--report",
        "sarif=/dev/null",
    ];
    let ran = tree.run(&args);
    ran.refuses_with(&[
        "redis-harden: the html report: writing /nonexistent/r.html: its directory /nonexistent does not exist",
        "redis-harden: the sarif report: writing /dev/null: something that is not a regular file is in its place",
    ]);
    assert!(
        ran.out.contains("; score "),
        "the verdict is printed: {ran}"
    );
    assert!(dir.path().join("r.json").exists());
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("every Linux has it");
    fs::remove_file(dir.path().join("r.json")).expect("written");
    let mut check = tree.command(&["check", "--report", &good]);
    Ran::of(check.stdout(full)).refuses_with(&["writing to standard output"]);
    assert!(dir.path().join("r.json").exists());
}

#[test]
fn a_report_replaces_a_link_and_never_writes_through_it() {
    let tree = Fake::debian();
    let dir = scratch();
    let (victim, link) = (dir.path().join("victim"), dir.path().join("r.json"));
    fs::write(&victim, "mine\n").expect("our own");
    symlink(&victim, &link).expect("our own");
    let to = format!("json={}", link.display());
    tree.run(&["check", "--report", &to]).exits(1);
    assert_eq!(fs::read_to_string(&victim).expect("there"), "mine\n");
    assert!(fs::symlink_metadata(&link).expect("there").is_file());
    let left: Vec<_> = fs::read_dir(dir.path()).expect("our own").collect();
    assert_eq!(left.len(), 2, "no temporary file is left: {left:?}");
}

#[test]
fn roots_reports_are_roots_and_metrics_are_everybodys() {
    let tree = tree();
    let reports = Reports::of(&tree);
    let mode = |path: &Path| fs::metadata(path).expect("written").mode() & 0o7777;
    for format in ["text", "json", "junit", "sarif", "html"] {
        assert_eq!(mode(&reports.path(format)), 0o600, "{format}");
    }
    assert_eq!(mode(&reports.path("prometheus")), 0o644);
    fs::set_permissions(reports.path("html"), fs::Permissions::from_mode(0o640)).expect("our own");
    let again = format!("html={}", reports.path("html").display());
    tree.run(&["check", "--report", &again]).exits(2);
    assert_eq!(mode(&reports.path("html")), 0o640, "kept");
    chown(reports.path("html"), Some(NOBODY), None).expect("root may");
    tree.run(&["check", "--report", &again]).exits(2);
    assert_eq!(
        mode(&reports.path("html")),
        0o600,
        "somebody else's mode is not kept"
    );
}

#[test]
fn an_ordinary_users_report_is_readable() {
    let (nobody, tree) = (Nobody::new(), Fake::debian());
    let path = nobody.own_dir("reports").join("r.json");
    let to = format!("json={}", path.display());
    nobody
        .run_on(&tree, &["check", "--only", "kernel.*", "--report", &to])
        .exits(1);
    assert_eq!(fs::metadata(path).expect("written").mode() & 0o7777, 0o644);
}

#[test]
fn metrics_are_replaced_whole_while_the_collector_reads_them() {
    let tree = Fake::debian();
    let dir = scratch();
    let path = dir.path().join("redis.prom");
    let to = format!("prometheus={}", path.display());
    let args = ["check", "--only", "kernel.*", "--report", &to];
    tree.run(&args).exits(1);
    let whole = fs::read_to_string(&path).expect("written").lines().count();
    let mut writer = tree
        .command(&args)
        .stdout(Stdio::null())
        .spawn()
        .expect("runs");
    while writer.try_wait().expect("our child").is_none() {
        assert_eq!(
            fs::read_to_string(&path)
                .expect("never missing")
                .lines()
                .count(),
            whole
        );
        let odd = fs::read_dir(dir.path())
            .expect("our own")
            .filter_map(Result::ok);
        // node_exporter reads *.prom.
        let proms = odd.filter(|e| e.file_name().to_string_lossy().ends_with(".prom"));
        assert_eq!(proms.count(), 1);
    }
}
