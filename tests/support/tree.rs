//! What is on a disk, and what became different: type, mode, owner, content, link target and extended attributes.
//!
//! Times are not part of it, nor the sizes of directories. A difference is explained by a rule with a reason, or it
//! is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use globset::{GlobBuilder, GlobMatcher};

/// Files below /etc up to this many bytes are kept, so that a report can show a diff.
const KEPT: u64 = 128 * 1024;

/// Every path of a root (absolute, as seen inside) and what is there.
pub struct Tree(BTreeMap<String, Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    kind: Kind,
    /// Octal permission bits, with set-id and sticky.
    mode: u32,
    uid: u32,
    gid: u32,
    xattrs: BTreeSet<String>,
    /// The content, where a person may want to see it.
    text: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File { size: u64, sha256: String },
    Link(String),
    Device(u64),
    Fifo,
    Socket,
}

/// A difference that may be there.
pub struct Allowed {
    /// Of absolute paths; `*` does not cross a `/`, `**` does.
    pub glob: &'static str,
    pub what: What,
    pub because: &'static str,
}

pub enum What {
    /// Whatever became different.
    Anything,
    /// The path may have come into being; one that was there must be as it was.
    Creation,
    /// Only lines that contain this word may have come or gone.
    LinesWith(&'static str),
}

impl Tree {
    /// Reads the tree below `root`; panics when something there cannot be read.
    pub fn of(root: &Path) -> Tree {
        let mut entries = BTreeMap::new();
        let mut hashes = hashes(root);
        let mut xattrs = xattrs(root);
        walk(root, "", &mut |path, metadata| {
            let kind = kind(root, path, metadata, &mut hashes);
            let text = kept(root, path, metadata);
            let attributes = xattrs.remove(path).unwrap_or_default();
            let (mode, uid, gid) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
            entries.insert(
                path.to_owned(),
                Entry {
                    kind,
                    mode,
                    uid,
                    gid,
                    xattrs: attributes,
                    text,
                },
            );
        });
        Tree(entries)
    }

    /// Is there something at this absolute path?
    pub fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Every difference from `self` to `after` that neither `allowed` nor `new` (exact paths that may have come
    /// into being) explains, one paragraph each, in the order of the paths.
    ///
    /// The explained ones are printed with their reason, for whoever reads the test's output.
    pub fn unexplained(
        &self,
        after: &Tree,
        allowed: &[Allowed],
        new: &BTreeSet<String>,
    ) -> Vec<String> {
        let rules: Vec<(GlobMatcher, &Allowed)> = allowed
            .iter()
            .map(|rule| (matcher(rule.glob), rule))
            .collect();
        let paths: BTreeSet<&String> = self.0.keys().chain(after.0.keys()).collect();
        let mut unexplained = Vec::new();
        for path in paths {
            let (old, now) = (self.0.get(path), after.0.get(path));
            if old == now || (old.is_none() && new.contains(path)) {
                continue;
            }
            match rules
                .iter()
                .find(|(glob, rule)| glob.is_match(path) && rule.what.allows(old, now))
            {
                Some((_, rule)) => println!("allowed: {path}: {}", rule.because),
                None => unexplained.push(describe(path, old, now)),
            }
        }
        unexplained
    }
}

impl What {
    fn allows(&self, old: Option<&Entry>, now: Option<&Entry>) -> bool {
        match (self, old, now) {
            (What::Anything, ..) => true,
            (What::Creation, old, _) => old.is_none(),
            (What::LinesWith(word), Some(old), Some(now)) => {
                let same_but_content = (old.mode, old.uid, old.gid, &old.xattrs)
                    == (now.mode, now.uid, now.gid, &now.xattrs);
                let without = |entry: &Entry| -> Option<Vec<String>> {
                    let text = entry.text.as_ref()?;
                    Some(
                        text.lines()
                            .filter(|line| !line.contains(word))
                            .map(str::to_owned)
                            .collect(),
                    )
                };
                same_but_content && without(old).is_some() && without(old) == without(now)
            }
            (What::LinesWith(_), ..) => false,
        }
    }
}

/// The paths that the packages in `after` and not in `before` own, by dpkg's lists on the disk below `root`.
pub fn paths_of_new_packages(
    before: &Tree,
    after: &Tree,
    read: impl Fn(&str) -> String,
) -> BTreeSet<String> {
    let lists = after
        .paths()
        .filter(|path| path.starts_with("/var/lib/dpkg/info/") && path.ends_with(".list"));
    let new = lists.filter(|path| !before.has(path));
    new.flat_map(|list| read(list).lines().map(merged).collect::<Vec<_>>())
        .collect()
}

/// dpkg lists /lib/…, which is /usr/lib/… on a disk with a merged /usr.
fn merged(path: &str) -> String {
    let aliased = ["/lib/", "/bin/", "/sbin/", "/lib64/"]
        .iter()
        .any(|top| path.starts_with(top));
    if aliased {
        format!("/usr{path}")
    } else {
        path.to_owned()
    }
}

fn matcher(glob: &str) -> GlobMatcher {
    let built = GlobBuilder::new(glob).literal_separator(true).build();
    built
        .unwrap_or_else(|why| panic!("the allow-list: {why}"))
        .compile_matcher()
}

fn describe(path: &str, old: Option<&Entry>, now: Option<&Entry>) -> String {
    let side = |entry: Option<&Entry>| entry.map_or_else(|| "nothing".to_owned(), Entry::summary);
    let mut said = format!("{path}\n    was {}\n    is  {}", side(old), side(now));
    let texts = (
        old.and_then(|entry| entry.text.as_ref()),
        now.and_then(|entry| entry.text.as_ref()),
    );
    if let (Some(old), Some(now)) = texts
        && old != now
    {
        let diff = similar::TextDiff::from_lines(old.as_str(), now.as_str());
        for line in diff.unified_diff().context_radius(1).to_string().lines() {
            let _ = write!(said, "\n        {line}"); // to a String: cannot fail
        }
    }
    said
}

impl Entry {
    fn summary(&self) -> String {
        let what = match &self.kind {
            Kind::Directory => "a directory".to_owned(),
            Kind::File { size, sha256 } => format!(
                "a file of {size} bytes, sha256 {}",
                sha256.get(..12).unwrap_or(sha256)
            ),
            Kind::Link(target) => format!("a link to {target}"),
            Kind::Device(number) => format!("device {number:#x}"),
            Kind::Fifo => "a fifo".to_owned(),
            Kind::Socket => "a socket".to_owned(),
        };
        let attributes = self
            .xattrs
            .iter()
            .fold(String::new(), |all, one| all + " " + one);
        format!(
            "{what}, {:04o} {}:{}{attributes}",
            self.mode, self.uid, self.gid
        )
    }
}

fn kind(
    root: &Path,
    path: &str,
    metadata: &fs::Metadata,
    hashes: &mut BTreeMap<String, String>,
) -> Kind {
    let kind = metadata.file_type();
    if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        let target = fs::read_link(root.join(path.trim_start_matches('/')))
            .unwrap_or_else(|why| panic!("{path}: {why}"));
        Kind::Link(target.to_string_lossy().into_owned())
    } else if kind.is_fifo() {
        Kind::Fifo
    } else if kind.is_socket() {
        Kind::Socket
    } else if kind.is_file() {
        // Born or gone between the two walks: a live system's log. Its hash is then its own name.
        let sha256 = hashes
            .remove(path)
            .unwrap_or_else(|| format!("unhashed {path}"));
        Kind::File {
            size: metadata.len(),
            sha256,
        }
    } else {
        Kind::Device(metadata.rdev())
    }
}

fn kept(root: &Path, path: &str, metadata: &fs::Metadata) -> Option<String> {
    let wanted = metadata.is_file() && path.starts_with("/etc/") && metadata.len() <= KEPT;
    let content = wanted.then(|| fs::read(root.join(path.trim_start_matches('/'))))?;
    // Bytes that are no text are compared by hash and never shown.
    String::from_utf8(content.unwrap_or_else(|why| panic!("{path}: {why}"))).ok()
}

fn walk(root: &Path, below: &str, visit: &mut impl FnMut(&str, &fs::Metadata)) {
    let directory = root.join(below.trim_start_matches('/'));
    let entries = fs::read_dir(&directory)
        .unwrap_or_else(|why| panic!("reading {}: {why}", directory.display()));
    for entry in entries {
        let entry = entry.unwrap_or_else(|why| panic!("reading {}: {why}", directory.display()));
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        let Ok(metadata) = entry.metadata() else {
            continue;
        }; // removed since: a live system
        visit(&path, &metadata);
        if metadata.is_dir() {
            walk(root, &path, visit);
        }
    }
}

/// By the system's sha256sum: a debug build of a Rust one takes ten times as long for a whole root.
fn hashes(root: &Path) -> BTreeMap<String, String> {
    let listed = run(root, "find . -xdev -type f -print0 | xargs -0 sha256sum -z");
    let lines = listed.split('\0').filter_map(|line| line.split_once("  ."));
    lines
        .map(|(sha256, path)| (path.to_owned(), sha256.to_owned()))
        .collect()
}

/// Path → `name=0xvalue`, of ACLs, file capabilities and user attributes.
fn xattrs(root: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let listed = run(
        root,
        "command -v getfattr >/dev/null || exit 99; getfattr -R -P -h -d -m - -e hex . 2>/dev/null",
    );
    let blocks = listed
        .split("\n\n")
        .filter_map(|block| block.trim_start().strip_prefix("# file: "));
    let entries = blocks.filter_map(|block| block.split_once('\n'));
    entries
        .map(|(path, rest)| {
            (
                format!("/{}", path.trim_start_matches("./")),
                rest.lines().map(str::to_owned).collect(),
            )
        })
        .collect()
}

/// The output of a pipeline in `root`. A file of a live system may vanish under it (1, and 123 of xargs); a missing
/// program may not.
fn run(root: &Path, pipeline: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", pipeline])
        .current_dir(root)
        .output();
    let output = output.unwrap_or_else(|why| panic!("running sh: {why}"));
    let code = output.status.code();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(code, Some(0 | 1 | 123)),
        "{pipeline}: {code:?} (run tests/install-deps?)\n{said}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
