//! Attacks this host's own Redis as exposed servers are attacked. What changes or exhausts something is tried on a throw-away twin of it;
//! the running server is only asked what changes nothing. An attempt that could not be made is never a refusal.

pub mod arena;
pub mod attempts;
mod blueprint;
mod caller;
mod judgement;
mod live;
mod look;
mod outside;
mod rogue;
mod twin;
mod wire;

use blueprint::digest as blueprint_digest;
pub use judgement::{Layer, Outcome, Refusal, Stop};

use crate::audit::Selection;
use crate::control::Control;
use crate::facts::Facts;
use crate::host::Host;
use crate::policy::{Policies, Policy};
use crate::setting::Reading;
use crate::supervise::raise_nofile;
use crate::value::Value;
use arena::Arena;
use blueprint::Blueprint;
use caller::{Caller, Who};
use live::Undo;
use look::Look;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use twin::Twin;

/// One way to attack.
#[derive(Debug)]
pub struct Attempt {
    pub control: Control,
    pub how: How,
    /// Whether it may be made on a running server that holds nothing.
    pub undo: Undo,
}

/// How it is made.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// On a twin of its own, by each of these callers in turn until one succeeds.
    Each(Who, fn(&mut Caller) -> Result<String, Stop>),
    /// On a twin of its own, in some other way.
    Twin(fn(&Arena) -> Outcome),
    /// As a program in the server's place.
    Inside(&'static [&'static str]),
    /// On the running server: nothing that changes it.
    Live(fn(&Look) -> Outcome),
}

/// What became of each attempt, by instance and id.
pub type Outcomes = BTreeMap<(String, String), Outcome>;

/// As many connections as an attacker opens, and some.
const FILES: u64 = 16_384;

/// The values of an attempt's setting.
pub const REFUSED: &str = "refused";
const SUCCEEDED: &str = "succeeded";

/// What is there, and when it must be over.
pub struct Rehearsal<'a> {
    pub host: &'a Host,
    pub policies: &'a Policies,
    pub facts: &'a Facts,
    pub until: Instant,
    /// Whether on the running server, where that can be undone.
    pub live: bool,
}

/// Every attempt.
pub fn all() -> impl Iterator<Item = &'static Attempt> {
    attempts::TOPICS.iter().flat_map(|topic| topic.iter())
}

/// Every attempt's control.
pub fn controls() -> Vec<&'static Control> {
    all().map(|attempt| &attempt.control).collect()
}

/// What became of one, as a setting.
pub fn read(outcomes: &Outcomes, instance: &str, id: &str) -> Reading {
    let all = |refusals: &[Refusal]| {
        let all: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        all.join("; ")
    };
    match outcomes.get(&(instance.to_owned(), id.to_owned())) {
        Some(Outcome::Refused(refusals)) => {
            Reading::Value(Value::text(REFUSED), Some(all(refusals)))
        }
        Some(Outcome::Succeeded(words)) => {
            Reading::Value(Value::text(SUCCEEDED), Some(words.clone()))
        }
        Some(Outcome::Untried(why)) => Reading::Unknown(format!("could not be tried: {why}")),
        Some(Outcome::NotApplicable(why)) => Reading::NotApplicable(why.clone()),
        None => Reading::Unknown("not tried yet: `redis-harden prove` does".to_owned()),
    }
}

/// The twin of an instance in one line, or why it has none.
pub fn describe(host: &Host, facts: &Facts, policy: &Policy) -> String {
    match Blueprint::of(host, facts, policy) {
        Ok(blueprint) => blueprint.describe(),
        Err(why) => format!("no twin: {why}"),
    }
}

/// What an instance's twins are made from, or why it has none.
type Twins = Result<Blueprint, String>;

impl Rehearsal<'_> {
    /// Makes the selected attempts on every instance; `say` hears of each before it is made.
    pub fn run(&self, selection: &Selection, say: &mut dyn FnMut(&str)) -> Outcomes {
        let mut outcomes = Outcomes::new();
        // Where they cannot be had, the one attempt that needs them says so.
        let _ = raise_nofile(FILES);
        for policy in &self.policies.instances {
            let name = policy.redis.name.to_string();
            let blueprint = Blueprint::of(self.host, self.facts, policy);
            for attempt in all().filter(|attempt| selection.has(attempt.control.id)) {
                say(&format!("{} on {name}", attempt.control.id));
                let outcome = self.attempt(attempt, policy, &blueprint);
                outcomes.insert((name.clone(), attempt.control.id.to_owned()), outcome);
            }
        }
        outcomes
    }

    fn attempt(&self, attempt: &Attempt, policy: &Policy, blueprint: &Twins) -> Outcome {
        let left = self.until.saturating_duration_since(Instant::now());
        if left < Duration::from_millis(100) {
            return Outcome::Untried("the time for all attempts is over (--budget)".to_owned());
        }
        if self.live
            && let Some(look) = self.look_at(policy, blueprint)
            && let Some(outcome) = live::attempt(&look, attempt)
        {
            return outcome;
        }
        let blueprint = match (attempt.how, blueprint) {
            (How::Live(look), _) => return self.look(look, policy, blueprint),
            (_, Err(why)) => return Outcome::Untried(why.clone()),
            (_, Ok(blueprint)) => blueprint,
        };
        match attempt.how {
            How::Inside(words) => twin::inside(self.host, blueprint, words),
            How::Each(who, attack) => {
                let made = |arena: &Arena| caller::by_each(arena, who, attack);
                on_a_twin(self.host, blueprint, made)
            }
            How::Twin(attack) => on_a_twin(self.host, blueprint, attack),
            How::Live(_) => unreachable!("it was made above"),
        }
    }

    /// Why the attempts may not be made on a running server; nothing, where they may.
    pub fn obstacle(&self) -> Result<(), String> {
        for policy in &self.policies.instances {
            let twin = Err(String::new());
            let look = self
                .look_at(policy, &twin)
                .ok_or("nothing is known of its server")?;
            let refused = |why| format!("--live is refused: {}: {why}", policy.redis.name);
            live::obstacle(&look).map_err(refused)?;
        }
        Ok(())
    }

    fn look_at<'a>(&'a self, policy: &Policy, twin: &'a Twins) -> Option<Look<'a>> {
        let twin = twin.as_ref().ok();
        Some(Look {
            host: self.host,
            instance: self.facts.instances.get(policy.redis.name.as_str())?,
            twin: twin.map(|blueprint| blueprint.stage.settings.config.as_path()),
        })
    }

    fn look(&self, look: fn(&Look) -> Outcome, policy: &Policy, twin: &Twins) -> Outcome {
        match self.look_at(policy, twin) {
            Some(known) => look(&known),
            None => Outcome::Untried("nothing is known of its server".to_owned()),
        }
    }
}

fn on_a_twin(host: &Host, blueprint: &Blueprint, attack: impl Fn(&Arena) -> Outcome) -> Outcome {
    match Twin::start(host, blueprint).and_then(|twin| Arena::open(host, blueprint, twin)) {
        Ok(arena) => attack(&arena),
        Err(why) => Outcome::Untried(why),
    }
}
