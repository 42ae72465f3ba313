//! `policy show`: the merged policy as TOML, and where each value came from.

use super::source::{Node, Source, Tree};
use super::{Policies, Policy};
use std::sync::Arc;

/// Where a value that no file names came from.
const BUILT_IN: &str = "built-in default";
/// Comments start here where the line is shorter.
const COLUMN: usize = 48;

impl Policies {
    /// Where a value came from: `FILE:LINE`, a profile's name, or `built-in default`.
    /// The parts of `path` are keys as TOML has them, without quotes.
    pub fn origin(&self, instance: usize, path: &[&str]) -> String {
        self.trees
            .get(instance)
            .and_then(|tree| tree.find(path))
            .map_or_else(|| BUILT_IN.to_owned(), |node| node.at.origin())
    }
}

/// All instances, each as a TOML document of its own.
pub fn show(policies: &Policies) -> String {
    let documents = policies.instances.iter().enumerate().map(|(at, policy)| {
        let title = match policies.only_one() {
            Some(_) => String::new(),
            None => format!("# instance {}\n\n", policy.redis.name),
        };
        title + &document(policies, at, policy)
    });
    documents.collect::<Vec<_>>().join("\n")
}

fn document(policies: &Policies, instance: usize, policy: &Policy) -> String {
    let text = toml::to_string(policy).expect("a policy is tables, texts and numbers");
    let source = Arc::new(Source {
        name: String::new(),
        text,
        embedded: true,
    });
    let tree = source.parse().expect("toml reads what toml wrote");
    let mut ends = Vec::new();
    leaves(&tree, &mut Vec::new(), &mut |path, end| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        ends.push((end, policies.origin(instance, &path)));
    });
    annotate(&source.text, &mut ends)
}

/// Every value that is written on a line of its own, with its key path and the offset of its end.
fn leaves(node: &Node, path: &mut Vec<String>, found: &mut impl FnMut(&[String], usize)) {
    let mut descend = |key: String, child: &Node| {
        path.push(key);
        leaves(child, path, found);
        path.pop();
    };
    match &node.value {
        Tree::Table(table) => table.iter().for_each(|(k, v)| descend(k.clone(), v)),
        // Only tables are written over several lines.
        Tree::Array(items) if items.iter().any(|i| matches!(i.value, Tree::Table(_))) => {
            let items = items.iter().enumerate();
            items.for_each(|(at, item)| descend(at.to_string(), item));
        }
        _ => found(path, node.at.value.end),
    }
}

fn annotate(text: &str, ends: &mut [(usize, String)]) -> String {
    ends.sort();
    let mut shown = String::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let next = offset + line.len();
        let bare = line.trim_end_matches('\n');
        shown.push_str(bare);
        if let Some((_, origin)) = ends.iter().find(|(end, _)| *end > offset && *end <= next) {
            let pad = COLUMN.saturating_sub(bare.chars().count()).max(2);
            shown.push_str(&format!("{:pad$}# {origin}", ""));
        }
        shown.push('\n');
        offset = next;
    }
    shown
}
