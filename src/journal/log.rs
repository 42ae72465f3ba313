//! The log of one run: a line a record, each with its checksum, synced before what it speaks of happens. A last line that is cut short is no record.

use super::line::{line, parse};
use super::story::{Story, numbers};
use super::trail::{self, Event, Who};
use super::{RUNS, seconds};
use crate::host::{Host, HostError, HostResult, Image};
use crate::setting::{Saved, Setting};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Who ran what, when and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Header {
    pub run: u32,
    pub at: String,
    pub uid: u32,
    /// The user who logged in, where the kernel's audit system knows.
    pub login_uid: Option<u32>,
    pub version: String,
    pub policy: String,
    pub policy_sha256: String,
    pub message: Option<String>,
    /// Seconds in which it is to be confirmed; rolled back otherwise.
    #[serde(default)]
    pub confirm_within: Option<u64>,
    /// Whether its groups stand and fall together.
    #[serde(default)]
    pub atomic: bool,
}

/// What a run is asked to be.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Why; history shows it.
    pub message: Option<String>,
    /// How long its author has to confirm it.
    pub confirm_within: Option<std::time::Duration>,
    /// Whether its groups stand and fall together.
    pub atomic: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Complete,
    /// Some groups were undone.
    Failed,
    /// It was interrupted, and a later run undid the group in which it was.
    Recovered,
    RolledBack,
    /// Rolled back, since nobody confirmed it in time.
    Unconfirmed,
}

/// One line of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    Begin(Header),
    Intent {
        n: u32,
        group: String,
        setting: Setting,
        before: Saved,
        /// What a person reads of it; secrets are not in it.
        text: String,
    },
    Done {
        n: u32,
        after: Option<String>,
    },
    Undone {
        n: u32,
    },
    /// Its author still has his host.
    Confirmed {
        at: String,
    },
    /// Nothing of a group is left to be done: what a crash leaves after it stays.
    Whole {
        group: String,
    },
    End {
        outcome: Outcome,
        at: String,
        /// Who put it back, which may be another than who did it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Who>,
    },
}

/// A run that is being written.
#[derive(Debug)]
pub struct Run<'a> {
    host: &'a Host,
    dir: PathBuf,
    next: u32,
    /// Its own, in the journal.
    pub number: u32,
    /// Whether its groups stand and fall together.
    pub atomic: bool,
    /// Written with the first intent, so that a run that changes nothing leaves nothing.
    header: Header,
    begun: bool,
    /// The last line may be cut short: by a crash before this run was resumed, or by a record that could not be written.
    torn: bool,
}

impl<'a> Run<'a> {
    /// Prepares the next run; nothing is written before its first intent.
    pub fn prepare(host: &'a Host, policy: (&str, &str), terms: Terms) -> HostResult<Run<'a>> {
        let number = 1 + numbers(host)?.last().copied().unwrap_or(0);
        let who = Who::now(host);
        let header = Header {
            run: number,
            at: seconds(host.now()),
            uid: who.uid,
            login_uid: who.login_uid,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            policy: policy.0.to_owned(),
            policy_sha256: policy.1.to_owned(),
            message: terms.message,
            confirm_within: terms.confirm_within.map(|within| within.as_secs()),
            atomic: terms.atomic,
        };
        Ok(Run {
            host,
            dir: directory(number),
            next: 1,
            number,
            atomic: terms.atomic,
            header,
            begun: false,
            torn: false,
        })
    }

    /// Goes on writing the log of a run that has been told.
    pub fn resume(host: &'a Host, story: &Story) -> Run<'a> {
        Run {
            host,
            dir: story.dir.clone(),
            number: story.header.run,
            atomic: story.header.atomic,
            next: 1 + story.entries.iter().map(|e| e.n).max().unwrap_or(0),
            header: story.header.clone(),
            begun: true,
            torn: true,
        }
    }

    /// Whether anything has been written.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Records what is about to be changed and what is there now, before it happens.
    pub fn intent(
        &mut self,
        group: &str,
        setting: &Setting,
        before: Saved,
        text: String,
    ) -> HostResult<u32> {
        self.begin()?;
        let n = self.next;
        self.next += 1;
        if let Saved::Inode(Image::File { content, .. }) = &before {
            let (uid, gid) = self.owner()?;
            self.host
                .write_file(&image_path(&self.dir, n), content, 0o600, uid, gid)?;
        }
        // The content is beside the log, whole; a line holds the rest.
        let before = match before {
            Saved::Inode(image) => Saved::Inode(super::without_content(&image)),
            other => other,
        };
        self.write(&Record::Intent {
            n,
            group: group.to_owned(),
            setting: setting.clone(),
            before,
            text,
        })?;
        Ok(n)
    }

    /// Records that a change has happened, and a digest of what is there now.
    pub fn done(&mut self, n: u32, after: Option<String>) -> HostResult<()> {
        self.write(&Record::Done { n, after })
    }

    /// Records that a change has been put back.
    pub fn undone(&mut self, n: u32) -> HostResult<()> {
        self.write(&Record::Undone { n })
    }

    /// Records that all of a group has been done.
    pub fn whole(&mut self, group: &str) -> HostResult<()> {
        self.write(&Record::Whole {
            group: group.to_owned(),
        })
    }

    /// Records that its author still has his host.
    pub fn confirmed(&mut self) -> HostResult<()> {
        self.write(&Record::Confirmed {
            at: seconds(self.host.now()),
        })
    }

    /// Records the end.
    pub fn end(&mut self, outcome: Outcome) -> HostResult<()> {
        if !self.has_begun() {
            self.tell(Event::Unchanged);
            return Ok(());
        }
        self.write(&Record::End {
            outcome,
            at: seconds(self.host.now()),
            by: Some(Who::now(self.host)),
        })?;
        self.tell(Event::End(outcome));
        Ok(())
    }

    /// Into the machine's own log.
    pub(super) fn tell(&self, event: Event) {
        trail::tell(self.host, &self.header, event);
    }

    fn begin(&mut self) -> HostResult<()> {
        if !self.begun {
            let (uid, gid) = self.owner()?;
            self.host.make_dir(&self.dir, 0o700, uid, gid)?;
            self.write(&Record::Begin(self.header.clone()))?;
            self.begun = true;
            self.tell(Event::Apply);
        }
        Ok(())
    }

    fn owner(&self) -> HostResult<(u32, u32)> {
        Ok(self
            .host
            .stat(Path::new("/"))?
            .map_or((0, 0), |s| (s.uid, s.gid)))
    }

    fn write(&mut self, record: &Record) -> HostResult<()> {
        let path = self.dir.join("log");
        if self.torn {
            self.mend(&path)?;
        }
        let written = self.host.append(&path, line(record)?.as_bytes());
        self.torn = written.is_err();
        written
    }

    /// Takes a last line that is no record away: what is appended to it would be damaged with it.
    fn mend(&self, path: &Path) -> HostResult<()> {
        let log = self.host.read_untrusted(path)?.unwrap_or_default();
        let (_, length) = parse(&log).map_err(|line| damaged(path, line))?;
        match log.get(..length) {
            Some(sound) if length < log.len() => {
                let (uid, gid) = self.owner()?;
                self.host.write_file(path, sound, 0o600, uid, gid)
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn damaged(path: &Path, line: usize) -> HostError {
    HostError::refused(
        format!("reading {}", path.display()),
        format!("line {line} is damaged"),
    )
}

pub(super) fn directory(number: u32) -> PathBuf {
    Path::new(RUNS).join(format!("{number:04}"))
}

pub(super) fn image_path(dir: &Path, n: u32) -> PathBuf {
    dir.join(format!("{n}.before"))
}
