//! What a running server could be given without a restart: the policy's directives beside its own.

use super::{LONGEST, views};
use crate::redis::effective::{Given, is_secret};
use crate::redis::{Told, live};
use crate::setting::memo::Slot;
use crate::setting::{Reading, Sight};
use std::fmt;

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
