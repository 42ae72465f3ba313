//! Holds a file against the model's own types: sizes, times, networks, modes, names. Their errors are placed and given their key.

use super::Policy;
use super::error::PolicyError;
use super::source::{Node, Source, Tree};
use std::ops::Range;
use std::sync::Arc;

/// Deserialises the file alone, so that the error's place is in it.
pub(super) fn check(source: &Arc<Source>, tree: &Node) -> Result<(), PolicyError> {
    let parsed: Result<Policy, toml::de::Error> = toml::from_str(&source.text);
    let Err(error) = parsed else { return Ok(()) };
    let place = error.span().unwrap_or(0..0);
    let message = error.message().replace('`', "\"");
    let what = match key_at(tree, &place) {
        Some(key) => format!("{key}: {message}"),
        None => message,
    };
    Err(PolicyError::new(what).at(source, place))
}

/// The key path of the innermost value at a place.
fn key_at(node: &Node, place: &Range<usize>) -> Option<String> {
    let Tree::Table(entries) = &node.value else {
        return None;
    };
    entries.iter().find_map(|(key, child)| {
        if let Some(inner) = key_at(child, place) {
            return Some(format!("{key}.{inner}"));
        }
        let holds = |range: &Range<usize>| range.start <= place.start && place.start < range.end;
        (holds(&child.at.value) || holds(&child.at.key)).then(|| key.clone())
    })
}
