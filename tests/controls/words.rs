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
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/controls/{topic}.rs"));
        let text = topic_text(&file);
        assert!(
            text.contains(&format!("\"{}\"", control.id)),
            "{} is not in {}",
            control.id,
            file.display()
        );
    }
}

/// A topic's file, and those of the folder of its name.
fn topic_text(file: &Path) -> String {
    let read = |file: &Path| {
        std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    };
    let folder = std::fs::read_dir(file.with_extension(""))
        .into_iter()
        .flatten();
    let below = folder.map(|entry| read(&entry.unwrap().path()));
    [read(file)].into_iter().chain(below).collect()
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
