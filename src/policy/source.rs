//! A policy file as text and as a tree in which every value knows its place. Reads nothing, and refuses nothing but bad TOML.

use super::error::PolicyError;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// A text and what it is called: a path, or a built-in profile's name.
#[derive(PartialEq)]
pub struct Source {
    pub name: String,
    pub text: String,
    /// Part of this program, so that a line number in it helps nobody.
    pub embedded: bool,
}

/// Where a value stands: byte ranges of its key and of itself.
#[derive(Clone, PartialEq)]
pub struct At {
    pub source: Arc<Source>,
    pub key: Range<usize>,
    pub value: Range<usize>,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Tree,
    pub at: At,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Table(BTreeMap<String, Node>),
    Array(Vec<Node>),
    Leaf(toml::Value),
}

impl Source {
    /// Parses the text. The error is TOML's own, placed.
    pub fn parse(self: &Arc<Self>) -> Result<Node, PolicyError> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        // A quote that is left open is found last, and is what the person has to close.
        let start = |e: &toml::de::Error| e.span().map_or(0, |span| span.start);
        if let Some(first) = errors.iter().min_by_key(|e| start(e)) {
            return Err(PolicyError::new(lower_first(first.message()))
                .at(self, first.span().unwrap_or(0..0))
                .help("a policy is TOML: [section], then key = value, with texts in quotes"));
        }
        let whole = 0..0;
        self.tree(&whole, &table.span(), &DeValue::Table(table.into_inner()))
    }

    fn tree(
        self: &Arc<Self>,
        key: &Range<usize>,
        span: &Range<usize>,
        value: &DeValue<'_>,
    ) -> Result<Node, PolicyError> {
        let at = At {
            source: Arc::clone(self),
            key: key.clone(),
            value: span.clone(),
        };
        let value = match value {
            DeValue::Table(table) => {
                let nodes = table.iter().map(|(name, value)| {
                    let node = self.tree(&name.span(), &value.span(), value.get_ref())?;
                    Ok((name.get_ref().to_string(), node))
                });
                Tree::Table(nodes.collect::<Result<_, PolicyError>>()?)
            }
            DeValue::Array(items) => {
                let nodes = items
                    .iter()
                    .map(|item| self.tree(&item.span(), &item.span(), item.get_ref()));
                Tree::Array(nodes.collect::<Result<_, PolicyError>>()?)
            }
            leaf => Tree::Leaf(plain(leaf).ok_or_else(|| {
                PolicyError::new("this number does not fit into 64 bits")
                    .at_value(&at)
                    .help("write a smaller one")
            })?),
        };
        Ok(Node { value, at })
    }
}

/// A leaf as `toml` gives it to a program; `None` when its number does not fit.
fn plain(value: &DeValue<'_>) -> Option<toml::Value> {
    Some(match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(n) => {
            toml::Value::Integer(i64::from_str_radix(n.as_str(), n.radix()).ok()?)
        }
        DeValue::Float(n) => toml::Value::Float(n.as_str().parse().ok()?),
        DeValue::Boolean(flag) => toml::Value::Boolean(*flag),
        DeValue::Datetime(date) => toml::Value::Datetime(*date),
        DeValue::Array(_) | DeValue::Table(_) => return None,
    })
}

pub(super) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

impl Node {
    /// A table without entries, which stands nowhere: what a merge starts from.
    pub fn empty() -> Node {
        let source = Source {
            name: String::new(),
            text: String::new(),
            embedded: true,
        };
        Node {
            value: Tree::Table(BTreeMap::new()),
            at: At {
                source: Arc::new(source),
                key: 0..0,
                value: 0..0,
            },
        }
    }

    /// The node below a key path such as `redis.port`; the parts are keys as TOML has them, without quotes.
    pub fn find(&self, path: &[&str]) -> Option<&Node> {
        let Some((first, rest)) = path.split_first() else {
            return Some(self);
        };
        match &self.value {
            Tree::Table(table) => table.get(*first)?.find(rest),
            Tree::Array(items) => items.get(first.parse::<usize>().ok()?)?.find(rest),
            Tree::Leaf(_) => None,
        }
    }

    /// The entries of the table below a key path.
    pub fn table_mut(&mut self, path: &[&str]) -> Option<&mut BTreeMap<String, Node>> {
        match (&mut self.value, path.split_first()) {
            (Tree::Table(table), None) => Some(table),
            (Tree::Table(table), Some((first, rest))) => table.get_mut(*first)?.table_mut(rest),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Tree::Leaf(toml::Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The same without places.
    pub fn plain(&self) -> toml::Value {
        match &self.value {
            Tree::Table(table) => {
                toml::Value::Table(table.iter().map(|(k, v)| (k.clone(), v.plain())).collect())
            }
            Tree::Array(items) => toml::Value::Array(items.iter().map(Node::plain).collect()),
            Tree::Leaf(value) => value.clone(),
        }
    }

    /// What it is, in a person's words.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Tree::Table(_) => "a table",
            Tree::Array(_) => "a list",
            Tree::Leaf(toml::Value::String(_)) => "a text",
            Tree::Leaf(toml::Value::Integer(_)) => "a whole number",
            Tree::Leaf(toml::Value::Float(_)) => "a number with a fraction",
            Tree::Leaf(toml::Value::Boolean(_)) => "true or false",
            Tree::Leaf(_) => "a date",
        }
    }
}

impl At {
    /// `FILE:LINE`, or the name of the built-in profile.
    pub fn origin(&self) -> String {
        if self.source.embedded {
            return self.source.name.clone();
        }
        let start = self.key.start.min(self.source.text.len());
        let before = self.source.text.as_bytes().iter().take(start);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        format!("{}:{line}", self.source.name)
    }
}

/// The name alone: a policy's text is long, and may hold what a debug log should not.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({:?})", self.name)
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}
