//! One change: journalled, made, read back, and journalled as done.

use super::verify::verify;
use super::{Work, is_unit};
use crate::host::HostResult;
use crate::journal::digest;
use crate::journal::story::Entry;
use crate::plan::{Change, missing_parents};
use crate::setting::package::Guard;
use crate::setting::{Saved, Setting, Sight};

impl Work<'_, '_> {
    /// The changes of a group, one after the other.
    pub(super) fn group(
        &mut self,
        sight: Sight,
        group: &str,
        changes: &[Change],
        say: &mut dyn FnMut(&str),
    ) -> HostResult<()> {
        for change in changes {
            let text = change.describe();
            say(text.lines().next().unwrap_or_default());
            self.change(sight, group, change, text, say)?;
        }
        if changes.iter().any(|c| is_unit(&c.setting)) {
            crate::setting::service::reload_units(self.host, sight.facts)?;
        }
        Ok(())
    }

    fn change(
        &mut self,
        sight: Sight,
        group: &str,
        change: &Change,
        text: String,
        say: &mut dyn FnMut(&str),
    ) -> HostResult<()> {
        for dir in missing_parents(sight.host, change)? {
            let text = format!("directory {}: create", dir.display());
            self.record(sight, group, Setting::Dir(dir.clone()), text, |_| {
                let (uid, gid) = crate::setting::file::root_owner(sight.host)?;
                sight.host.make_dir(&dir, 0o755, uid, gid)
            })?;
        }
        self.record(sight, group, change.setting.clone(), text.clone(), |work| {
            work.write(sight, group, change, say)?;
            verify(sight, change)
        })?;
        tracing::info!(setting = %change.setting, group, "changed");
        self.applied.changed.push(text);
        Ok(())
    }

    /// Journals what is there, makes the change, and journals what is there then.
    fn record(
        &mut self,
        sight: Sight,
        group: &str,
        setting: Setting,
        text: String,
        make: impl FnOnce(&mut Self) -> HostResult<()>,
    ) -> HostResult<()> {
        let before = setting.save(sight)?;
        self.whole.remove(group);
        let n = self
            .run
            .intent(group, &setting, before.clone(), text.clone())?;
        self.entries.push(Entry {
            n,
            group: group.to_owned(),
            setting: setting.clone(),
            before,
            text,
            done: false,
            after: None,
            undone: false,
        });
        make(self)?;
        let after = digest(&setting, &setting.save(sight)?);
        self.run.done(n, after.clone())?;
        if let Some(entry) = self.entries.last_mut() {
            (entry.done, entry.after) = (true, after);
        }
        Ok(())
    }

    /// Writes the setting. A package's scripts run under a guard, and the guard is in the journal first.
    fn write(
        &mut self,
        sight: Sight,
        group: &str,
        change: &Change,
        say: &mut dyn FnMut(&str),
    ) -> HostResult<()> {
        if !matches!(change.setting, Setting::Package(_)) {
            return change.setting.write(sight, &change.target, say);
        }
        let guard = Guard::plan(self.host)?;
        let mut intents = Vec::new();
        for write in guard.writes() {
            let setting = Setting::File(write.path.into());
            let text = format!("{setting}: deny the start of Redis while its package is installed");
            intents.push(
                self.run
                    .intent(group, &setting, Saved::Inode(write.before), text)?,
            );
        }
        let written = change.setting.write(sight, &change.target, say);
        for n in intents {
            self.run.undone(n)?;
        }
        written
    }
}
