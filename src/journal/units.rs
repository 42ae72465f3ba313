//! Units are tried before they are written: `systemd-analyze verify` on the new files, laid over those of the host. It names what
//! systemd would ignore with a line in its log: an unknown key, a value that is none.

use crate::facts::Init;
use crate::host::{Host, HostError, HostResult, Kind, Run};
use crate::plan::Change;
use crate::setting::{Setting, Sight};
use crate::value::Value;
use std::path::{Path, PathBuf};

/// Where the new files are for the trial.
const STAGE: &str = "/run/redis-harden-units";
const UNITS: &str = "/etc/systemd/system";
const VENDOR: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];

/// Refuses what systemd would not take. Without systemd, or its analyser, there is nobody to ask.
pub fn verify(sight: Sight, changes: &[&Change]) -> HostResult<()> {
    let files: Vec<(PathBuf, &[u8])> = changes.iter().filter_map(|c| unit_file(c)).collect();
    let asks =
        sight.facts.init == Init::Systemd && sight.host.is_live_root() && sight.host.is_running();
    if files.is_empty() || !asks || sight.host.find_program("systemd-analyze").is_none() {
        return Ok(());
    }
    let stage = Path::new(STAGE);
    clear(sight.host, stage)?;
    for (name, content) in &files {
        let path = stage.join(name);
        let parent = path.parent().unwrap_or(stage);
        for dir in [stage, parent] {
            sight.host.make_dir(dir, 0o755, 0, 0)?;
        }
        sight.host.write_file(&path, content, 0o644, 0, 0)?;
    }
    let names: Vec<&Path> = files.iter().map(|(name, _)| name.as_path()).collect();
    let found = analyse(sight.host, stage, &names);
    clear(sight.host, stage)?;
    // Our binary and nft come in a later step of the same run.
    let to_come = |line: &str| line.ends_with("is not executable: No such file or directory");
    let wrong = found?.into_iter().find(|line| !to_come(line));
    match wrong {
        None => Ok(()),
        Some(line) => Err(HostError::refused(
            "trying the new units (systemd-analyze verify)",
            line,
        )),
    }
}

/// Removes the trial's files; what an earlier one left, too. Only root writes there.
fn clear(host: &Host, dir: &Path) -> HostResult<()> {
    for name in host.list(dir)? {
        let path = dir.join(name);
        match host.stat(&path)? {
            Some(stat) if stat.kind == Kind::Dir => clear(host, &path)?,
            _ => host.remove(&path)?,
        }
    }
    host.remove(dir)
}

/// A change to a file below the units' directory: its name there, and what it is to say.
fn unit_file(change: &Change) -> Option<(PathBuf, &[u8])> {
    match (&change.setting, &change.target) {
        (Setting::File(path), Value::File(file)) => {
            let name = path.strip_prefix(UNITS).ok()?;
            Some((name.to_path_buf(), &file.content))
        }
        _ => None,
    }
}

/// What systemd says of the files in a directory, laid over the host's.
fn analyse(host: &Host, stage: &Path, names: &[&Path]) -> HostResult<Vec<String>> {
    let mut units = Vec::new();
    for name in names {
        units.extend(unit_of(host, stage, name)?);
    }
    units.sort();
    units.dedup();
    if units.is_empty() {
        return Ok(Vec::new());
    }
    let units: Vec<String> = units
        .iter()
        .map(|unit| unit.display().to_string())
        .collect();
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    let path = format!("{}:", stage.display());
    let run = Run::new("systemd-analyze")
        .args(&["verify", "--man=no", "--recursive-errors=no"])
        .args(&units)
        .env("SYSTEMD_UNIT_PATH", &path);
    let said = host.run(&run)?.stderr;
    let is_ours = |line: &&str| {
        line.contains(&*stage.to_string_lossy())
            || units.iter().any(|unit| line.starts_with(file_name(unit)))
    };
    Ok(said.lines().filter(is_ours).map(str::to_owned).collect())
}

/// The unit that a file makes up: itself, or for a drop-in the one that the host has.
fn unit_of(host: &Host, stage: &Path, name: &Path) -> HostResult<Option<PathBuf>> {
    let Some(dir) = name
        .parent()
        .and_then(Path::to_str)
        .filter(|dir| !dir.is_empty())
    else {
        return Ok(Some(stage.join(name)));
    };
    let Some(unit) = dir.strip_suffix(".d") else {
        return Ok(None);
    };
    // A template is verified as one of its instances.
    for vendor in VENDOR {
        let path = Path::new(vendor).join(unit);
        if host.stat(&path)?.is_some() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test lays its own units")]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_would_ignore_is_named_and_a_good_unit_is_not() {
        let host = Host::live().expect("the root opens");
        let stage = tempfile::tempdir().expect("a directory");
        for (text, wrong) in [
            (
                "[Service]\nExecStart=/bin/true\nNoNewPrivileges=yes\n",
                None,
            ),
            (
                "[Service]\nExecStart=/bin/true\nNoNewPrivilege=yes\n",
                Some("NoNewPrivilege"),
            ),
            (
                "[Service]\nExecStart=/bin/true\nTimeoutStopSec=soon\n",
                Some("time value"),
            ),
        ] {
            let name = Path::new("redis-harden-test.service");
            std::fs::write(stage.path().join(name), text).expect("written");
            let found = analyse(&host, stage.path(), &[name]).expect("systemd-analyze runs");
            match wrong {
                None => assert_eq!(found, Vec::<String>::new()),
                Some(word) => assert!(found.iter().any(|l| l.contains(word)), "{found:?}"),
            }
        }
    }
}
