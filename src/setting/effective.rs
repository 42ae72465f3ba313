//! The configuration that counts: what a server's files and command line give, what it has now, and what the policy renders.
//! Values that are secrets are compared, and never shown.

mod origin;

use super::memo::Slot;
use super::{Reading, Sight, server as running};
use crate::facts::{Instance, View};
use crate::host::Sayers;
use crate::redis::effective::table::{Directive, Table};
use crate::redis::effective::{Effective, Fault, Given, Wrong, is_secret, load_said, load_text};
use crate::redis::{Told, config, live};
use crate::value::Value;
use origin::{NoOrigin, origin};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// More differences than a person reads at once.
const SHOWN: usize = 6;

/// Characters of a value that are shown.
const LONGEST: usize = 120;

/// What is asked of it. Nothing is there where all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// A file, or none, that is not the one that its unit names.
    OtherFile,
    /// Directives that the running server has otherwise than its file, and the policy not as it has them.
    RunningDrift,
    /// Directives that the file has otherwise than the running server and the policy.
    FileDrift,
    /// Directives that the policy has otherwise than the file and the running server.
    PolicyDrift,
    /// Lines with a directive that the version does not know, in the files or rendered from the policy.
    Unknown,
    /// Lines with a comment behind the value.
    InlineComments,
    /// Other lines that the server would not start on.
    Faults,
    /// Directives that a later line gives another value.
    Overridden,
    /// Lines with a password that can be read.
    Passwords,
}

impl Question {
    /// Whether only a running server answers it.
    pub fn is_of_a_running_system(self) -> bool {
        matches!(
            self,
            Question::OtherFile
                | Question::RunningDrift
                | Question::FileDrift
                | Question::PolicyDrift
        )
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Question::OtherFile => "file other than its unit's",
            Question::RunningDrift => "directives changed while it ran",
            Question::FileDrift => "directives changed in its file",
            Question::PolicyDrift => "directives changed in the policy",
            Question::Unknown => "unknown directives",
            Question::InlineComments => "comments behind values",
            Question::Faults => "lines that it would not start on",
            Question::Overridden => "lines without effect",
            Question::Passwords => "readable passwords",
        })
    }
}

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

/// A directive that a running server takes: what it has, and what the policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub name: String,
    pub running: String,
    pub wanted: String,
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &str| match value {
            "" => "\"\"".to_owned(),
            _ if is_secret(&self.name) => "(a secret)".to_owned(),
            value => value.chars().take(LONGEST).collect(),
        };
        let (before, after) = (shown(&self.running), shown(&self.wanted));
        write!(f, "{} {before} → {after}", self.name)
    }
}

/// Those of the policy's directives that a running server takes and shows, each with what `told` has of it.
pub fn pairs(sight: Sight, instance: &str, told: &Told) -> Result<Vec<Pair>, Reading> {
    let slot = sight.memo.map(|memo| &memo.effective);
    let views =
        Slot::read(slot, || Ok(views(sight))).map_err(|e| Reading::Unknown(e.to_string()))?;
    let known = match views.get(instance) {
        Some(Ok(known)) => known,
        Some(Err(reading)) => return Err(reading.clone()),
        None => return Err(Reading::NotApplicable(format!("there is no {instance}"))),
    };
    let of = |(name, given): (&&str, &Given)| {
        let taken = !live::needs_restart(name) && known.is_compared(name);
        let running = told.directives.get(*name).filter(|_| taken)?;
        Some(Pair {
            name: (*name).to_owned(),
            running: running.clone(),
            wanted: given.value.clone(),
        })
    };
    Ok(known.policy.values.iter().filter_map(of).collect())
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

    /// The directives of which this question's side is the odd one.
    fn drift(&self, sight: Sight, server: &Instance, question: Question) -> Reading {
        let View::Told(told) = &server.view else {
            return Reading::NotApplicable("it is not running".into());
        };
        if let Some(fault) = self.file.faults.first() {
            let why = format!(
                "its configuration would not load: {}: {}",
                fault.at, fault.why
            );
            return Reading::Unknown(why);
        }
        let mut found = Vec::new();
        for directive in self.table.directives() {
            let Some(running) = told.directives.get(directive.name) else {
                continue;
            };
            let three = self.three(directive, running);
            if !self.is_compared(directive.name) || three.odd(sight) != Some(question) {
                continue;
            }
            found.push(three.to_string());
        }
        list(found, self.hidden.as_deref())
    }

    fn three<'a>(&'a self, directive: Directive, running: &'a str) -> Three<'a> {
        Three {
            name: directive.name,
            default: directive.default,
            running,
            file: self.file.values.get(directive.name),
            policy: self
                .policy
                .values
                .get(directive.name)
                .map(|g| g.value.as_str()),
        }
    }

    /// What Sentinel, Cluster and a failover set, and what no file need name, is nobody's drift.
    fn is_compared(&self, name: &str) -> bool {
        let given = self.file.values.contains_key(name);
        let cluster = self.file.values.get("cluster-enabled");
        match name {
            "replicaof" => false,
            "dir" | "pidfile" => given,
            "databases" => cluster.is_none_or(|c| c.value != "yes"),
            name => {
                !name.starts_with("cluster-announce-") && !name.starts_with("replica-announce-")
            }
        }
    }
}

/// A directive's three values.
struct Three<'a> {
    name: &'a str,
    default: &'a str,
    running: &'a str,
    file: Option<&'a Given>,
    policy: Option<&'a str>,
}

impl Three<'_> {
    /// Which of the three is off; without the policy's word it is the running server, whose value the next start takes away.
    fn odd(&self, sight: Sight) -> Option<Question> {
        let file = self.file.map_or(self.default, |g| &g.value);
        let same = |a: &str, b: &str| a == b || self.is_same_directory(sight, a, b);
        if !same(self.running, file) {
            return Some(match self.policy {
                Some(policy) if same(policy, self.running) => Question::FileDrift,
                _ => Question::RunningDrift,
            });
        }
        let policy = self.policy?;
        (!same(policy, file)).then_some(Question::PolicyDrift)
    }

    /// Redis shows where it is, whatever names led there.
    fn is_same_directory(&self, sight: Sight, a: &str, b: &str) -> bool {
        // One that cannot be looked at is not known to be the same.
        let same = || sight.host.same_inode(Path::new(a), Path::new(b));
        self.name == "dir" && same().unwrap_or(false)
    }
}

impl fmt::Display for Three<'_> {
    /// Each value once, with the places that have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = match self.file {
            Some(given) => (given.value.as_str(), format!("in {}", given.at)),
            None => (self.default, "by default".to_owned()),
        };
        let running = (self.running, "in the running server".to_owned());
        let policy = self.policy.map(|value| (value, "in the policy".to_owned()));
        let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
        for (value, place) in [running, file].into_iter().chain(policy) {
            match groups.iter_mut().find(|(v, _)| *v == value) {
                Some((_, places)) => places.push(place),
                None => groups.push((value, vec![place])),
            }
        }
        let shown = groups.iter().map(|(value, places)| {
            let value: String = match *value {
                "" => "\"\"".into(),
                _ if is_secret(self.name) => "(a secret)".into(),
                value => value.chars().take(LONGEST).collect(),
            };
            format!("{value} {}", places.join(" and "))
        });
        write!(f, "{}: {}", self.name, shown.collect::<Vec<_>>().join(", "))
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
