//! A file's `extends`: what it names, and what is wrong with it. Reads no file itself.

use super::error::PolicyError;
use super::profile;
use super::source::Node;
use std::path::{Path, PathBuf};

/// A file's `extends`.
pub(super) struct Extends {
    pub node: Node,
    pub target: String,
}

impl Extends {
    pub(super) fn of(tree: &Node) -> Option<Extends> {
        let node = tree.find(&["extends"])?.clone();
        let target = node.text()?.to_owned();
        Some(Extends { node, target })
    }

    /// The file that is meant, relative to the directory of the file that says so; `None` for a word that is no profile.
    pub(super) fn path(&self, from: &Path) -> Option<PathBuf> {
        let is_path = self.target.contains('/') || self.target.ends_with(".toml");
        let directory = from.parent().unwrap_or(Path::new("/"));
        is_path.then(|| clean(&directory.join(&self.target)))
    }

    pub(super) fn missing(&self, chain: &[String]) -> PolicyError {
        let names: Vec<&str> = profile::PROFILES.iter().map(|(name, _)| *name).collect();
        let error = PolicyError::new(format!("extends {:?}, which does not exist", self.target))
            .at_value(&self.node.at);
        let error = match super::shape::nearest(&self.target, &names) {
            Some(near) => error.help(format!("did you mean {near:?}?")),
            None => error.help(format!(
                "name a file that exists, or one of the built-in {}",
                names.join(", ")
            )),
        };
        with_chain(error, chain)
    }

    pub(super) fn cycle(&self, chain: &[String]) -> PolicyError {
        let error = PolicyError::new("this extends a file that extends this one")
            .at_value(&self.node.at)
            .help("let one of them extend a built-in profile instead");
        with_chain(error, chain)
    }
}

fn with_chain(error: PolicyError, chain: &[String]) -> PolicyError {
    match chain {
        [] | [_] => error,
        _ => error.help(format!("the chain: {}", chain.join(" -> "))),
    }
}

/// The path without `.` and `..`, so that a cycle is seen whatever it is spelt like.
fn clean(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}
