//! Which of a directive's three values is the odd one: the running server's, the file's or the policy's.

use super::{Known, LONGEST, Question, list};
use crate::facts::{Instance, View};
use crate::redis::effective::table::Directive;
use crate::redis::effective::{Given, is_secret};
use crate::setting::{Reading, Sight};
use std::fmt;
use std::path::Path;

impl Known {
    /// The directives of which this question's side is the odd one.
    pub(super) fn drift(&self, sight: Sight, server: &Instance, question: Question) -> Reading {
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
    pub(super) fn is_compared(&self, name: &str) -> bool {
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
