//! systemd's units, read natively: the fragment, its drop-ins, and the links that enable it. Source: systemd.unit(5).

use super::{Obstacle, Reading, Sight};
use crate::facts::Init;
use crate::host::{Host, HostError, HostResult};
use crate::value::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where units are, the first winning.
const DIRS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Directives that accumulate, and that an empty assignment clears. The others keep the last assignment.
const LISTS: [&str; 23] = [
    "After",
    "Before",
    "Requires",
    "Wants",
    "PartOf",
    "ExecStart",
    "ExecStartPre",
    "ExecStop",
    "Environment",
    "ReadWritePaths",
    "ReadOnlyPaths",
    "InaccessiblePaths",
    "ExecPaths",
    "NoExecPaths",
    "CapabilityBoundingSet",
    "AmbientCapabilities",
    "RestrictAddressFamilies",
    "SystemCallFilter",
    "LoadCredential",
    "IPAddressAllow",
    "IPAddressDeny",
    "RuntimeDirectory",
    "WantedBy",
];

/// The value of a unit's directive with all drop-ins over it. Booleans read `yes` and `no`.
pub fn read(sight: Sight, unit: &str, key: &str) -> Reading {
    if sight.facts.init != Init::Systemd {
        return Reading::NotApplicable("systemd does not run here".into());
    }
    match fragment_of(sight.host, unit) {
        Ok(Some(_)) => {}
        Ok(None) => return Reading::NotApplicable(no_unit(unit)),
        Err(e) => return Reading::Unknown(e.to_string()),
    }
    match directive(sight.host, unit, key) {
        Ok(Some(value)) => Reading::Value(value, None),
        Ok(None) => Reading::Absent,
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

fn directive(host: &Host, unit: &str, key: &str) -> HostResult<Option<Value>> {
    let mut found: Option<Value> = None;
    for (_, text) in sources(host, unit)? {
        for (_, value) in assignments(&text)
            .into_iter()
            .filter(|(name, _)| current_name(name) == key)
        {
            found = Some(match found {
                Some(Value::Words(words)) if LISTS.contains(&key) && !value.is_empty() => {
                    Value::Words(
                        words
                            .into_iter()
                            .chain(value.split_whitespace().map(str::to_owned))
                            .collect(),
                    )
                }
                _ if LISTS.contains(&key) => Value::words(&value),
                _ if key.starts_with("Limit") => limit(&value),
                _ => Value::Text(normal(&value)),
            });
        }
    }
    Ok(found)
}

/// Directives that systemd still reads under an older name: Debian's unit for Redis uses one. Source: systemd's load-fragment-gperf.gperf.
fn current_name(name: &str) -> &str {
    match name {
        "ReadWriteDirectories" => "ReadWritePaths",
        "ReadOnlyDirectories" => "ReadOnlyPaths",
        "InaccessibleDirectories" => "InaccessiblePaths",
        current => current,
    }
}

/// A resource limit: of `SOFT:HARD` the soft one. Source: systemd.exec(5).
fn limit(value: &str) -> Value {
    match value.split(':').next().unwrap_or_default() {
        "infinity" => Value::Int(i64::MAX),
        number => number
            .parse()
            .map_or_else(|_| Value::text(value), Value::Int),
    }
}

/// A boolean in one spelling; anything else as it is.
fn normal(value: &str) -> String {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => "yes".into(),
        "0" | "no" | "false" | "off" => "no".into(),
        _ => value.to_owned(),
    }
}

/// The fragment and its drop-ins, in the order in which they apply.
pub fn sources(host: &Host, unit: &str) -> HostResult<Vec<(PathBuf, String)>> {
    let template = template_of(unit);
    let names: Vec<&str> = template.iter().map(String::as_str).chain([unit]).collect();
    let mut paths: Vec<PathBuf> = fragment(host, &names)?.into_iter().collect();
    let mut drop_ins: BTreeMap<String, PathBuf> = BTreeMap::new();
    for dir in DIRS.iter().rev() {
        for name in &names {
            let dir = Path::new(dir).join(format!("{name}.d"));
            for file in host
                .list(&dir)?
                .into_iter()
                .filter(|f| f.ends_with(".conf"))
            {
                drop_ins.insert(file.clone(), dir.join(file));
            }
        }
    }
    paths.extend(drop_ins.into_values());
    let mut sources = Vec::new();
    for path in paths {
        if let Some(text) = host.read_text(&path)? {
            sources.push((path, text));
        }
    }
    Ok(sources)
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

/// `redis-server@.service` for `redis-server@b.service`.
fn template_of(unit: &str) -> Option<String> {
    let (stem, rest) = unit.split_once('@')?;
    let (_, suffix) = rest.rsplit_once('.')?;
    Some(format!("{stem}@.{suffix}"))
}

/// `Key=value` lines, continuation lines joined, comments left out.
fn assignments(text: &str) -> Vec<(String, String)> {
    let joined = text.replace("\\\n", " ");
    joined
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with(['#', ';', '[']))
        .filter_map(|l| l.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
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
    match sight.host.stat(&wants_link(unit)) {
        Ok(link) => Reading::Value(Value::Flag(link.is_some()), None),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

fn no_unit(unit: &str) -> String {
    format!("there is no {unit}: its package is not installed")
}

/// In a tree a unit that is not there cannot be enabled; on a running host its package comes first.
pub fn obstacle(sight: Sight, unit: &str) -> Option<Obstacle> {
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
    let dir = link.parent().unwrap_or(Path::new("/"));
    if host.stat(dir)?.is_none() {
        let owner = host
            .stat(Path::new("/"))?
            .map_or((0, 0), |s| (s.uid, s.gid));
        host.make_dir(dir, 0o755, owner.0, owner.1)?;
    }
    host.make_link(&link, &fragment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_a_template() {
        assert_eq!(
            template_of("redis-server@b.service").as_deref(),
            Some("redis-server@.service")
        );
        assert_eq!(template_of("redis-server.service"), None);
    }

    #[test]
    fn continued_lines_are_one() {
        let text = "[Service]\n# no\nExecPaths=/usr/lib \\\n /lib\n";
        assert_eq!(
            assignments(text),
            vec![("ExecPaths".to_owned(), "/usr/lib   /lib".to_owned())]
        );
    }
}
