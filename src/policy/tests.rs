//! Tests of the whole path from text to policy.

mod installed;
mod properties;

use super::*;
use crate::host::{Host, Reach};
use crate::policy::profile::PROFILES;

#[test]
fn every_profile_parses_and_validates() {
    for (name, _) in PROFILES {
        Policies::builtin(name).unwrap_or_else(|e| panic!("{e}"));
    }
}

fn uncommented(starter: &str, with_examples: bool) -> String {
    let mut text = String::new();
    let mut example = false;
    for line in starter.lines() {
        let is_doc = line.starts_with("# ");
        let is_header = line.starts_with('[') || line.starts_with("#[");
        example = line == "# Not set; for example:"
            || (example && !is_doc && !is_header && !line.is_empty());
        let key = line.strip_prefix('#').filter(|_| !is_doc);
        match key {
            Some(_) if example && !with_examples => {}
            Some("[[waiver]]") if !with_examples => {}
            Some(key) => text += &format!("{key}\n"),
            None => text += &format!("{line}\n"),
        }
    }
    text
}

#[test]
fn the_starter_file_equals_the_default_profile_commented_and_uncommented() {
    let starter = starter();
    let production = Policies::builtin("production").unwrap().instances;
    let parsed = |text: &str| {
        Policies::parse("starter.toml", text)
            .unwrap_or_else(|e| panic!("{e}"))
            .instances
    };
    assert_eq!(parsed(&starter), production);
    let values = uncommented(&starter, false);
    assert!(values.contains("\nport = 6379\n"), "{values}");
    assert_eq!(parsed(&values), production);
}

#[test]
fn every_key_of_the_starter_file_can_be_uncommented() {
    let all = uncommented(&starter(), true);
    let policies = Policies::parse("starter.toml", &all).unwrap_or_else(|e| panic!("{e}\n{all}"));
    assert_eq!(policies.instances[0].waiver.len(), 1);
    for (section, schema) in schema::properties(&schema::SCHEMA) {
        for shape in schema::shapes(schema) {
            if let schema::Shape::Table {
                keys, others: None, ..
            } = shape
            {
                for (key, _) in keys {
                    assert!(
                        policies.trees[0]
                            .find(&[section, key])
                            .is_some_and(|n| !n.at.source.embedded),
                        "{section}.{key} is missing"
                    );
                }
            }
        }
    }
}

#[test]
fn what_show_prints_parses_to_the_same_policy_and_says_where_from() {
    let text = "[redis]\nport = 7000\n[[waiver]]\ncontrol = \"a.*\"\nreason = \"why\"\n";
    let policies = Policies::parse("my.toml", text).unwrap();
    let shown = show(&policies);
    println!("{shown}");
    let again = Policies::parse("shown.toml", &shown).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(again.instances, policies.instances);
    let line = |start: &str| {
        shown
            .lines()
            .find(|l| l.starts_with(start))
            .unwrap()
            .to_owned()
    };
    assert!(line("port =").ends_with("# my.toml:2"));
    assert!(line("maxclients =").ends_with("# production"));
    assert!(line("flavour =").ends_with("# built-in default"));
    assert!(line("reason =").ends_with("# my.toml:5"));
}

/// Each bad policy of `tests/fixtures/policies` beside the message it gets, whole.
#[test]
fn every_bad_policy_gets_its_message() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/policies");
    let fixtures = Host::at(&root, Reach::Running).unwrap();
    let mut wrong = String::new();
    for name in fixtures.list("/".as_ref()).unwrap() {
        let Some(stem) = name.strip_suffix(".toml") else {
            continue;
        };
        let text = fixtures
            .read_text(format!("/{name}").as_ref())
            .unwrap()
            .unwrap();
        let expected = fixtures.read_text(format!("/{stem}.txt").as_ref()).unwrap();
        let message = match Policies::parse(&name, &text) {
            Ok(_) => "accepted".to_owned(),
            Err(e) => format!("{e}\n"),
        };
        if expected.as_deref() != Some(message.as_str()) {
            wrong += &format!("--- {stem}.txt is not:\n{message}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
