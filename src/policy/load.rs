//! From files to policies: trust, parse, check each file on its own, resolve `extends`, lay overlays over it.

mod kept;
mod merged;
mod reader;

pub(super) use merged::Merged;

use super::extends::Extends;
use super::merge::merge;
use super::source::{Node, Source};
use super::{AtBoot, Policies, PolicyError, profile};
use crate::host::{Host, Trust};
use reader::Reader;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DIRECTORY: &str = "/etc/redis-harden";
impl Policies {
    /// The policies of a run. `given` is a path on this machine, whatever the host's root; without it, the host's own
    /// `/etc/redis-harden`, and without that the embedded profile.
    pub fn load(host: &Host, given: Option<&Path>, trust: Trust) -> Result<Policies, PolicyError> {
        match given {
            Some(path) => Policies::load_given(host, path, trust),
            None => Policies::load_installed(host, Path::new(DIRECTORY), trust),
        }
    }

    fn load_given(host: &Host, path: &Path, trust: Trust) -> Result<Policies, PolicyError> {
        let absolute = std::path::absolute(path)
            .map_err(|e| PolicyError::new(format!("finding {}: {e}", path.display())))?;
        // `--root` moves the host, not the files that the caller names.
        let live;
        let here = if host.is_live_root() {
            host
        } else {
            live = Host::live().map_err(|e| PolicyError::new(e.to_string()))?;
            &live
        };
        let mut reader = Reader::new(here, trust);
        let tree = reader.required(&absolute)?;
        let merged = Merged::new(tree, absolute.display().to_string())?;
        let at_boot = match &absolute {
            own if *own == host.real(&Path::new(DIRECTORY).join("policy.toml")) => AtBoot::Found,
            named if host.is_live_root() => AtBoot::Named(named.clone()),
            // The tree would have it in a file that everybody reads, and so would each of its copies.
            _ if merged.policy.legacy.password.reveal().is_some() => {
                let what =
                    "the policy has a requirepass, and would be copied into the tree with it";
                return Err(PolicyError::new(what).help(
                    "take it out: on the host itself the password is written into secrets/default",
                ));
            }
            _ => AtBoot::Copied(reader.text_of(&merged)),
        };
        let policies = reader.finish(absolute.display().to_string(), vec![merged])?;
        Ok(Policies {
            at_boot,
            ..policies
        })
    }

    fn load_installed(
        host: &Host,
        directory: &Path,
        trust: Trust,
    ) -> Result<Policies, PolicyError> {
        let mut reader = Reader::new(host, trust);
        let main = directory.join("policy.toml");
        let (name, mut tree) = match reader.file(&main)? {
            Some(tree) => {
                let name = main.display().to_string();
                (name.clone(), reader.extended(tree, &mut vec![name])?)
            }
            None => (
                profile::DEFAULT.to_owned(),
                reader.profile(profile::DEFAULT)?,
            ),
        };
        for path in reader.toml_files(&directory.join("policy.d"))? {
            tree = merge(tree, reader.overlay(&path)?);
        }
        let mut instances = vec![Merged::new(tree, name.clone())?];
        for path in reader.toml_files(&directory.join("instances"))? {
            instances.push(reader.instance(&path)?);
        }
        reader.finish(name, instances)
    }

    /// A built-in profile, alone.
    pub fn builtin(name: &str) -> Result<Policies, PolicyError> {
        let mut read = Vec::new();
        let tree = builtin(name, &mut read)?;
        let merged = Merged::new(tree, name.to_owned())?;
        Policies::of(name.to_owned(), &read, vec![merged])
    }

    /// One policy text, alone; `name` is what errors call it. `extends` may name a built-in profile.
    pub fn parse(name: &str, text: &str) -> Result<Policies, PolicyError> {
        let source = Arc::new(Source {
            name: name.to_owned(),
            text: text.to_owned(),
            embedded: false,
        });
        let mut read = vec![Arc::clone(&source)];
        let tree = checked(&source)?;
        let base = match Extends::of(&tree) {
            Some(Extends { target, .. }) if profile::source(&target).is_some() => target,
            Some(extends) => return Err(extends.missing(&[name.to_owned()])),
            None => profile::DEFAULT.to_owned(),
        };
        let tree = merge(builtin(&base, &mut read)?, tree);
        let merged = Merged::new(tree, name.to_owned())?;
        Policies::of(name.to_owned(), &read, vec![merged])
    }

    fn of(
        name: String,
        read: &[Arc<Source>],
        instances: Vec<Merged>,
    ) -> Result<Policies, PolicyError> {
        let kernel = super::together::kernel(&instances)?;
        super::together::apart(&instances)?;
        let files = read.iter().filter(|source| !source.embedded);
        Ok(Policies {
            name,
            files: files.map(|source| PathBuf::from(&source.name)).collect(),
            sha256: digest(read),
            kernel,
            at_boot: AtBoot::Found,
            trees: instances.iter().map(|i| i.tree.clone()).collect(),
            warnings: instances.iter().flat_map(|i| i.warnings.clone()).collect(),
            instances: instances.into_iter().map(|i| i.policy).collect(),
        })
    }
}

/// A built-in profile with what it extends; they extend one another without a cycle (tested).
fn builtin(name: &str, read: &mut Vec<Arc<Source>>) -> Result<Node, PolicyError> {
    let source = profile::source(name)
        .ok_or_else(|| PolicyError::new(format!("there is no built-in profile {name:?}")))?;
    // It is as it was when the tests held it against the schema.
    let tree = source.parse()?;
    read.push(source);
    match Extends::of(&tree) {
        Some(extends) => Ok(merge(builtin(&extends.target, read)?, tree)),
        None => Ok(tree),
    }
}

/// A file's tree, when each of its values is one that a policy may have.
pub(super) fn checked(source: &Arc<Source>) -> Result<Node, PolicyError> {
    let tree = source.parse()?;
    super::shape::check(&tree)?;
    super::check::check(&tree)?;
    super::typed::check(source, &tree)?;
    Ok(tree)
}

fn digest(read: &[Arc<Source>]) -> String {
    let mut hash = Sha256::new();
    for source in read {
        // The length keeps two files from being one.
        hash.update((source.text.len() as u64).to_be_bytes());
        hash.update(&source.text);
    }
    hash.finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
