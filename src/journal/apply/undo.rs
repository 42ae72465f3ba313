//! What a failed group, or with `--atomic` the whole run, takes back.

use super::{Failure, Work};
use crate::host::HostError;
use crate::journal::revert::undo;
use crate::journal::story::Entry;
use crate::setting::Sight;

impl Work<'_, '_> {
    /// Undoes all that this run did, since its groups stand and fall together.
    pub(super) fn undo_all(&mut self, sight: Sight, say: &mut dyn FnMut(&str)) {
        let mine: Vec<Entry> = self.entries.iter().filter(|e| !e.undone).cloned().collect();
        if !mine.is_empty() {
            say("undoing the rest of the run with it (--atomic)");
        }
        let left = undo(sight, self.run, &mine, say);
        self.entries.iter_mut().for_each(|e| e.undone = true);
        self.applied.changed.clear();
        if let Some(failure) = self.applied.failed.last_mut() {
            failure.left.extend(left);
        }
    }

    /// Undoes what this run did in the group, in reverse, and remembers why.
    pub(super) fn give_up(
        &mut self,
        sight: Sight,
        group: String,
        error: HostError,
        say: &mut dyn FnMut(&str),
    ) {
        say(&format!("{error}; undoing {group}"));
        let mine: Vec<Entry> = self
            .entries
            .iter()
            .filter(|e| e.group == group && !e.undone)
            .cloned()
            .collect();
        let left = undo(sight, self.run, &mine, say);
        self.entries
            .iter_mut()
            .filter(|e| e.group == group)
            .for_each(|e| e.undone = true);
        self.applied
            .changed
            .retain(|text| !mine.iter().any(|e| e.text == *text));
        self.applied.failed.push(Failure {
            group: group.clone(),
            error,
            left,
        });
        self.broken.insert(group);
    }
}
