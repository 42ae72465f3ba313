//! Each format against the schema or the tool of those who read it: SARIF's, Jenkins', promtool.

use super::harness::{self, Fake, Ran};
use super::reports::{Reports, tree};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/schemas")
        .join(name)
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
    let listed = harness::run(&["controls", "--format", "json"]);
    let listed: Value = serde_json::from_str(listed.exits(0)).expect("JSON");
    assert_eq!(
        rules.len(),
        listed["controls"].as_array().expect("a list").len(),
        "fired or not"
    );
    let results = run["results"].as_array().expect("a list");
    let mut fingerprints = BTreeSet::new();
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
