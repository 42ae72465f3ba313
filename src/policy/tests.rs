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
        let source = profile::source(name).expect("it is named");
        load::checked(&source).unwrap_or_else(|e| panic!("{e}"));
    }
}

/// The starter file without the `#` of its keys; those that are examples only when asked for.
fn uncommented(starter: &str, with_examples: bool) -> String {
    let mut text = String::new();
    let (mut example, mut waiver) = (false, false);
    for line in starter.lines() {
        let is_doc = line.starts_with("# ");
        waiver |= line == "#[[waiver]]";
        example =
            line == "# Not set; for example:" || waiver || (example && !is_doc && !line.is_empty());
        match line.strip_prefix('#').filter(|_| !is_doc) {
            // It stands in place of a password-file.
            Some(key) if key.starts_with("password-credential") => {}
            Some(_) if example && !with_examples => {}
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

#[test]
fn a_waiver_that_fits_no_control_is_an_error_with_its_place() {
    let text = "[[waiver]]\ncontrol = \"kernel.swapiness\"\nreason = \"so\"\n";
    let policies = Policies::parse("p.toml", text).unwrap();
    let ids = ["kernel.overcommit", "kernel.swappiness"];
    let error = policies.waivers_fit(&ids).unwrap_err().to_string();
    let expected = r#"p.toml:2:11: "kernel.swapiness" fits no control
   |
 2 | control = "kernel.swapiness"
   |           ^^^^^^^^^^^^^^^^^^
   = did you mean "kernel.swappiness"?"#;
    assert_eq!(error, expected);
    assert!(selection("kernel.*", &ids).is_ok());
    assert!(selection("kernel.[", &ids).is_err());
    assert!(
        selection("net.*", &ids)
            .unwrap_err()
            .to_string()
            .ends_with("`redis-harden controls` lists them all")
    );
}

#[test]
fn a_waiver_counts_on_its_last_day_and_not_after() {
    let text = "[[waiver]]\ncontrol = \"kernel.*\"\nreason = \"so\"\nexpires = \"2030-02-28\"\n";
    let policies = Policies::parse("p.toml", text).unwrap();
    let waiver = &policies.instances[0].waiver[0];
    assert!(waiver.covers("kernel.swappiness") && !waiver.covers("memory.thp"));
    assert!(!waiver.has_expired(jiff::civil::date(2030, 2, 28)));
    assert!(waiver.has_expired(jiff::civil::date(2030, 3, 1)));
}
