//! systemd's units, read natively: the fragment, its drop-ins, and the links that enable it. Source: systemd.unit(5).

mod directive;
mod escapes;
mod span;
pub mod timer;

pub use directive::value_of;

use super::{Obstacle, Reading, Sight};
use crate::facts::Init;
use crate::host::{Host, HostError, HostResult};
use crate::value::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The files that make a unit up, in the order in which they apply.
pub type Texts = Vec<(PathBuf, String)>;

/// Where units are, the first winning.
const DIRS: [&str; 8] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The value of a unit's directive with all drop-ins over it. Booleans read `yes` and `no`.
pub fn read(sight: Sight, unit: &str, key: &str) -> Reading {
    match judged(sight, unit) {
        Ok(texts) => {
            let texts = texts.iter().map(|(_, text)| text.as_str());
            let value = directive::merged(texts, key);
            value.map_or(Reading::Absent, |v| {
                Reading::Value(of_memory(sight, v), None)
            })
        }
        Err(reading) => reading,
    }
}

/// A percentage is one of this machine's memory. Source: systemd.resource-control(5).
fn of_memory(sight: Sight, value: Value) -> Value {
    let percent = match &value {
        Value::Text(text) => text.strip_suffix('%').and_then(|n| n.parse::<f64>().ok()),
        _ => None,
    };
    match percent {
        // A size of memory fits a double's 53 bits.
        Some(percent) if sight.facts.memory > 0 => {
            Value::Int((sight.facts.memory as f64 * percent / 100.0) as i64)
        }
        _ => value,
    }
}

/// The texts of a unit that is there, and not masked; in a pass of judging they are read once.
fn judged(sight: Sight, unit: &str) -> Result<Rc<Texts>, Reading> {
    if sight.facts.init != Init::Systemd {
        return Err(Reading::NotApplicable("systemd does not run here".into()));
    }
    if let Some(known) = sight
        .memo
        .and_then(|memo| memo.units.borrow().get(unit).cloned())
    {
        return Ok(known);
    }
    let unknown = |e: HostError| Reading::Unknown(e.to_string());
    if fragment_of(sight.host, unit).map_err(unknown)?.is_none() {
        return Err(Reading::NotApplicable(no_unit(unit)));
    }
    if let Some(path) = mask_of(sight.host, unit).map_err(unknown)? {
        return Err(Reading::NotApplicable(masked(unit, &path)));
    }
    let texts = Rc::new(sources(sight.host, unit).map_err(unknown)?);
    if let Some(memo) = sight.memo {
        memo.units
            .borrow_mut()
            .insert(unit.to_owned(), Rc::clone(&texts));
    }
    Ok(texts)
}

/// What in the unit goes around its sandbox. Words, or nothing.
pub fn read_escapes(sight: Sight, unit: &str) -> Reading {
    let found = match judged(sight, unit) {
        Ok(texts) => {
            let texts: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
            escapes::escapes(&texts)
        }
        Err(reading) => return reading,
    };
    match found.is_empty() {
        true => Reading::Absent,
        false => Reading::Value(Value::Words(found), None),
    }
}

/// The fragment and its drop-ins, in the order in which they apply.
pub fn sources(host: &Host, unit: &str) -> HostResult<Vec<(PathBuf, String)>> {
    let mut paths: Vec<PathBuf> = fragment_of(host, unit)?.into_iter().collect();
    // Of two drop-ins of one name the first found counts.
    let mut drop_ins: BTreeMap<String, PathBuf> = BTreeMap::new();
    for dir in drop_in_dirs(host, unit)? {
        let files = host.list(&dir)?.into_iter();
        for file in files.filter(|f| f.ends_with(".conf")) {
            let path = dir.join(&file);
            drop_ins.entry(file).or_insert(path);
        }
    }
    paths.extend(drop_ins.into_values());
    let mut sources = Vec::new();
    for path in paths {
        // A drop-in that is a link to /dev/null takes those of its name away.
        if is_null(host, &path)? {
            continue;
        }
        if let Some(text) = host.read_text(&path)? {
            sources.push((path, text));
        }
    }
    Ok(sources)
}

/// Where drop-ins may be, the first winning: the unit's own names, then its aliases', then those of all units of its type.
/// Source: `unit_file_find_dropin_paths` in systemd's dropin.c.
fn drop_in_dirs(host: &Host, unit: &str) -> HostResult<Vec<PathBuf>> {
    let mut dirs = Vec::new();
    let names = [unit.to_owned()].into_iter().chain(aliases(host, unit)?);
    for name in names {
        let names = drop_in_names(&name);
        dirs.extend(DIRS.iter().flat_map(|dir| below(dir, &names)));
    }
    if let Some((_, kind)) = unit.rsplit_once('.') {
        let names = [kind.to_owned()];
        dirs.extend(DIRS.iter().flat_map(|dir| below(dir, &names)));
    }
    Ok(dirs)
}

fn below(dir: &str, names: &[String]) -> Vec<PathBuf> {
    let dir = Path::new(dir);
    names.iter().map(|n| dir.join(format!("{n}.d"))).collect()
}

/// The unit, its template, and both with the name cut after each dash, from the last on: `a-b@c.service`, `a-b@.service`,
/// `a-@c.service`, `a-@.service`. Source: systemd.unit(5).
fn drop_in_names(unit: &str) -> Vec<String> {
    let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem);
    let prefix = stem.split_once('@').map_or(stem, |(prefix, _)| prefix);
    let rest = unit.strip_prefix(prefix).unwrap_or_default();
    let dashes = prefix.match_indices('-').map(|(at, _)| at).rev();
    // A name that ends with a dash is one of these itself.
    let cuts = dashes.filter(|at| at + 1 < prefix.len());
    let cut = cuts.filter_map(|at| prefix.get(..=at));
    [prefix]
        .into_iter()
        .chain(cut)
        .map(|prefix| format!("{prefix}{rest}"))
        .flat_map(|name| {
            let template = template_of(&name);
            [name].into_iter().chain(template)
        })
        .collect()
}

/// The other names of a unit: links in the unit directories that point to it, and what it points to if it is one itself.
fn aliases(host: &Host, unit: &str) -> HostResult<Vec<String>> {
    let links = links(host, unit)?;
    let mut names = vec![unit.to_owned()];
    // A link may point to a link; each round can only add names.
    loop {
        let mut found: Vec<String> = Vec::new();
        for (name, target) in &links {
            for (name, target) in [
                (name.clone(), target.clone()),
                (instance(name, unit), instance(target, unit)),
            ] {
                match (names.contains(&name), names.contains(&target)) {
                    (false, true) => found.push(name),
                    (true, false) => found.push(target),
                    _ => {}
                }
            }
        }
        if found.is_empty() {
            names.remove(0);
            return Ok(names);
        }
        found.sort();
        found.dedup();
        names.extend(found);
    }
}

/// The links from one name to another among the units of this type.
fn links(host: &Host, unit: &str) -> HostResult<Vec<(String, String)>> {
    let kind = unit.rsplit_once('.').map_or("", |(_, kind)| kind);
    let mut links = Vec::new();
    for dir in DIRS {
        // /lib is /usr/lib since Debian 12.
        if dir.starts_with("/lib/") && host.read_link(Path::new("/lib"))?.is_some() {
            continue;
        }
        let names = host.list(Path::new(dir))?.into_iter();
        for name in names.filter(|n| n.rsplit_once('.').is_some_and(|(_, k)| k == kind)) {
            let target = host.read_link(&Path::new(dir).join(&name))?;
            let target = target.as_deref().and_then(Path::file_name);
            match target.and_then(|t| t.to_str()) {
                Some(target) if target != name && target != "null" => {
                    links.push((name, target.to_owned()));
                }
                _ => {}
            }
        }
    }
    Ok(links)
}

/// A template's name with the instance of `unit`; any other name as it is.
fn instance(name: &str, unit: &str) -> String {
    let of = |unit: &str| Some(unit.split_once('@')?.1.rsplit_once('.')?.0.to_owned());
    match (name.split_once("@."), of(unit)) {
        (Some((stem, kind)), Some(instance)) => format!("{stem}@{instance}.{kind}"),
        _ => name.to_owned(),
    }
}

/// The unit's own file, the instance's before the template's.
fn fragment(host: &Host, names: &[&str]) -> HostResult<Option<PathBuf>> {
    for name in names.iter().rev() {
        for dir in DIRS {
            let path = Path::new(dir).join(name);
            if host.stat(&path)?.is_some() {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// The link to /dev/null by which a unit is masked. Source: systemctl(1).
fn mask_of(host: &Host, unit: &str) -> HostResult<Option<PathBuf>> {
    match fragment_of(host, unit)? {
        Some(path) if is_null(host, &path)? => Ok(Some(path)),
        _ => Ok(None),
    }
}

fn is_null(host: &Host, path: &Path) -> HostResult<bool> {
    let target = host.read_link(path)?;
    Ok(target.is_some_and(|target| target == Path::new("/dev/null")))
}

/// `redis-server@.service` for `redis-server@b.service`.
fn template_of(unit: &str) -> Option<String> {
    let (stem, rest) = unit.split_once('@')?;
    let (instance, suffix) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{stem}@.{suffix}"))
}

/// The link by which a unit that `multi-user.target` wants is enabled.
pub fn wants_link(unit: &str) -> PathBuf {
    Path::new("/etc/systemd/system/multi-user.target.wants").join(unit)
}

/// Whether the unit starts at boot.
pub fn read_enabled(sight: Sight, unit: &str) -> Reading {
    if sight.facts.init != Init::Systemd {
        return Reading::NotApplicable("systemd does not run here".into());
    }
    match mask_of(sight.host, unit) {
        Ok(None) => {}
        Ok(Some(path)) => {
            let because = format!("{}, which masks it", path.display());
            return Reading::Value(Value::Flag(false), Some(because));
        }
        Err(e) => return Reading::Unknown(e.to_string()),
    }
    match sight.host.stat(&wants_link(unit)) {
        Ok(link) => Reading::Value(Value::Flag(link.is_some()), None),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

fn no_unit(unit: &str) -> String {
    format!("there is no {unit}: its package is not installed")
}

fn masked(unit: &str, path: &Path) -> String {
    format!(
        "{unit} is masked by {}: systemctl unmask {unit}",
        path.display()
    )
}

/// A masked unit was put out of use by somebody. In a tree a unit that is not there cannot be enabled; on a running host its
/// package comes first.
pub fn obstacle(sight: Sight, unit: &str) -> Option<Obstacle> {
    match mask_of(sight.host, unit) {
        Ok(None) => {}
        Ok(Some(path)) => return Some(Obstacle::Hand(masked(unit, &path))),
        Err(e) => return Some(Obstacle::Hand(e.to_string())),
    }
    // Ours are written in the same run.
    if !sight.facts.offline || unit.starts_with("redis-harden") {
        return None;
    }
    match fragment_of(sight.host, unit) {
        Ok(Some(_)) => None,
        Ok(None) => Some(Obstacle::Hand(no_unit(unit))),
        Err(e) => Some(Obstacle::Hand(e.to_string())),
    }
}

/// The file of a unit, of an instance the template's.
fn fragment_of(host: &Host, unit: &str) -> HostResult<Option<PathBuf>> {
    let template = template_of(unit);
    let names: Vec<&str> = template.iter().map(String::as_str).chain([unit]).collect();
    fragment(host, &names)
}

/// Enables a unit by its link, as `systemctl enable` does, also on a tree that does not run.
pub fn enable(host: &Host, unit: &str) -> HostResult<()> {
    let fragment = fragment_of(host, unit)?
        .ok_or_else(|| HostError::refused(format!("enabling {unit}"), "there is no such unit"))?;
    let link = wants_link(unit);
    host.make_link(&link, &fragment)
}

#[cfg(test)]
mod tests;
