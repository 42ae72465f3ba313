//! Globs over control ids, in waivers and on the command line: what they fit, and until when a waiver counts.

use super::error::PolicyError;
use super::{Policies, Waiver};
use globset::GlobMatcher;
use jiff::civil::Date;

impl Waiver {
    /// Whether it is about a control.
    pub fn covers(&self, id: &str) -> bool {
        Pattern::new(&self.control).is_some_and(|own| own.fits(id))
    }

    /// Whether its last day has passed. One without a day never does.
    pub fn has_expired(&self, today: Date) -> bool {
        let last: Option<Date> = self.expires.as_ref().map(|day| {
            // A day that was not checked when it was loaded waives nothing.
            day.parse().unwrap_or(Date::MIN)
        });
        last.is_some_and(|last| today > last)
    }
}

impl Policies {
    /// Whether each waiver is about a control that exists: one that is misspelt would waive nothing, in silence.
    pub fn waivers_fit(&self, ids: &[&str]) -> Result<(), PolicyError> {
        for (at, policy) in self.instances.iter().enumerate() {
            for (nth, waiver) in policy.waiver.iter().enumerate() {
                let Err(error) = selection(&waiver.control, ids) else {
                    continue;
                };
                let tree = self.trees.get(at);
                let node = tree.and_then(|t| t.find(&["waiver", &nth.to_string(), "control"]));
                return Err(match node {
                    Some(node) => error.at_value(&node.at),
                    None => error,
                });
            }
        }
        Ok(())
    }
}

/// Which controls a word means: the one of that id, or those of a glob.
#[derive(Debug)]
pub enum Pattern {
    Id(String),
    Glob(GlobMatcher),
}

impl Pattern {
    /// `None` for what is no glob, which `check` has refused.
    fn new(word: &str) -> Option<Pattern> {
        // A matcher takes longer to make than a whole audit takes to ask an id.
        if !word.contains(['*', '?', '[', '{', '\\', '!']) {
            return Some(Pattern::Id(word.to_owned()));
        }
        let glob = globset::Glob::new(word).ok()?;
        Some(Pattern::Glob(glob.compile_matcher()))
    }

    /// Whether it means this control.
    pub fn fits(&self, id: &str) -> bool {
        match self {
            Pattern::Id(own) => own == id,
            Pattern::Glob(glob) => glob.is_match(id),
        }
    }
}

/// A glob of `--only`, `--skip` or a waiver, which must fit a control.
pub fn selection(glob: &str, ids: &[&str]) -> Result<Pattern, PolicyError> {
    super::check::glob(glob).map_err(|(what, step)| PolicyError::new(what).help(step))?;
    match Pattern::new(glob) {
        Some(pattern) if ids.iter().any(|id| pattern.fits(id)) => Ok(pattern),
        _ => {
            let error = PolicyError::new(format!("{glob:?} fits no control"));
            Err(match super::shape::nearest(glob, ids) {
                Some(near) => error.help(format!("did you mean {near:?}?")),
                None => error.help("`redis-harden controls` lists them all"),
            })
        }
    }
}
