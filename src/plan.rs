//! Turns findings into changes, ordered and grouped, and shows them as a person reads them: a line each, a diff for files.

mod effect;

pub use effect::{Effect, Effects};

use crate::audit::{Finding, Judged, Status};
use crate::control::{Group, Phase};
use crate::host::{Host, HostResult};
use crate::setting::Setting;
use crate::value::{Access, FileValue, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// One setting to be written.
#[derive(Clone, Debug)]
pub struct Change {
    pub setting: Setting,
    pub before: Option<Value>,
    pub target: Value,
    pub group: Group,
    /// The controls that want it.
    pub controls: Vec<&'static str>,
    /// The directories that are made on the way, the highest first.
    pub parents: Vec<PathBuf>,
}

/// All changes that the findings call for, by phase and in the order of the controls. Two wants of one setting become one change.
pub fn plan(judged: &[Judged]) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for judged in judged {
        for finding in &judged.findings {
            let (Status::Fail, Some((target, group))) = (finding.status, &finding.change) else {
                continue;
            };
            match changes.iter_mut().find(|c| c.setting == finding.setting) {
                Some(change) => change.also(judged.control.id, target),
                None => changes.push(Change::new(judged.control.id, finding, target, group)),
            }
        }
    }
    changes.sort_by_key(|c| c.group.phase);
    changes
}

/// Adds the directories that each change makes on the way, but for those that an earlier one makes.
pub fn with_parents(host: &Host, mut changes: Vec<Change>) -> HostResult<Vec<Change>> {
    let mut made: BTreeSet<PathBuf> = changes.iter().filter_map(|c| c.setting.written()).collect();
    for change in &mut changes {
        let missing = missing_parents(host, change)?;
        change.parents = missing
            .into_iter()
            .filter(|dir| made.insert(dir.clone()))
            .collect();
    }
    Ok(changes)
}

/// The directories above what a change writes that this host does not have, the highest first: a rollback takes them away again.
pub fn missing_parents(host: &Host, change: &Change) -> HostResult<Vec<PathBuf>> {
    let mut missing = Vec::new();
    let written = change
        .setting
        .written()
        .filter(|_| change.target != Value::Nothing);
    for dir in written.iter().flat_map(|path| path.ancestors().skip(1)) {
        if host.stat(dir)?.is_some() {
            break;
        }
        missing.push(dir.to_path_buf());
    }
    missing.reverse();
    Ok(missing)
}

/// The changes of one phase.
pub fn of_phase(changes: Vec<Change>, phase: Phase) -> Vec<Change> {
    changes
        .into_iter()
        .filter(|c| c.group.phase == phase)
        .collect()
}

impl Change {
    fn new(control: &'static str, finding: &Finding, target: &Value, group: &Group) -> Change {
        Change {
            setting: finding.setting.clone(),
            before: finding.observed.clone(),
            target: target.clone(),
            group: group.clone(),
            controls: vec![control],
            parents: Vec::new(),
        }
    }

    /// A second control wants the same setting: of two numbers the one that satisfies both is the one further from what is there.
    fn also(&mut self, control: &'static str, target: &Value) {
        if !self.controls.contains(&control) {
            self.controls.push(control);
        }
        if let (Value::Int(mine), Value::Int(theirs), Some(Value::Int(now))) =
            (&self.target, target, &self.before)
            && (theirs - now).abs() > (mine - now).abs()
        {
            self.target = target.clone();
        }
        if let (Value::Mode(mine), Value::Mode(theirs)) = (&self.target, target) {
            self.target = Value::Mode(mine & theirs);
        }
    }

    /// The change as text: one line, and a unified diff where a text file changes.
    pub fn describe(&self) -> String {
        if self.setting.is_secret() {
            return match &self.before {
                _ if self.target == Value::Nothing => format!("{}: remove", self.setting),
                None if matches!(self.setting, Setting::PrimaryPassword { .. }) => {
                    format!("{}: create, {}", self.setting, self.target)
                }
                None => format!("{}: generate, {}", self.setting, self.target),
                Some(before) => format!("{}: {before} → {}", self.setting, self.target),
            };
        }
        match (&self.setting, &self.before, &self.target) {
            (_, before, Value::File(new)) => self.describe_file(before.as_ref(), new),
            (
                setting @ (Setting::Live(_)
                | Setting::LiveUsers(_)
                | Setting::LivePrimaryPassword(_)),
                Some(before),
                _,
            ) => {
                format!("{setting}: {before}")
            }
            (setting, _, Value::Nothing) => format!("{setting}: remove"),
            (Setting::Package(name), _, _) => format!("install package {name}"),
            (Setting::Binary { path, source }, _, _) => {
                format!("copy {} to {}", source.display(), path.display())
            }
            (Setting::Service(name), None, _) => format!("start service {name}"),
            (Setting::Service(name), Some(before), target) if is_on_its_way(before, target) => {
                format!("wait for service {name}, {before}")
            }
            (Setting::Service(name), Some(_), _) => format!("restart service {name}"),
            (setting, Some(before), target) => format!("{setting}: {before} → {target}"),
            (setting, None, target) => format!("{setting}: create, {target}"),
        }
    }

    fn describe_file(&self, before: Option<&Value>, new: &FileValue) -> String {
        let old = match before {
            Some(Value::File(old)) => Some(old),
            _ => None,
        };
        let head = match (old, before) {
            (None, None) => format!("{}: create, {}", self.setting, new.access),
            (Some(old), _) if old.access != new.access => {
                format!("{}: {} → {}", self.setting, old.access, new.access)
            }
            (Some(_), _) => format!("{}: change", self.setting),
            (None, Some(other)) => format!("{}: {other} → a file, {}", self.setting, new.access),
        };
        let old_content = old.map_or(&[][..], |o| &o.content);
        match (
            std::str::from_utf8(old_content),
            std::str::from_utf8(&new.content),
        ) {
            (Ok(a), Ok(b)) if a != b => format!("{head}\n{}", diff(a, b)),
            (Ok(_), Ok(_)) => head,
            _ => format!("{head} ({} bytes, binary)", new.content.len()),
        }
    }
}

/// A unified diff with three lines of context, indented under its heading.
fn diff(old: &str, new: &str) -> String {
    let diff = similar::TextDiff::from_lines(old, new);
    let text = diff
        .unified_diff()
        .context_radius(3)
        .missing_newline_hint(false)
        .to_string();
    let lines: Vec<String> = text.lines().map(|l| format!("    {l}")).collect();
    lines.join("\n")
}

/// Whether a service runs on the files that it is to run on, and is only not ready yet: it is waited for.
fn is_on_its_way(before: &Value, target: &Value) -> bool {
    matches!((before, target), (Value::Starting { generation, .. }, Value::Serving(wanted)) if generation == wanted)
}

/// The whole plan as text, by phase, with when each change counts.
pub fn render(changes: &[Change], effects: &Effects) -> String {
    let mut text = String::new();
    for change in changes {
        for dir in &change.parents {
            text.push_str(&format!("directory {}: create\n", dir.display()));
        }
        text.push_str(&change.describe());
        let (controls, effect) = (change.controls.join(", "), effects.on(change));
        text.push_str(&format!("\n    # {controls}; {effect}\n"));
    }
    text
}

/// Changes by group, phases kept in order.
pub fn by_group(changes: Vec<Change>) -> BTreeMap<Group, Vec<Change>> {
    let mut groups: BTreeMap<Group, Vec<Change>> = BTreeMap::new();
    for change in changes {
        groups.entry(change.group.clone()).or_default().push(change);
    }
    groups
}

/// What a value waits for before it can be written as it stands: an account that does not exist, a password that is not
/// generated yet.
pub fn waits_for(target: &Value) -> Option<String> {
    let account = |access: &Access| {
        let missing = [("user", &access.user), ("group", &access.group)]
            .into_iter()
            .find(|(_, account)| account.id.is_none());
        missing.map(|(kind, account)| format!("the {kind} {} does not exist yet", account.name))
    };
    match target {
        Value::File(file) => account(&file.access).or_else(|| {
            let text = std::str::from_utf8(&file.content).unwrap_or_default();
            let complete = crate::redis::acl::is_complete(text);
            (!complete)
                .then(|| "it holds the hashes of passwords that are not generated yet".into())
        }),
        Value::Dir(access) | Value::Owned(access) => account(access),
        _ => None,
    }
}

/// Whether a change can be written as it stands.
pub fn is_ready(change: &Change) -> bool {
    waits_for(&change.target).is_none()
}
