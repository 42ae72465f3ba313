//! What the logs tell of earlier runs: their changes, which of them are in force, and which groups were cut off.

use super::RUNS;
use super::line::parse;
use super::log::{Header, Outcome, Record, damaged, directory, image_path};
use super::trail::Who;
use crate::host::{Host, HostError, HostResult, Image};
use crate::setting::{Saved, Setting};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One change of a run, as its records tell.
#[derive(Clone, Debug)]
pub struct Entry {
    pub n: u32,
    pub group: String,
    pub setting: Setting,
    pub before: Saved,
    pub text: String,
    pub done: bool,
    pub after: Option<String>,
    pub undone: bool,
}

/// A run as its log tells it.
#[derive(Clone, Debug)]
pub struct Story {
    pub header: Header,
    pub entries: Vec<Entry>,
    pub outcome: Option<Outcome>,
    /// When it ended, or was rolled back, and who did that.
    pub end: Option<(String, Option<Who>)>,
    /// Whether its author has said that he still has his host.
    confirmed: bool,
    /// The groups of which nothing was left to be done.
    whole: BTreeSet<String>,
    pub(super) dir: PathBuf,
}

/// All runs, oldest first. A run whose log does not begin is one that changed nothing.
pub fn runs(host: &Host) -> HostResult<Vec<Story>> {
    let mut stories = Vec::new();
    for number in numbers(host)? {
        stories.extend(tell(host, directory(number))?);
    }
    Ok(stories)
}

/// The newest run that has begun and not ended, or whose rollback has. No before-image is read, so that it is quick.
pub fn open(host: &Host) -> HostResult<Option<u32>> {
    let mut open = None;
    for number in numbers(host)? {
        let path = directory(number).join("log");
        let log = host.read_untrusted(&path)?.unwrap_or_default();
        let (records, _) = parse(&log).map_err(|line| damaged(&path, line))?;
        let is_end = |r: &Record| matches!(r, Record::End { .. });
        if records.iter().any(is_end) {
            // A rollback that was cut off is made up for by the apply after it.
            open = open.filter(|(_, ended)| !ended);
        }
        // A confirmation comes after the end.
        let is_last = |r: &Record| is_end(r) || matches!(r, Record::Confirmed { .. });
        if records.last().is_some_and(|last| !is_last(last)) {
            open = Some((number, records.iter().any(is_end)));
        }
    }
    Ok(open.map(|(number, _)| number))
}

pub(super) fn numbers(host: &Host) -> HostResult<Vec<u32>> {
    let names = host.list(Path::new(RUNS))?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|n| n.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn tell(host: &Host, dir: PathBuf) -> HostResult<Option<Story>> {
    let path = dir.join("log");
    let log = host.read_untrusted(&path)?.unwrap_or_default();
    let (records, _) = parse(&log).map_err(|line| damaged(&path, line))?;
    let mut story: Option<Story> = None;
    for record in records {
        match (record, &mut story) {
            (Record::Begin(header), None) => {
                story = Some(Story {
                    header,
                    entries: Vec::new(),
                    outcome: None,
                    end: None,
                    confirmed: false,
                    whole: BTreeSet::new(),
                    dir: dir.clone(),
                });
            }
            (record, Some(story)) => story.add(host, record)?,
            (_, None) => {
                return Err(HostError::refused(
                    format!("reading {}", path.display()),
                    "it has no beginning",
                ));
            }
        }
    }
    Ok(story)
}

impl Story {
    fn add(&mut self, host: &Host, record: Record) -> HostResult<()> {
        match record {
            Record::Begin(_) => {}
            Record::Intent {
                n,
                group,
                setting,
                before,
                text,
            } => {
                let before = with_content(host, &self.dir, n, before)?;
                // It has been taken up again.
                self.whole.remove(&group);
                self.entries.push(Entry {
                    n,
                    group,
                    setting,
                    before,
                    text,
                    done: false,
                    after: None,
                    undone: false,
                });
            }
            Record::Done { n, after } => self.mark(n, |e| {
                e.done = true;
                e.after = after.clone();
            }),
            Record::Undone { n } => self.mark(n, |e| e.undone = true),
            Record::Confirmed { .. } => self.confirmed = true,
            Record::Whole { group } => {
                self.whole.insert(group);
            }
            Record::End { outcome, at, by } => {
                self.outcome = Some(outcome);
                self.end = Some((at, by));
            }
        }
        Ok(())
    }

    fn mark(&mut self, n: u32, mark: impl Fn(&mut Entry)) {
        self.entries.iter_mut().filter(|e| e.n == n).for_each(mark);
    }

    /// Whether it still waits for its author's word.
    pub fn is_unconfirmed(&self) -> bool {
        self.header.confirm_within.is_some() && !self.confirmed && !self.in_force().is_empty()
    }

    /// The changes in force of groups that may have been done in part. A group is more than its records tell: what was to come after
    /// them, such as the restart after a file, was never begun.
    pub fn half_done(&self) -> Vec<&Entry> {
        let in_force = self.in_force().into_iter();
        in_force
            .filter(|entry| self.header.atomic || !self.whole.contains(&entry.group))
            .collect()
    }

    /// The changes that are in force: done or perhaps done, and not put back.
    pub fn in_force(&self) -> Vec<&Entry> {
        self.entries.iter().filter(|e| !e.undone).collect()
    }
}

fn with_content(host: &Host, dir: &Path, n: u32, before: Saved) -> HostResult<Saved> {
    match before {
        Saved::Inode(Image::File {
            mode,
            uid,
            gid,
            attributes,
            ..
        }) => {
            let path = image_path(dir, n);
            let content = host.read_untrusted(&path)?.ok_or_else(|| {
                HostError::refused(
                    format!("reading {}", path.display()),
                    "the before-image is missing",
                )
            })?;
            Ok(Saved::Inode(Image::File {
                attributes,
                content,
                mode,
                uid,
                gid,
            }))
        }
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u32, group: &str) -> Entry {
        Entry {
            n,
            group: group.to_owned(),
            setting: Setting::Dir(format!("/{n}").into()),
            before: Saved::Text(None),
            text: String::new(),
            done: true,
            after: None,
            undone: false,
        }
    }

    #[test]
    fn a_group_is_half_done_until_nothing_of_it_is_left_to_do() {
        let whole = BTreeSet::from(["kernel".to_owned()]);
        let story = Story {
            header: Header {
                run: 1,
                at: String::new(),
                uid: 0,
                login_uid: None,
                version: String::new(),
                policy: String::new(),
                policy_sha256: String::new(),
                message: None,
                confirm_within: None,
                atomic: false,
            },
            entries: vec![entry(1, "kernel"), entry(2, "default"), entry(3, "default")],
            outcome: None,
            end: None,
            confirmed: false,
            whole,
            dir: PathBuf::new(),
        };
        let half: Vec<u32> = story.half_done().iter().map(|e| e.n).collect();
        assert_eq!(half, [2, 3], "what was to come after them was never begun");
    }
}
