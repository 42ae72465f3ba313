//! What every control says of itself.

use redis_harden::controls::all;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn ids_are_unique_and_name_the_topic_whose_file_they_are_in() {
    let mut seen = BTreeSet::new();
    for control in all() {
        assert!(seen.insert(control.id), "{} is there twice", control.id);
        let (topic, name) = control
            .id
            .split_once('.')
            .unwrap_or_else(|| panic!("{}: no topic", control.id));
        let kebab = |word: &str| {
            let letters = |part: &str| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            };
            word.split('-').all(letters)
        };
        assert!(
            kebab(topic) && kebab(name),
            "{}: not kebab-case",
            control.id
        );
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/controls");
        let quoted = format!("\"{}\"", control.id);
        assert!(
            sources(&folder, topic)
                .iter()
                .any(|text| text.contains(&quoted)),
            "{} is not in {topic}.rs, nor in a file of {topic}/",
            control.id
        );
    }
}

/// A topic's file, and those of its folder where it has one.
fn sources(folder: &Path, topic: &str) -> Vec<String> {
    let mut files = vec![folder.join(format!("{topic}.rs"))];
    if let Ok(entries) = std::fs::read_dir(folder.join(topic)) {
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    let read = |file: &std::path::PathBuf| {
        std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    };
    files.iter().map(read).collect()
}

#[test]
fn every_control_says_what_why_how_and_where_it_is_written() {
    for control in all() {
        for (what, text) in [
            ("title", control.title),
            ("why", control.why),
            ("by_hand", control.by_hand),
        ] {
            assert!(
                text.trim().len() > 10,
                "{}: its {what} says nothing: {text:?}",
                control.id
            );
            assert_eq!(
                text.trim(),
                text,
                "{}: white space around its {what}",
                control.id
            );
        }
        assert!(
            !control.references.is_empty(),
            "{} has no reference",
            control.id
        );
        assert!(
            control.references.iter().all(|r| r.trim().len() > 3),
            "{}: an empty reference",
            control.id
        );
        assert!(
            !control.title.ends_with('.'),
            "{}: a title ends without a dot",
            control.id
        );
    }
}

#[test]
fn there_are_the_forty_five_controls_that_were_asked_for() {
    assert!(all().len() >= 45, "{} controls", all().len());
}
