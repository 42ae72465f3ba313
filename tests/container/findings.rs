//! What `check` finds in the running container: exactly what no container can mend by itself, each line of it with its reason.

use super::image::checkout;
use super::oci::{Container, Spec, as_root, composed, pod};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// What may be found, by control: where it can be fixed, and why it is not fixed here.
fn expected(kind: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(checkout("tests/container/expected-findings.txt")).expect("ours");
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut found = BTreeMap::new();
    for line in lines {
        let (control, rest) = line.split_once(' ').expect("a control");
        let mut words = rest.trim().splitn(3, ' ');
        let (kinds, place, why) = (words.next(), words.next(), words.next());
        let (kinds, place) = (kinds.expect("kinds"), place.expect("a place"));
        assert!(
            why.is_some_and(|why| why.len() > 7),
            "{control} has no reason"
        );
        if kinds == "all" || kinds.split(',').any(|k| k == kind) {
            found.insert(control.to_owned(), place.to_owned());
        }
    }
    found
}

fn is_as_expected(kind: &str, make: impl Fn(&Container) -> Spec) {
    let mut container = Container::new();
    let spec = make(&container);
    container.start(&spec);
    container.wait_healthy();
    let ran = container.exec(&["redis-harden", "check", "--format", "json"]);
    let report: Value = serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&ran.stderr)));
    let expected = expected(kind);
    let mut wrong = Vec::new();
    for control in report["controls"].as_array().expect("controls") {
        let id = control["id"].as_str().expect("an id");
        for finding in control["findings"].as_array().expect("findings") {
            let (status, place) = (finding["status"].as_str(), finding["where"].as_str());
            let topic = id.split('.').next().unwrap_or_default();
            let wanted = expected
                .get(id)
                .or_else(|| expected.get(&format!("{topic}.*")));
            let fits = match (status, wanted) {
                (Some("fail"), Some(wanted)) => place == Some(wanted.as_str()),
                (Some("unknown"), Some(wanted)) => wanted == "unknown",
                (Some("fail" | "unknown"), None) => false,
                _ => true,
            };
            if !fits {
                wrong.push(format!("{id}: {finding}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{kind}:\n{}", wrong.join("\n"));
    let passed = report["summary"]["pass"].as_u64().expect("a number");
    assert!(passed > 100, "only {passed} passed");
}

#[test]
fn in_a_composed_service_only_the_expected_is_found() {
    is_as_expected("compose", |container| composed(container, None));
}

#[test]
fn in_a_pod_only_the_expected_is_found() {
    is_as_expected("pod", |container| pod(container, None));
}

#[test]
fn in_a_container_that_root_started_only_the_expected_is_found() {
    is_as_expected("root", as_root);
}

#[test]
fn what_only_the_host_has_names_where_to_set_it() {
    let mut container = Container::new();
    let policy = "extends = \"container\"\n[redis]\nlog-file = \"stdout\"\n[kernel]\nsomaxconn = 65000\n[kernel.sysctl]\n\"vm.max_map_count\" = { at-least = 9999999 }\n";
    let mut spec = composed(&container, Some(policy));
    spec.sysctls = serde_json::json!({});
    container.start(&spec);
    container.wait_healthy();
    let ran = container.exec(&["redis-harden", "check", "--only", "kernel.*"]);
    let out = String::from_utf8_lossy(&ran.stdout).into_owned();
    for said in [
        "on the machine that runs this host: sysctl -w vm.max_map_count=9999999",
        "net.core.somaxconn=65000",
    ] {
        assert!(out.contains(said), "{said}\n{out}");
    }
    assert!(!out.contains("apply fixes it"), "{out}");
}
