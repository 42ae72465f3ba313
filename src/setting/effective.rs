//! The configuration that counts: what a server's files and command line give, what it has now, and what the policy renders.
//! Values that are secrets are compared, and never shown.

mod drift;
mod origin;
mod pairs;
mod question;

pub use pairs::{Pair, pairs};
pub use question::Question;

use super::memo::Slot;
use super::{Reading, Sight, server as running};
use crate::facts::{Instance, View};
use crate::host::Sayers;
use crate::redis::config;
use crate::redis::effective::table::Table;
use crate::redis::effective::{Effective, Fault, Wrong, load_said, load_text};
use crate::value::Value;
use origin::{NoOrigin, origin};
use std::collections::BTreeMap;
use std::path::Path;

/// More differences than a person reads at once.
const SHOWN: usize = 6;

/// Characters of a value that are shown.
const LONGEST: usize = 120;

/// The three configurations of an instance.
#[derive(Debug)]
pub struct Known {
    table: &'static Table,
    file: Effective,
    policy: Effective,
    /// Why the options of the running server's command line are not known.
    hidden: Option<String>,
    /// The file that it should have been started with.
    other_file: Result<Option<String>, String>,
}

/// Of each instance, what is known or why nothing is.
pub type Views = BTreeMap<String, Result<Known, Reading>>;

/// Answers a question about an instance.
pub fn read(sight: Sight, instance: &str, question: Question) -> Reading {
    let slot = sight.memo.map(|memo| &memo.effective);
    let views = match Slot::read(slot, || Ok(views(sight))) {
        Ok(views) => views,
        Err(e) => return Reading::Unknown(e.to_string()),
    };
    let Some(server) = sight.facts.instances.get(instance) else {
        return Reading::NotApplicable(format!("{instance} is not running"));
    };
    if question.is_of_a_running_system() && matches!(server.view, View::NotRunning) {
        return Reading::NotApplicable(format!("{instance} is not running"));
    }
    match views.get(instance) {
        Some(Ok(known)) => known.answer(sight, server, question),
        Some(Err(reading)) => reading.clone(),
        None => Reading::NotApplicable(format!("there is no {instance}")),
    }
}

/// The first line of the policy's own rendering that the server would not start on, as far as its version is known here.
pub fn faults_of_policy(sight: Sight, instance: &str) -> Option<String> {
    let known = views(sight).remove(instance)?.ok()?;
    // The data directory is made by the same run.
    let mut faults = known
        .policy
        .faults
        .iter()
        .filter(|fault| fault.name != "dir");
    faults
        .next()
        .map(|fault| format!("{} in {}: {}", fault.name, fault.at, fault.why))
}

fn views(sight: Sight) -> Views {
    let view = |(name, server): (&String, &Instance)| {
        let known = look(sight, server).map_err(|why| match why {
            NoOrigin::NotApplicable(why) => Reading::NotApplicable(why),
            NoOrigin::Unknown(why) => Reading::Unknown(why),
        });
        (name.clone(), known)
    };
    sight.facts.instances.iter().map(view).collect()
}

fn look(sight: Sight, server: &Instance) -> Result<Known, NoOrigin> {
    let origin = origin(sight, server)?;
    let table = Table::of(origin.version);
    let file = load_said(sight.host, table, &origin.start, sayers(sight, server)?)?;
    let policy = match sight.facts.maxmemory.get(server.policy.redis.name.as_str()) {
        Some(bytes) => {
            let text = config::render_alone(&server.policy, *bytes, Some(origin.version));
            load_text(sight.host, table, &text, "the policy")?
        }
        // What cannot be worked out here is rendered nowhere.
        None => Effective::default(),
    };
    let other_file = match &server.view {
        View::Told(told) => {
            let has = told.info.get("config_file").map_or("", String::as_str);
            origin.named.map(|named| other_file(has, named.as_deref()))
        }
        _ => Ok(None),
    };
    Ok(Known {
        table,
        file,
        policy,
        hidden: origin.hidden,
        other_file,
    })
}

/// A running server names its file itself: what its user may not read it has not read.
fn sayers(sight: Sight, server: &Instance) -> Result<Sayers, NoOrigin> {
    let accounts = &sight.facts.accounts;
    let policy = &server.policy;
    match (&server.view, server.pid()) {
        (View::Told(_), Some(pid)) => running::ids(sight, pid)
            .map(|(uid, gid)| Sayers::user(uid, gid))
            .map_err(|e| NoOrigin::Unknown(format!("reading /proc/{pid}: {e}"))),
        (View::Told(_), None) => {
            let ids = accounts
                .uid(policy.user())
                .zip(accounts.gid(policy.group()));
            Ok(ids.map_or_else(Sayers::default, |(uid, gid)| Sayers::user(uid, gid)))
        }
        _ => Ok(Sayers::default()),
    }
}

fn other_file(has: &str, named: Option<&Path>) -> Option<String> {
    let named_text = named.map(|n| n.display().to_string());
    match (has, named_text) {
        ("", Some(named)) => Some(format!("no file at all; its unit names {named}")),
        ("", None) => Some("no file at all".into()),
        (has, Some(named)) if Path::new(has) != Path::new(&named) => {
            Some(format!("{has}; its unit names {named}"))
        }
        _ => None,
    }
}

impl Known {
    fn answer(&self, sight: Sight, server: &Instance, question: Question) -> Reading {
        match question {
            Question::OtherFile => match &self.other_file {
                Ok(Some(other)) => Reading::Value(Value::text(other), None),
                Ok(None) => Reading::Absent,
                Err(why) => Reading::Unknown(why.clone()),
            },
            Question::RunningDrift | Question::FileDrift | Question::PolicyDrift => {
                self.drift(sight, server, question)
            }
            Question::Unknown => self.faults(Wrong::Unknown),
            Question::InlineComments => self.faults(Wrong::InlineComment),
            Question::Faults => self.faults(Wrong::Other),
            Question::Overridden => {
                let line = |(name, before, after): &(&str, String, String)| {
                    format!("{name} of {before} by {after}")
                };
                list(self.file.overridden.iter().map(line).collect(), None)
            }
            Question::Passwords => {
                // What a replica has to show its primary is judged where it is made.
                let ours = format!("{}:", server.policy.primary_password_file().display());
                let named = server.policy.replication.user.is_some();
                let others = self.file.passwords.iter();
                let others = others.filter(|(_, at)| !(named && at.starts_with(&ours)));
                let line = |(what, at): &(String, String)| format!("{what} in {at}");
                list(others.map(line).collect(), None)
            }
        }
    }

    fn faults(&self, wrong: Wrong) -> Reading {
        // The policy's data directory is made by an apply.
        let policy = self.policy.faults.iter().filter(|f| f.name != "dir");
        let faults = self.file.faults.iter().chain(policy);
        let faults = faults.filter(|f| f.wrong == wrong);
        let line = |fault: &Fault| match fault.name.as_str() {
            "" => format!("{}: {}", fault.at, fault.why),
            name => format!("{name} in {}: {}", fault.at, fault.why),
        };
        list(faults.map(line).collect(), None)
    }
}

/// Nothing, or what there is; `hidden` says why an option could explain it.
fn list(mut found: Vec<String>, hidden: Option<&str>) -> Reading {
    if found.is_empty() {
        return Reading::Absent;
    }
    let more = found.len().saturating_sub(SHOWN);
    found.truncate(SHOWN);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    let source = hidden.map(|why| format!("the files alone: {why}"));
    Reading::Value(Value::Text(found.join("; ")), source)
}
