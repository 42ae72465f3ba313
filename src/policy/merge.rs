//! One file over another: tables key by key, anything else whole. Waivers add up, so that an overlay accepts a finding
//! without repeating those that are accepted below it.

use super::source::{Node, Tree};
use std::collections::BTreeMap;

/// Sections are one level deep, their maps (`kernel.sysctl`, `acl.NAME`) two; a table in those is one value, such as
/// a sysctl's `{ at-least = N }`.
const LEVELS: usize = 2;

/// `over` on top of `base`.
pub(super) fn merge(base: Node, over: Node) -> Node {
    level(base, over, 0)
}

fn level(base: Node, over: Node, depth: usize) -> Node {
    let value = match (base.value, over.value) {
        (Tree::Table(base), Tree::Table(over)) if depth <= LEVELS => {
            Tree::Table(tables(base, over, depth))
        }
        (_, value) => value,
    };
    Node { value, at: over.at }
}

fn tables(
    mut base: BTreeMap<String, Node>,
    over: BTreeMap<String, Node>,
    depth: usize,
) -> BTreeMap<String, Node> {
    for (key, new) in over {
        let merged = match base.remove(&key) {
            Some(old) if depth == 0 && key == "waiver" => both(old, new),
            Some(old) => level(old, new, depth + 1),
            None => new,
        };
        base.insert(key, merged);
    }
    base
}

/// The items of both lists.
fn both(first: Node, second: Node) -> Node {
    match (first.value, second.value) {
        (Tree::Array(mut items), Tree::Array(more)) => {
            items.extend(more);
            Node {
                value: Tree::Array(items),
                at: second.at,
            }
        }
        (_, value) => Node {
            value,
            at: second.at,
        },
    }
}
