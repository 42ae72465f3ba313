//! What the fuzz targets have found worth keeping, and thousands of mutations of it, through the same properties: `fuzz/` in short,
//! without a fuzzer. `tests/full fuzz` runs the fuzzer.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

use proptest::prelude::*;
use proptest::sample::Index;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/lib.rs"]
mod properties;
mod roundtrip;

use properties::PROPERTIES;

/// For each target; all of them take some seconds.
const MUTATIONS: u32 = 1500;

/// A change that a fuzzer would make.
#[derive(Clone, Debug)]
enum Edit {
    Cut(Index, Index),
    Insert(Index, Vec<u8>),
    Replace(Index, u8),
    /// A piece of it stands a second time elsewhere.
    Repeat(Index, Index, Index),
    /// From there on it is another file.
    Join(Index, Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    let words = prop::sample::select(vec![
        "\"",
        "\n",
        "\\x00",
        "9999999999999999999",
        "{",
        "[",
        " ",
        "é",
        "#",
    ]);
    prop_oneof![
        (at(), at()).prop_map(|(from, to)| Edit::Cut(from, to)),
        (at(), prop::collection::vec(any::<u8>(), 1..5))
            .prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (at(), words).prop_map(|(at, word)| Edit::Insert(at, word.into())),
        (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (at(), at(), at()).prop_map(|(from, to, at)| Edit::Repeat(from, to, at)),
        (at(), at(), at()).prop_map(|(at, file, from)| Edit::Join(at, file, from)),
    ]
}

fn edited(mut bytes: Vec<u8>, edit: &Edit, files: &[Vec<u8>]) -> Vec<u8> {
    // One behind the last byte is a place too.
    let place = |bytes: &[u8], at: &Index| at.index(bytes.len() + 1);
    let span = |bytes: &[u8], from: &Index, to: &Index| {
        let ends = (place(bytes, from), place(bytes, to));
        ends.0.min(ends.1)..ends.0.max(ends.1)
    };
    match edit {
        Edit::Cut(from, to) => drop(bytes.drain(span(&bytes, from, to))),
        Edit::Insert(at, new) => {
            let at = place(&bytes, at);
            bytes.splice(at..at, new.iter().copied());
        }
        Edit::Replace(at, byte) => {
            let at = place(&bytes, at);
            bytes.splice(at..bytes.len().min(at + 1), [*byte]);
        }
        Edit::Repeat(from, to, at) => {
            let piece: Vec<u8> = bytes
                .get(span(&bytes, from, to))
                .into_iter()
                .flatten()
                .copied()
                .collect();
            let at = place(&bytes, at);
            bytes.splice(at..at, piece);
        }
        Edit::Join(at, file, from) => {
            let other = file.get(files);
            bytes.truncate(place(&bytes, at));
            bytes.extend(other.iter().skip(place(other, from)));
        }
    }
    bytes
}

/// The files of a target: those of its corpus, which must be there, and inputs that it has failed on.
fn files(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let corpus = fs::read_dir(fuzz.join("corpus").join(target)).expect("a corpus");
    let regressions = fs::read_dir(fuzz.join("regressions").join(target));
    let mut paths: Vec<PathBuf> = corpus
        .chain(regressions.into_iter().flatten())
        .map(|entry| entry.expect("a file").path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).expect("a file");
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn what_is_committed_has_the_properties() {
    for (target, holds) in PROPERTIES {
        let files = files(target);
        assert!(!files.is_empty(), "{target} has no corpus");
        for (path, bytes) in files {
            let held = catch_unwind(AssertUnwindSafe(|| holds(&bytes)));
            if let Err(why) = held {
                eprintln!("this was {}", path.display());
                resume_unwind(why);
            }
        }
    }
}

#[test]
fn mutations_of_it_have_the_properties() {
    for (target, holds) in PROPERTIES {
        let files: Vec<Vec<u8>> = files(target).into_iter().map(|(_, bytes)| bytes).collect();
        let config = ProptestConfig {
            cases: MUTATIONS,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        proptest!(config, |(file in any::<Index>(), edits in prop::collection::vec(edit(), 1..6))| {
            let bytes = edits.iter().fold(file.get(&files).clone(), |bytes, edit| edited(bytes, edit, &files));
            holds(&bytes);
        });
    }
}
