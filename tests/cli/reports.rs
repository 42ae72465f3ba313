//! The reports as their readers take them: each format against the schema or the tool of those who made it, and the files that they are written to.

use super::harness::{Fake, Ran, run, scratch};
use super::unprivileged::Nobody;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Text that ends an attribute, a label, a line or an element where it is not escaped.
const HOSTILE: &str = "<a href='x'>&\\\"]]> \\\\n {x}";

/// Of each verdict one at least: it fails, passes, is waived, is unknown or does not apply.
fn tree() -> Fake {
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
struct Reports {
    dir: TempDir,
    ran: Ran,
}

impl Reports {
    fn of(tree: &Fake) -> Reports {
        let dir = scratch();
        let to = |format: &str| format!("--report={format}={}/{format}", dir.path().display());
        let formats = ["text", "json", "junit", "sarif", "prometheus", "html"].map(to);
        let mut args = vec!["check"];
        args.extend(formats.iter().map(String::as_str));
        let ran = tree.run(&args);
        Reports { dir, ran }
    }

    fn path(&self, format: &str) -> PathBuf {
        self.dir.path().join(format)
    }

    fn text(&self, format: &str) -> String {
        fs::read_to_string(self.path(format)).expect("written")
    }

    fn json(&self, format: &str) -> Value {
        serde_json::from_str(&self.text(format)).expect("JSON")
    }

    /// Ids by their control's status.
    fn ids(&self, status: &str) -> Vec<String> {
        let json = self.json("json");
        let controls = json["controls"].as_array().expect("a list");
        let of = controls.iter().filter(|c| c["status"] == status);
        of.map(|c| c["id"].as_str().expect("text").to_owned())
            .collect()
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/schemas")
        .join(name)
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
fn sarif_fits_the_schema_of_oasis() {
    let tree = tree();
    let reports = Reports::of(&tree);
    let sarif = reports.json("sarif");
    let schema = fs::read_to_string(fixture("sarif-2.1.0.json")).expect("vendored");
    let mut schema: Value = serde_json::from_str(&schema).expect("JSON");
    // "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$", as OASIS publishes it, is no regular expression of ECMA-262; no language is written.
    for of in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][of]["properties"]["language"];
        let language = language.as_object_mut().expect("there");
        language.remove("pattern").expect("there");
    }
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(&sarif)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(!validator.is_valid(&serde_json::json!({"version": "2.1.0"})));
}

#[test]
fn sarif_says_what_the_standard_means() {
    let tree = tree();
    let reports = Reports::of(&tree);
    let sarif = reports.json("sarif");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("a list");
    let listed = super::harness::run(&["controls", "--format", "json"]);
    let listed: Value = serde_json::from_str(listed.exits(0)).expect("JSON");
    assert_eq!(
        rules.len(),
        listed["controls"].as_array().expect("a list").len(),
        "fired or not"
    );
    let results = run["results"].as_array().expect("a list");
    let mut fingerprints = std::collections::BTreeSet::new();
    for result in results {
        let index =
            usize::try_from(result["ruleIndex"].as_u64().expect("a number")).expect("small");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        // SARIF §3.27.10.
        assert_eq!(
            result["kind"] != "fail",
            result["level"] == "none",
            "{result}"
        );
        if let Some(print) = result["partialFingerprints"]["redisHardenSetting/v1"].as_str() {
            assert!(fingerprints.insert(print.to_owned()), "two of {result}");
            let uri =
                result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str();
            assert!(uri.is_some_and(|u| u.starts_with("file:///")), "{result}");
        }
    }
    let of = |id: &str| {
        results
            .iter()
            .find(|r| r["ruleId"] == id)
            .expect("a result")
    };
    assert_eq!(
        of("kernel.overcommit-memory")["level"],
        "none",
        "the running kernel's says nothing in a tree"
    );
    let failing = |id: &str| {
        results
            .iter()
            .find(|r| r["ruleId"] == id && r["kind"] == "fail")
            .expect("fails")
    };
    assert_eq!(failing("kernel.overcommit-memory")["level"], "error");
    assert_eq!(
        failing("kernel.overcommit-memory")["suppressions"],
        serde_json::json!([])
    );
    assert_eq!(failing("kernel.somaxconn")["level"], "warning");
    assert_eq!(failing("kernel.tcp-max-syn-backlog")["level"], "note");
    let waived = &failing("kernel.swappiness")["suppressions"][0];
    assert_eq!(waived["kind"], "external");
    assert_eq!(waived["status"], "accepted");
    assert_eq!(waived["properties"]["expires"], "2099-12-31");
    assert_eq!(of("account.no-password")["kind"], "review");
    let told = &run["invocations"][0]["toolExecutionNotifications"];
    assert!(told.to_string().contains("account.no-password"), "{told}");
    assert_eq!(
        rules[0]["properties"]["security-severity"]
            .as_str()
            .map(|s| s.parse::<f64>().is_ok()),
        Some(true)
    );
}

#[test]
fn fingerprints_are_the_same_on_another_host() {
    let prints = |name: &str| {
        let tree = Fake::debian();
        tree.file("etc/hostname", name);
        let ran = tree.run(&["check", "--format", "sarif"]);
        let sarif: Value = serde_json::from_str(ran.exits(1)).expect("JSON");
        let results = sarif["runs"][0]["results"]
            .as_array()
            .expect("a list")
            .clone();
        results
            .into_iter()
            .map(|r| r["partialFingerprints"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(prints("one\n"), prints("other\n"));
}

#[test]
fn promtool_takes_the_metrics() {
    let tree = tree();
    let reports = Reports::of(&tree);
    let metrics = reports.path("prometheus");
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    promtool.stdin(fs::File::open(&metrics).expect("written"));
    let ran = Ran::of(&mut promtool);
    ran.exits(0);
    assert_eq!(format!("{}{}", ran.out, ran.err), "", "promtool has advice");
    let text = reports.text("prometheus");
    for (status, number) in [
        ("pass", 0),
        ("fail", 1),
        ("unknown", 2),
        ("waived", 3),
        ("not-applicable", 4),
    ] {
        for id in reports.ids(status) {
            let line = text
                .lines()
                .find(|l| l.starts_with(&format!("redis_harden_check_status{{id=\"{id}\",")));
            assert!(
                line.is_some_and(|l| l.ends_with(&format!(" {number}"))),
                "{id}: {line:?}"
            );
        }
        let count = format!(
            "redis_harden_check_controls{{status=\"{status}\"}} {}\n",
            reports.ids(status).len()
        );
        assert!(text.contains(&count), "{count} is not in {text}");
    }
    // date -u -d 2100-01-01 +%s
    assert!(text.contains(
        "redis_harden_waiver_expires_timestamp_seconds{control=\"kernel.swappiness\"} 4102444800\n"
    ));
    let stamp = text
        .lines()
        .find_map(|l| l.strip_prefix("redis_harden_check_last_run_timestamp_seconds "));
    let age =
        jiff::Timestamp::now().as_second() - stamp.expect("there").parse::<i64>().expect("seconds");
    assert!((0..120).contains(&age), "{age}");
}

#[test]
fn junit_fits_the_schema_of_jenkins_and_counts_right() {
    let tree = tree();
    let reports = Reports::of(&tree);
    let xml = reports.path("junit");
    let mut lint = Command::new("xmllint");
    lint.args(["--noout", "--schema"])
        .arg(fixture("junit-10.xsd"))
        .arg(&xml);
    Ran::of(&mut lint).exits(0);
    let count = |xpath: &str| {
        let mut lint = Command::new("xmllint");
        let number = Ran::of(lint.args(["--xpath", xpath]).arg(&xml))
            .exits(0)
            .trim()
            .to_owned();
        number
            .parse::<usize>()
            .unwrap_or_else(|e| panic!("{xpath}: {number}: {e}"))
    };
    let skipped = reports.ids("waived").len() + reports.ids("not-applicable").len();
    for (what, xpath, wanted) in [
        (
            "cases",
            "count(//testcase)",
            reports.ids("pass").len()
                + reports.ids("fail").len()
                + reports.ids("unknown").len()
                + skipped,
        ),
        (
            "all tests",
            "sum(//testsuite/@tests)",
            count("number(/testsuites/@tests)"),
        ),
        ("failures", "count(//failure)", reports.ids("fail").len()),
        (
            "failures said",
            "sum(//testsuite/@failures)",
            reports.ids("fail").len(),
        ),
        ("errors", "count(//error)", reports.ids("unknown").len()),
        (
            "errors said",
            "sum(//testsuite/@errors)",
            reports.ids("unknown").len(),
        ),
        ("skipped", "count(//skipped)", skipped),
        ("skipped said", "sum(//testsuite/@skipped)", skipped),
        (
            "suites by topic",
            "count(//testsuite[@name != ./testcase[1]/@classname])",
            0,
        ),
    ] {
        assert_eq!(count(xpath), wanted, "{what}");
    }
    let text = |xpath: &str| {
        let mut lint = Command::new("xmllint");
        let ran = Ran::of(lint.args(["--xpath", xpath]).arg(&xml));
        ran.exits(0).trim_end().to_owned()
    };
    assert_eq!(
        text("string(//testcase[contains(@name, 'swappiness')]/skipped/@message)"),
        "waived until 2099-12-31: <a href='x'>&\"]]> \\n {x}"
    );
    // What XML has no way to write is a replacement character.
    assert_eq!(
        text("string(//testsuite[1]/@hostname)"),
        "<i>&\"im\u{fffd}age"
    );
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
    std::os::unix::fs::chown(reports.path("html"), Some(super::harness::NOBODY), None)
        .expect("root may");
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
fn text_is_grouped_by_topic_and_aligned_with_a_line_for_each_that_passes() {
    let tree = tree();
    let ran = tree.run(&["check", "-v", "--allow-unknown"]);
    let rows: Vec<&str> = ran
        .exits(1)
        .lines()
        .filter(|l| {
            ["pass ", "fail ", "waived ", "unknown ", "not-applicable "]
                .iter()
                .any(|w| l.starts_with(w))
        })
        .collect();
    let listed = run(&["controls"]).out.lines().count() - 1;
    assert_eq!(rows.len(), listed, "{ran}");
    let id = |row: &&str| row[16..].split(' ').next().expect("an id").to_owned();
    let mut topics: Vec<String> = rows
        .iter()
        .map(|r| id(r).split('.').next().expect("a topic").to_owned())
        .collect();
    topics.dedup();
    let distinct: std::collections::BTreeSet<&String> = topics.iter().collect();
    assert_eq!(
        distinct.len(),
        topics.len(),
        "each topic stands together: {topics:?}"
    );
    let column = rows.iter().map(|r| 16 + id(r).len()).max().expect("some") + 2;
    for row in &rows {
        let severity = row[column..].split(' ').next();
        assert!(
            severity.is_some_and(|s| ["low", "medium", "high", "critical"].contains(&s)),
            "{row}"
        );
    }
    // Nothing but the next row, or the end of its topic, follows a passing control's.
    let lines: Vec<&str> = ran.out.lines().collect();
    for pair in lines.windows(2).filter(|w| w[0].starts_with("pass ")) {
        assert!(!pair[1].starts_with(' '), "{pair:?}");
    }
    let last: Vec<&str> = lines.iter().rev().take(2).copied().collect();
    assert_eq!(last[0], "next: redis-harden plan");
    assert!(
        last[1].contains(" pass, ") && last[1].contains("; score "),
        "{last:?}"
    );
    let quiet = tree.run(&["check", "--allow-unknown"]);
    assert!(!quiet.exits(1).contains("\npass "), "{quiet}");
}

#[test]
fn the_worst_comes_first() {
    let tree = Fake::debian();
    let ran = tree.run(&["check"]);
    let first = ran
        .exits(1)
        .lines()
        .find(|l| l.starts_with("fail "))
        .expect("fails");
    let json = tree.run(&["check", "--format", "json"]);
    let json: Value = serde_json::from_str(json.exits(1)).expect("JSON");
    let rank = |s: &Value| {
        ["low", "medium", "high", "critical"]
            .iter()
            .position(|w| s == w)
    };
    let controls = json["controls"].as_array().expect("a list");
    let worst = controls
        .iter()
        .filter(|c| c["status"] == "fail")
        .max_by_key(|c| rank(&c["severity"]));
    let word = worst.expect("some")["severity"].as_str().expect("text");
    assert!(first.contains(&format!("  {word} ")), "{first}");
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
