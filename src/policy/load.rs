//! From files to policies: trust, parse, check each file on its own, resolve `extends`, lay overlays over it.

use super::error::PolicyError;
use super::extends::Extends;
use super::inherited;
use super::merge::merge;
use super::profile;
use super::source::{Node, Source, Tree};
use super::{AtBoot, Name, Policies, Policy};
use crate::host::{Host, HostResult, Kind, Trust};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DIRECTORY: &str = "/etc/redis-harden";
/// More than any chain of `extends` that a person follows.
const MAX_CHAIN: usize = 16;

/// What has been read, and how the next file is to be.
struct Reader<'a> {
    host: &'a Host,
    trust: Trust,
    sources: Vec<Arc<Source>>,
}

/// One instance: its merged files.
pub(super) struct Merged {
    pub policy: Policy,
    pub tree: Node,
    /// The file that gives it its name.
    pub file: String,
    /// What was understood, and should be written otherwise.
    pub warnings: Vec<PolicyError>,
}

impl Policies {
    /// The policies of a run. `given` is a path on this machine, whatever the host's root; without it, the host's own
    /// `/etc/redis-harden`, and without that the embedded profile.
    pub fn load(host: &Host, given: Option<&Path>, trust: Trust) -> Result<Policies, PolicyError> {
        match given {
            Some(path) => Policies::load_given(host, path, trust),
            None => Policies::load_installed(host, Path::new(DIRECTORY), trust),
        }
    }

    /// Those that `keep` wrote.
    pub fn kept(host: &Host, directory: &Path) -> Result<Policies, PolicyError> {
        Policies::load_installed(host, directory, Trust::Root)
    }

    /// Writes them to a directory as they are now, merged: whatever becomes of the files that they came from. In the way of
    /// `/etc/redis-harden`, for root alone; what was kept there before is gone.
    pub fn keep(&self, host: &Host, directory: &Path) -> HostResult<()> {
        let (uid, gid) = (host.euid(), nix::unistd::getegid().as_raw());
        let instances = directory.join("instances");
        for dir in [directory, &instances] {
            host.make_dir(dir, 0o700, uid, gid)?;
        }
        for name in host.list(&instances)? {
            host.remove(&instances.join(name))?;
        }
        for (number, policy) in self.instances.iter().enumerate() {
            let path = match number {
                0 => directory.join("policy.toml"),
                _ => instances.join(format!("{}.toml", policy.redis.name)),
            };
            host.write_file(&path, text(policy).as_bytes(), 0o600, uid, gid)?;
        }
        Ok(())
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

impl<'a> Reader<'a> {
    fn new(host: &'a Host, trust: Trust) -> Reader<'a> {
        Reader {
            host,
            trust,
            sources: Vec::new(),
        }
    }

    /// A policy as one file: as it stands, or merged where it extends other files.
    fn text_of(&self, merged: &Merged) -> String {
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
    fn required(&mut self, path: &Path) -> Result<Node, PolicyError> {
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
    fn file(&mut self, path: &Path) -> Result<Option<Node>, PolicyError> {
        let read = self.host.read_trusted(path, self.trust);
        let Some(bytes) = read.map_err(|e| PolicyError::new(e.to_string()))? else {
            return Ok(None);
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

    /// What `tree` extends, with `tree` over it. `chain` holds the files that led here, this one last.
    fn extended(&mut self, tree: Node, chain: &mut Vec<String>) -> Result<Node, PolicyError> {
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

    fn profile(&mut self, name: &str) -> Result<Node, PolicyError> {
        builtin(name, &mut self.sources)
    }

    fn overlay(&mut self, path: &Path) -> Result<Node, PolicyError> {
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
    fn instance(&mut self, path: &Path) -> Result<Merged, PolicyError> {
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
    fn toml_files(&self, directory: &Path) -> Result<Vec<PathBuf>, PolicyError> {
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

    fn finish(self, name: String, instances: Vec<Merged>) -> Result<Policies, PolicyError> {
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

/// A merged policy as a file.
fn text(policy: &Policy) -> String {
    toml::to_string(policy).expect("a policy is tables, texts and numbers")
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

/// `redis.name`, as a file would say it.
fn named(name: &Name, at: super::source::At) -> Node {
    let leaf = |value| Node {
        value,
        at: at.clone(),
    };
    let name = leaf(Tree::Leaf(toml::Value::String(name.to_string())));
    let redis = leaf(Tree::Table([("name".to_owned(), name)].into()));
    leaf(Tree::Table([("redis".to_owned(), redis)].into()))
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

impl Merged {
    fn new(mut tree: Node, file: String) -> Result<Merged, PolicyError> {
        let password = inherited::take_password(&mut tree)?;
        let mut policy: Policy = tree
            .plain()
            .try_into()
            .map_err(|e: toml::de::Error| PolicyError::new(format!("{file}: {}", e.message())))?;
        policy.extends = None;
        super::whole::check(&policy, &tree)?;
        let at = password.as_ref().map(|(_, node)| node);
        let warnings = inherited::warnings(&policy, &tree, at);
        policy.legacy.password = password.map(|(password, _)| password).unwrap_or_default();
        Ok(Merged {
            policy,
            tree,
            file,
            warnings,
        })
    }
}
