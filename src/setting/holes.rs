//! The known holes of an instance's server as settings, by how bad they are here and now.
//!
//! A hole that the running server's configuration keeps out of reach is neither open nor mended. It is a finding of its own grade,
//! judged by a control of low severity: shown with its reason, without changing the exit code, and gone only by an upgrade.
//! That needs no further status, which every report and consumer would have to learn.

use super::{Reading, Sight};
use crate::control::Severity;
use crate::cve::{Build, Hole, State, TABLE, holes};
use crate::facts::View;
use crate::redis::Told;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a build without such holes has.
pub const NONE: &str = "none";

/// How bad a hole is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// Critical or high, and nothing keeps it out of reach.
    Grave,
    /// Medium or low, and nothing keeps it out of reach.
    Lesser,
    /// There, whatever its severity, and out of reach.
    Mitigated,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Grade::Grave => "grave",
            Grade::Lesser => "lesser",
            Grade::Mitigated => "mitigated",
        })
    }
}

/// The holes of that grade, and what they were judged by.
pub(super) fn read(sight: Sight, instance: &str, build: &Build, grade: Grade) -> Reading {
    let found = match holes(&TABLE, build, told(sight, instance)) {
        Ok(found) => found,
        Err(why) => return Reading::Unknown(why),
    };
    let (unknown, there): (Vec<&Hole>, Vec<&Hole>) = found
        .iter()
        .filter(|hole| grade_of(hole) == grade)
        // Out of reach, one that may be there is listed as such: there is nothing to be found out in a hurry.
        .partition(|hole| hole.state == State::Unknown && grade != Grade::Mitigated);
    let source = format!("the table of {}, for {build}", TABLE.generated);
    let silent = format!("which does not know of {}", names(&unknown));
    match (there.is_empty(), unknown.is_empty()) {
        (true, true) => Reading::Value(Value::text(NONE), Some(source)),
        (true, false) => Reading::Unknown(format!("by {source}, {silent}")),
        (false, true) => Reading::Value(list(&there), Some(source)),
        (false, false) => Reading::Value(list(&there), Some(format!("{source}, {silent}"))),
    }
}

/// Days since the table was held against its sources.
pub(super) fn read_age(sight: Sight) -> Reading {
    Reading::Value(Value::Int(TABLE.age(sight.host.now())), None)
}

/// What the running server is configured for; without it nothing is taken to be out of reach.
fn told<'a>(sight: Sight<'a>, instance: &str) -> Option<&'a Told> {
    match &sight.facts.instances.get(instance)?.view {
        View::Told(told) => Some(told),
        View::NotRunning | View::Silent(_) => None,
    }
}

fn grade_of(hole: &Hole) -> Grade {
    match (&hole.mitigated, hole.cve.severity) {
        (Some(_), _) => Grade::Mitigated,
        (None, Severity::Critical | Severity::High) => Grade::Grave,
        (None, Severity::Medium | Severity::Low) => Grade::Lesser,
    }
}

fn names(holes: &[&Hole]) -> String {
    let ids: Vec<String> = holes.iter().map(|h| h.cve.ids.join(", ")).collect();
    ids.join(", ")
}

/// `CVE-2026-81934 (critical, mended in 5:7.0.15-1~deb12u10)`, one after the other.
fn list(holes: &[&Hole]) -> Value {
    let one = |hole: &&Hole| {
        let severity = hole.cve.severity.word();
        let state = match hole.state {
            State::MendedIn(version) => format!("mended in {version}"),
            State::Open => "nothing mends it yet".to_owned(),
            State::Unknown => "not known whether it is mended".to_owned(),
        };
        let why = hole.mitigated.as_ref();
        let why = why.map_or(String::new(), |why| format!("; mitigated: {why}"));
        format!("{} ({severity}, {state}{why})", hole.cve.ids.join(" "))
    };
    let words: Vec<String> = holes.iter().map(one).collect();
    Value::Text(words.join(", "))
}
