//! Writes a plan: phase by phase, each judged anew on what the earlier ones left; group by group, a failed one undone in reverse.

mod change;
mod undo;
mod verify;

use super::log::{Outcome, Run};
use super::preflight::Preflight;
use super::story::Entry;
use crate::audit::{Judged, Selection, audit};
use crate::control::{Control, Phase};
use crate::facts::{Facts, View};
use crate::host::{Host, HostError, HostResult};
use crate::plan::{Change, by_group, is_ready, of_phase, plan};
use crate::policy::Policies;
use crate::setting::{Setting, Sight};
use std::collections::BTreeSet;
use std::fmt;

/// Rounds after which a plan that never becomes empty is given up: something undoes what we write.
const ROUNDS: usize = 3;

/// What an apply did.
#[derive(Debug, Default)]
pub struct Applied {
    /// What was changed, as a person reads it.
    pub changed: Vec<String>,
    /// Groups that failed and were undone.
    pub failed: Vec<Failure>,
    /// Why the journal does not say that the run has ended: the next one finds it open, and recovers it.
    pub open: Option<HostError>,
    /// The host as it is now, where it was looked at after the last change.
    pub look: Option<Look>,
}

/// A host, and what is called for on it.
#[derive(Debug)]
pub struct Look {
    pub facts: Facts,
    pub judged: Vec<Judged>,
    pending: Vec<Change>,
}

impl Look {
    /// Looks at all that is asked for.
    pub fn at(
        host: &Host,
        policies: &Policies,
        controls: &[&'static Control],
        selection: &Selection,
    ) -> HostResult<Look> {
        let facts = Facts::gather(host, policies)?;
        let judged = audit(Sight::new(host, &facts), policies, controls, selection);
        let pending = plan(&judged);
        Ok(Look {
            facts,
            judged,
            pending,
        })
    }
}

/// A group that could not be written.
#[derive(Debug)]
pub struct Failure {
    pub group: String,
    pub error: HostError,
    /// What could not be put back either.
    pub left: Vec<HostError>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { group, error, left } = self;
        match left.is_empty() {
            true => write!(f, "{group} was put back as it was: {error}"),
            false => write!(f, "{group} could not be put back whole: {error}"),
        }?;
        left.iter()
            .try_for_each(|e| write!(f, "\nand undoing it: {e}"))
    }
}

/// Converges the host. Every change is journalled before it is made.
pub fn apply(
    host: &Host,
    policies: &Policies,
    controls: &[&'static Control],
    selection: &Selection,
    phases: &[Phase],
    run: &mut Run,
    say: &mut dyn FnMut(&str),
) -> HostResult<Applied> {
    let mut work = Work {
        host,
        policies,
        controls,
        selection,
        run,
        applied: Applied::default(),
        broken: BTreeSet::new(),
        whole: BTreeSet::new(),
        entries: Vec::new(),
        look: None,
        preflight: Preflight::default(),
        phases,
    };
    work.rehearse(phases)?;
    for _ in 0..ROUNDS {
        let mut changed = false;
        for phase in phases {
            if work.run.atomic && !work.applied.failed.is_empty() {
                break;
            }
            // Judged anew only where something has changed since: a converged host is looked at once.
            changed |= work.phase(*phase, say)?;
        }
        if !changed {
            break;
        }
    }
    let outcome = if work.applied.failed.is_empty() {
        Outcome::Complete
    } else {
        Outcome::Failed
    };
    // What was done is told all the same.
    work.applied.open = work.run.end(outcome).err();
    work.applied.look = work.look;
    Ok(work.applied)
}

struct Work<'a, 'b> {
    host: &'a Host,
    policies: &'a Policies,
    controls: &'a [&'static Control],
    selection: &'a Selection,
    run: &'a mut Run<'b>,
    applied: Applied,
    /// Groups that failed: what belongs to them is left alone for the rest of the run.
    broken: BTreeSet<String>,
    /// Groups that the journal calls whole.
    whole: BTreeSet<String>,
    entries: Vec<Entry>,
    /// `None` when something has changed since.
    look: Option<Look>,
    preflight: Preflight,
    phases: &'a [Phase],
}

impl Work<'_, '_> {
    /// All that is to be done in these phases, tried before the first write.
    fn rehearse(&mut self, phases: &[Phase]) -> HostResult<()> {
        let look = self.look()?;
        let mut ours = look.pending.clone();
        ours.retain(|change| phases.contains(&change.group.phase));
        let rehearsed = self
            .preflight
            .check(Sight::new(self.host, &look.facts), &ours, phases);
        self.look = Some(look);
        rehearsed
    }

    /// One phase; true when it changed something.
    fn phase(&mut self, phase: Phase, say: &mut dyn FnMut(&str)) -> HostResult<bool> {
        let look = match self.look.take() {
            Some(look) => look,
            None => self.look()?,
        };
        if !look.pending.iter().any(|c| c.group.phase == phase) {
            self.look = Some(look);
            return Ok(false);
        }
        let Look { facts, pending, .. } = look;
        self.tell_whole(&pending)?;
        let sight = Sight::new(self.host, &facts);
        let mut changed = false;
        for (group, changes) in by_group(of_phase(pending, phase)) {
            if self.broken.contains(&group.name) {
                continue;
            }
            let ready: Vec<Change> = changes.into_iter().filter(is_ready).collect();
            changed |= !ready.is_empty();
            let written = match unknown_data(sight, phase, &group.name) {
                Some(error) => Err(error),
                // What waited for an account or a password at the start is tried now.
                None => self
                    .preflight
                    .check(sight, &ready, self.phases)
                    .and_then(|()| self.group(sight, &group.name, &ready, say)),
            };
            if let Err(error) = written {
                self.give_up(sight, group.name, error, say);
                if self.run.atomic {
                    self.undo_all(sight, say);
                    return Ok(false);
                }
            }
        }
        Ok(changed)
    }

    /// Journals the groups that this run has changed and of which nothing is called for any more.
    fn tell_whole(&mut self, pending: &[Change]) -> HostResult<()> {
        let touched: BTreeSet<&str> = self.entries.iter().map(|e| e.group.as_str()).collect();
        for group in touched {
            let is_open = pending.iter().any(|change| change.group.name == group);
            if !is_open && !self.broken.contains(group) && !self.whole.contains(group) {
                self.run.whole(group)?;
                self.whole.insert(group.to_owned());
            }
        }
        Ok(())
    }

    fn look(&self) -> HostResult<Look> {
        Look::at(self.host, self.policies, self.controls, self.selection)
    }
}

/// The files of a server that is there, is not ours and tells nothing stay as they are: with ours in their place its next start,
/// by whoever starts it, could pass over its data.
fn unknown_data(sight: Sight, phase: Phase, group: &str) -> Option<HostError> {
    let name = group
        .strip_prefix("redis ")
        .filter(|_| phase == Phase::Files)?;
    let known = sight.facts.instances.get(name)?;
    match (&known.report, &known.view) {
        (None, View::Silent(why)) => Some(HostError::refused(
            format!("writing the files of {name}"),
            format!(
                "a server is there that told nothing, so nothing is known of its data: {why} (stop it, or let it answer, then apply again)"
            ),
        )),
        _ => None,
    }
}

/// Whether systemd has to be told of the change.
pub(super) fn is_unit(setting: &Setting) -> bool {
    match setting {
        Setting::UnitEnabled(_) => true,
        other => other
            .path()
            .is_some_and(|p| p.starts_with("/etc/systemd/system")),
    }
}
