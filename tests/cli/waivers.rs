//! Waivers in `check`: in force, expired, unused, not judged, or about no control at all.

use super::harness::Fake;
use serde_json::{Value, json};

fn tree(waivers: &[(&str, Option<&str>)]) -> Fake {
    let tree = Fake::debian();
    let waivers: Vec<String> = waivers
        .iter()
        .map(|(control, expires)| {
            let expires = expires.map_or(String::new(), |day| format!("expires = \"{day}\"\n"));
            format!("[[waiver]]\ncontrol = \"{control}\"\nreason = \"ticket 42\"\n{expires}")
        })
        .collect();
    tree.file("etc/redis-harden/policy.toml", &waivers.concat());
    tree
}

fn states(tree: &Fake, args: &[&str]) -> Value {
    let ran = tree.run(&[&["check", "--format", "json"], args].concat());
    let json: Value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran}"));
    let waivers = json.get("waivers").and_then(Value::as_array);
    let of = |w: &Value| ["control", "state", "findings"].map(|key| w.get(key).cloned());
    let waivers = waivers.expect("a list").iter();
    waivers.map(|w| json!(of(w))).collect()
}

#[test]
fn each_waiver_says_what_it_does() {
    let tree = tree(&[
        ("kernel.overcommit-memory", Some("2099-12-31")),
        ("kernel.somaxconn", Some("2020-01-31")),
        ("files.data-directory", None),
    ]);
    let expected = json!([
        ["kernel.overcommit-memory", "in-force", 1],
        ["kernel.somaxconn", "expired", 1],
        ["files.data-directory", "unused", 0],
    ]);
    assert_eq!(states(&tree, &[]), expected);
    let ran = tree.run(&["check"]);
    let text = ran.exits(1);
    for line in [
        "\nwaiver of kernel.somaxconn expired on 2020-01-31: renew it, or remove it from the policy\n",
        "\nwaiver of files.data-directory is unused, nothing that it covers fails: remove it from the policy\n",
        "the waiver expired on 2020-01-31: ticket 42\n",
        "waived until 2099-12-31: ticket 42\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in {ran}");
    }
}

#[test]
fn what_was_not_judged_does_not_make_a_waiver_unused() {
    // In a tree the running server says nothing; --only leaves the rest of a glob out.
    let tree = tree(&[("network.bind", None), ("files.*", None)]);
    let expected = json!([
        ["network.bind", "not-judged", 0],
        ["files.*", "not-judged", 0]
    ]);
    assert_eq!(states(&tree, &["--only", "files.data-directory"]), expected);
    let ran = tree.run(&["check", "--only", "files.data-directory"]);
    assert!(!ran.exits(0).contains("waiver"), "{ran}");
}

#[test]
fn a_waiver_of_no_control_is_2_where_it_stands() {
    let tree = tree(&[("kernel.overcomit-memory", None)]);
    tree.run(&["check"]).refuses_with(&[
        "policy.toml:2:11: \"kernel.overcomit-memory\" fits no control",
        "did you mean \"kernel.overcommit-memory\"?",
    ]);
}

#[test]
fn a_host_wide_waiver_of_two_instances_is_one() {
    let tree = tree(&[("kernel.overcommit-memory", None)]);
    let other = "[redis]\nport = 6380\n[[waiver]]\ncontrol = \"kernel.overcommit-memory\"\nreason = \"ticket 42\"\n";
    tree.file("etc/redis-harden/instances/other.toml", other);
    let only = ["--only", "kernel.overcommit-memory"];
    assert_eq!(
        states(&tree, &only),
        json!([["kernel.overcommit-memory", "in-force", 1]])
    );
}
