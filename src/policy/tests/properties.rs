//! What holds for any input: garbage never panics, merging is associative, and the later file wins.

use super::*;
use crate::policy::merge::merge;
use crate::policy::source::{Node, Source};
use proptest::prelude::*;
use std::sync::Arc;

fn tree(text: &str) -> Node {
    let source = Source {
        name: "generated".into(),
        text: text.to_owned(),
        embedded: false,
    };
    Arc::new(source).parse().unwrap_or_else(|e| panic!("{e}"))
}

/// A policy file with any of a few keys of each kind: scalar, list, map, rule, waiver.
fn policy() -> impl Strategy<Value = String> {
    let rule = prop_oneof![
        (0..99i64).prop_map(|n| n.to_string()),
        (0..99i64).prop_map(|n| format!("{{ at-least = {n} }}")),
        (0..99i64).prop_map(|n| format!("{{ at-most = {n} }}")),
    ];
    (
        proptest::option::of(1..60000u16),
        proptest::option::of(proptest::collection::vec(1..9u8, 0..3)),
        proptest::collection::btree_map("[a-c]", rule, 0..3),
        proptest::collection::btree_map("[a-c]", prop_oneof!["application", "read-only"], 0..3),
        proptest::collection::vec("[a-c]", 0..3),
    )
        .prop_map(|(port, save, sysctl, acl, waivers)| {
            let mut text = String::new();
            let lines = port.map(|p| format!("[redis]\nport = {p}\n"));
            text += &lines.unwrap_or_default();
            if let Some(save) = save {
                let pairs: Vec<String> = save.iter().map(|n| format!("\"{n} {n}\"")).collect();
                text += &format!("[persistence]\nsave = [{}]\n", pairs.join(", "));
            }
            text += "[kernel.sysctl]\n";
            for (key, rule) in &sysctl {
                text += &format!("\"net.{key}\" = {rule}\n");
            }
            for (name, role) in acl {
                text += &format!("[acl.{name}]\nrole = \"{role}\"\n");
            }
            for control in waivers {
                text += &format!("[[waiver]]\ncontrol = \"{control}\"\nreason = \"so\"\n");
            }
            text
        })
}

proptest! {
    #[test]
    fn garbage_is_an_error_or_a_policy_never_a_panic(text in "\\PC{0,200}") {
        let _ = Policies::parse("garbage", &text).map_err(|e| e.to_string());
    }

    #[test]
    fn toml_like_garbage_is_an_error_or_a_policy_never_a_panic(
        parts in proptest::collection::vec(prop_oneof![
            "\\[(redis|kernel\\.sysctl|acl\\.[a-z]{0,3}|\\[waiver\\])\\]?",
            "(port|bind|save|rules|control|headroom|extends|\"[^\"]{0,3}\") ?= ?",
            "[0-9]{0,25}|\"[^\"]{0,6}\"?|\\[|\\]|\\{|\\}|nan|inf|true|1979-05-27",
            "\n|\r\n|\t|,|\\.|é|\u{1b}",
        ], 0..30)
    ) {
        let _ = Policies::parse("garbage", &parts.concat()).map_err(|e| e.to_string());
    }

    #[test]
    fn what_is_generated_here_is_a_policy(text in policy()) {
        Policies::parse("generated", &text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
    }

    #[test]
    fn merging_is_associative(a in policy(), b in policy(), c in policy()) {
        let (a, b, c) = (tree(&a), tree(&b), tree(&c));
        let left = merge(merge(a.clone(), b.clone()), c.clone());
        let right = merge(a, merge(b, c));
        prop_assert_eq!(left.plain(), right.plain());
    }

    #[test]
    fn the_later_file_wins_and_the_empty_one_changes_nothing(a in policy(), b in policy()) {
        let (a, b) = (tree(&a), tree(&b));
        prop_assert_eq!(merge(a.clone(), Node::empty()).plain(), a.plain());
        prop_assert_eq!(merge(Node::empty(), b.clone()).plain(), b.plain());
        let both = merge(a, b.clone());
        for path in [&["redis", "port"][..], &["persistence", "save"], &["kernel", "sysctl", "net.a"], &["acl", "b", "role"]] {
            if let Some(wanted) = b.find(path) {
                prop_assert_eq!(both.find(path), Some(wanted));
            }
        }
    }
}

#[test]
fn deep_nesting_is_an_error_and_not_the_end_of_the_stack() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("x = {}{}", open.repeat(100_000), close.repeat(100_000));
        assert!(Policies::parse("deep", &text).is_err());
    }
    assert!(Policies::parse("deep", &format!("x{} = 1", ".a".repeat(100_000))).is_err());
}
