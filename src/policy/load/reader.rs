//! Reads one file after the other: each trusted, checked and laid over what it extends.

use super::kept::text;
use super::{Merged, builtin, checked};
use crate::host::{Host, Kind, Trust};
use crate::policy::extends::Extends;
use crate::policy::merge::merge;
use crate::policy::source::{At, Node, Source, Tree};
use crate::policy::{Name, Policies, PolicyError, profile};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More than any chain of `extends` that a person follows.
const MAX_CHAIN: usize = 16;

/// What has been read, and how the next file is to be.
pub(super) struct Reader<'a> {
    host: &'a Host,
    trust: Trust,
    sources: Vec<Arc<Source>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(host: &'a Host, trust: Trust) -> Reader<'a> {
        Reader {
            host,
            trust,
            sources: Vec::new(),
        }
    }

    /// A policy as one file: as it stands, or merged where it extends other files.
    pub(super) fn text_of(&self, merged: &Merged) -> String {
        let files: Vec<_> = self.sources.iter().filter(|s| !s.embedded).collect();
        if let [only] = files.as_slice() {
            return only.text.clone();
        }
        let names: Vec<&str> = files.iter().map(|s| s.name.as_str()).collect();
        format!(
            "# Merged by redis-harden from {}.\n{}",
            names.join(", "),
            text(&merged.policy)
        )
    }

    /// A file with all that it extends.
    pub(super) fn required(&mut self, path: &Path) -> Result<Node, PolicyError> {
        let stat = self.host.stat(path);
        if matches!(stat, Ok(Some(s)) if s.kind == Kind::Dir) {
            let what = format!("reading the policy {}: it is a directory", path.display());
            return Err(PolicyError::new(what).help("name the file in it"));
        }
        let tree = self.file(path)?.ok_or_else(|| {
            PolicyError::new(format!(
                "reading the policy {}: no such file",
                path.display()
            ))
            .help("`redis-harden policy init` writes a starter file")
        })?;
        self.extended(tree, &mut vec![path.display().to_string()])
    }

    /// A file alone, checked; `None` when it does not exist.
    pub(super) fn file(&mut self, path: &Path) -> Result<Option<Node>, PolicyError> {
        let read = self.host.read_trusted(path, self.trust);
        let Some(bytes) = read.map_err(|e| PolicyError::new(e.to_string()))? else {
            return self.absent(path);
        };
        let source = Arc::new(Source {
            name: path.display().to_string(),
            text: String::from_utf8_lossy(&bytes).into_owned(),
            embedded: false,
        });
        if let Err(e) = std::str::from_utf8(&bytes) {
            // Up to the first bad byte the lossy text is the file's own, so its offset is right.
            let bad = e.valid_up_to()..e.valid_up_to() + 1;
            return Err(PolicyError::new("this is not UTF-8")
                .at(&source, bad)
                .help("TOML is UTF-8; save the file again in that encoding"));
        }
        let tree = checked(&source)?;
        self.sources.push(source);
        Ok(Some(tree))
    }

    /// A link that leads to nothing was meant to lead to a policy: without it there would be another than its owner's.
    fn absent(&self, path: &Path) -> Result<Option<Node>, PolicyError> {
        let target = self.host.read_link(path);
        match target.map_err(|e| PolicyError::new(e.to_string()))? {
            Some(target) => {
                let (path, target) = (path.display(), target.display());
                let what = format!("reading {path}: it is a link to {target}, which is not there");
                Err(PolicyError::new(what).help("put the file there, or remove the link"))
            }
            None => Ok(None),
        }
    }

    /// What `tree` extends, with `tree` over it. `chain` holds the files that led here, this one last.
    pub(super) fn extended(
        &mut self,
        tree: Node,
        chain: &mut Vec<String>,
    ) -> Result<Node, PolicyError> {
        let Some(extends) = Extends::of(&tree) else {
            return Ok(merge(self.profile(profile::DEFAULT)?, tree));
        };
        if profile::source(&extends.target).is_some() {
            return Ok(merge(self.profile(&extends.target)?, tree));
        }
        let from = chain.last().map_or("/", String::as_str);
        let path = extends
            .path(Path::new(from))
            .ok_or_else(|| extends.missing(chain))?;
        let name = path.display().to_string();
        if chain.contains(&name) || chain.len() >= MAX_CHAIN {
            chain.push(name);
            return Err(extends.cycle(chain));
        }
        let Some(base) = self.file(&path)? else {
            chain.push(name);
            return Err(extends.missing(chain));
        };
        chain.push(name);
        let base = self.extended(base, chain)?;
        Ok(merge(base, tree))
    }

    pub(super) fn profile(&mut self, name: &str) -> Result<Node, PolicyError> {
        builtin(name, &mut self.sources)
    }

    pub(super) fn overlay(&mut self, path: &Path) -> Result<Node, PolicyError> {
        let gone = || PolicyError::new(format!("reading {}: it is gone", path.display()));
        let tree = self.file(path)?.ok_or_else(gone)?;
        match Extends::of(&tree) {
            Some(extends) => Err(PolicyError::new("an overlay extends nothing")
                .at_key(&extends.node.at)
                .help("it goes over whatever policy this host has; name the base in policy.toml")),
            None => Ok(tree),
        }
    }

    /// `instances/NAME.toml`: its name is the file's.
    pub(super) fn instance(&mut self, path: &Path) -> Result<Merged, PolicyError> {
        let file = path.display().to_string();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let name: Name = stem
            .parse()
            .map_err(|e| PolicyError::new(format!("{file}: {e}")).help("rename the file"))?;
        let own = self.file(path)?.unwrap_or_else(Node::empty);
        let given = own.find(&["redis", "name"]);
        if let Some(given) = given.filter(|given| given.text() != Some(name.as_str())) {
            let what = format!("redis.name is not the file's name, {:?}", name.as_str());
            return Err(PolicyError::new(what)
                .at_value(&given.at)
                .help("leave the key out, or rename the file"));
        }
        let at = own.at.clone();
        let tree = self.extended(own, &mut vec![file.clone()])?;
        Merged::new(merge(tree, named(&name, at)), file)
    }

    /// The `*.toml` files of a directory, sorted; a hidden one is an editor's.
    pub(super) fn toml_files(&self, directory: &Path) -> Result<Vec<PathBuf>, PolicyError> {
        let names = self
            .host
            .list(directory)
            .map_err(|e| PolicyError::new(e.to_string()))?;
        let wanted = |name: &String| name.ends_with(".toml") && !name.starts_with('.');
        Ok(names
            .iter()
            .filter(|n| wanted(n))
            .map(|name| directory.join(name))
            .collect())
    }

    pub(super) fn finish(
        self,
        name: String,
        instances: Vec<Merged>,
    ) -> Result<Policies, PolicyError> {
        let mut read = self.sources;
        let mut seen = Vec::new();
        // A profile that two instances extend was read twice.
        read.retain(|source| {
            let new = !seen.contains(&source.name);
            seen.push(source.name.clone());
            new
        });
        Policies::of(name, &read, instances)
    }
}

/// `redis.name`, as a file would say it.
fn named(name: &Name, at: At) -> Node {
    let leaf = |value| Node {
        value,
        at: at.clone(),
    };
    let name = leaf(Tree::Leaf(toml::Value::String(name.to_string())));
    let redis = leaf(Tree::Table([("name".to_owned(), name)].into()));
    leaf(Tree::Table([("redis".to_owned(), redis)].into()))
}
