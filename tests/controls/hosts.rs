//! Whole hosts as directories, `tests/fixtures/hosts/NAME`:
//!
//! - `root-before/` is laid over the base of tests/support/fake.rs, and `root-before.txt` after it, a line each in that
//!   file's notation (modes, owners, links, absences); a line `apply` applies the policy there and then;
//! - `policy.toml` is the host's /etc/redis-harden/policy.toml;
//! - `findings.txt` is what `check` says before: status, control, setting;
//! - `root-after/` holds each file that an apply makes or changes, and `root-after.txt` all that it makes, changes or
//!   removes, with owner and mode. Passwords are generated: a name stands for them.
//!
//! `REDIS_HARDEN_BLESS=1` writes the last three anew, to be read in the diff.

use crate::converge::controls;
use crate::fake::{Fake, Kind, Tree, differences, fixture, is_root};
use redis_harden::policy::{Policies, Trust};
use redis_harden::setting::secret::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What this machine decides, not the fixture: its clock and date, and the space on its disk.
const OF_THIS_MACHINE: &[&str] = &[
    "kernel.clock-cost",
    "files.free-space",
    "cve.table-age",
    "package.end-of-life",
];

#[test]
fn hosts_are_judged_and_applied_as_recorded() {
    let mut names: Vec<PathBuf> = fs::read_dir(fixture("hosts"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    let wrong: Vec<String> = names.iter().flat_map(|dir| host(dir)).collect();
    if !is_root() {
        println!(
            "{} hosts: owners were not compared, this is not root",
            names.len()
        );
    }
    assert!(
        wrong.is_empty(),
        "REDIS_HARDEN_BLESS=1 records what is so now:\n{}",
        wrong.join("\n")
    );
}

/// The differences of a host from its record.
fn host(dir: &Path) -> Vec<String> {
    let mut fake = before(dir);
    let policies = Policies::load(fake.host(), None, Trust::Root)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let text = fs::read_to_string(dir.join("root-before.txt")).unwrap_or_default();
    for line in text
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        match line {
            "apply" => drop(fake.apply(&policies, &controls())),
            line => fake.lay(line, &content(dir, line)),
        }
    }
    let judged = findings(&fake, &policies);
    let old = fake.tree();
    let applied = fake.apply(&policies, &controls());
    assert!(
        applied.failed.is_empty(),
        "{}: {:?}",
        dir.display(),
        applied.failed
    );
    let new = fake.tree();
    let after = after(&fake, &old, &new);
    let mut wrong = compare(
        dir,
        BTreeMap::from([("findings.txt".to_owned(), judged)]),
        |p| p == "findings.txt",
    );
    wrong.extend(compare(dir, after, |p| p.starts_with("root-after")));
    if !applied.changed.is_empty() {
        fake.rollback(&policies, false)
            .unwrap_or_else(|c| panic!("{}: {c:?}", dir.display()));
    }
    wrong.extend(
        differences(&old, &fake.tree())
            .into_iter()
            .map(|d| format!("{}: after the rollback: {d}", dir.display())),
    );
    wrong
}

/// The base, `root-before/` and the policy.
fn before(dir: &Path) -> Fake {
    let mut fake = Fake::new();
    let root = dir.join("root-before");
    for path in files(&root, &root) {
        fake.lay(
            &format!("/{path}"),
            &fs::read_to_string(root.join(&path)).unwrap(),
        );
    }
    let policy = fs::read_to_string(dir.join("policy.toml")).unwrap();
    fake.lay("/etc/redis-harden/policy.toml", &policy);
    fake
}

/// What `root-before/` has for a line of `root-before.txt`.
fn content(dir: &Path, line: &str) -> String {
    let path = line
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .trim_start_matches('/');
    match path.ends_with('/') || line.contains(" -> ") || line.ends_with(" absent") {
        true => String::new(),
        false => fs::read_to_string(dir.join("root-before").join(path))
            .unwrap_or_else(|e| panic!("root-before/{path}: {e}")),
    }
}

fn findings(fake: &Fake, policies: &Policies) -> String {
    let mut text = String::new();
    for judged in fake.audit(policies, &controls()) {
        let id = judged.control.id;
        if OF_THIS_MACHINE.contains(&id) {
            continue;
        }
        if judged.findings.is_empty() {
            text.push_str(&format!("{} {id}\n", judged.status.word()));
        }
        for finding in &judged.findings {
            text.push_str(&format!(
                "{} {id} {}\n",
                finding.status.word(),
                finding.setting
            ));
        }
    }
    text
}

/// Each file that differs, and a list of all that does.
fn after(fake: &Fake, old: &Tree, new: &Tree) -> BTreeMap<String, String> {
    let names = passwords(fake);
    let mut record = BTreeMap::new();
    let mut list = String::new();
    for path in old.keys().filter(|p| !new.contains_key(*p)) {
        list.push_str(&format!("absent {path}\n"));
    }
    for (path, node) in new
        .iter()
        .filter(|(path, node)| old.get(*path) != Some(node))
    {
        match &node.kind {
            Kind::Directory => list.push_str(&format!("{} {path}/\n", node.access())),
            Kind::Link(target) => list.push_str(&format!("link {path} -> {}\n", target.display())),
            Kind::File(content) => {
                let mut text = String::from_utf8_lossy(content).into_owned();
                for (secret, name) in &names {
                    text = text.replace(secret, name);
                }
                list.push_str(&format!("{} {path}\n", node.access()));
                record.insert(format!("root-after{path}"), text);
            }
        }
    }
    record.insert("root-after.txt".to_owned(), list);
    record
}

/// Each password and its digest, by what stands for it.
fn passwords(fake: &Fake) -> Vec<(String, String)> {
    let secrets = fake.real("/etc/redis-harden/secrets");
    let mut names = Vec::new();
    for name in files(&secrets, &secrets) {
        let password = fs::read_to_string(secrets.join(&name))
            .unwrap()
            .trim_end()
            .to_owned();
        names.push((
            hex(&Sha256::digest(&password)),
            format!("(SHA-256 of the password of {name})"),
        ));
        names.push((password, format!("(the password of {name})")));
    }
    names
}

/// Holds the record against what is so now; or writes it.
fn compare(dir: &Path, now: BTreeMap<String, String>, of: impl Fn(&str) -> bool) -> Vec<String> {
    let recorded: BTreeMap<String, String> = files(dir, dir)
        .into_iter()
        .filter(|path| of(path))
        .map(|path| (path.clone(), fs::read_to_string(dir.join(&path)).unwrap()))
        .collect();
    if std::env::var_os("REDIS_HARDEN_BLESS").is_some() {
        for path in recorded.keys().filter(|path| !now.contains_key(*path)) {
            fs::remove_file(dir.join(path)).unwrap();
        }
        for (path, text) in &now {
            fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
            fs::write(dir.join(path), text).unwrap();
        }
        return Vec::new();
    }
    let paths: std::collections::BTreeSet<&String> = recorded.keys().chain(now.keys()).collect();
    let mut wrong = Vec::new();
    for path in paths {
        let (old, new) = (
            recorded.get(path).map(|t| seen(path, t)),
            now.get(path).map(|t| seen(path, t)),
        );
        if old != new {
            let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
            let diff = similar::TextDiff::from_lines(&old, &new);
            let shown = dir.join(path);
            wrong.push(format!(
                "{}\n{}",
                shown.display(),
                diff.unified_diff().context_radius(1)
            ));
        }
    }
    wrong
}

/// An ordinary user owns all of a fake host, and its id is no system id: the modes are compared, and that account is not judged.
fn seen(path: &str, text: &str) -> String {
    match path {
        _ if is_root() => text.to_owned(),
        "findings.txt" => {
            let others = text
                .lines()
                .filter(|l| !l.ends_with(" account.user user redis"));
            others.map(|l| format!("{l}\n")).collect()
        }
        "root-after.txt" => without_owners(text),
        _ => text.to_owned(),
    }
}

fn without_owners(text: &str) -> String {
    let line = |l: &str| match l.split_once(' ') {
        Some((mode, rest)) if mode.starts_with('0') || mode.starts_with('2') => {
            format!(
                "{mode} {}\n",
                rest.split_once(' ').map_or(rest, |(_, path)| path)
            )
        }
        _ => format!("{l}\n"),
    };
    text.lines().map(line).collect()
}

/// The files below a directory, relative to `root`, sorted.
fn files(root: &Path, dir: &Path) -> Vec<String> {
    // A fixture may lack root-before/ or root-after/, and a host its secrets.
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(root, &path)),
            false => found.push(
                path.strip_prefix(root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned(),
            ),
        }
    }
    found.sort();
    found
}
