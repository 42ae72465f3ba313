//! A certificate that is replaced in its file reaches the running server, where no unit of systemd's sees to it.

use super::Watch;
use crate::host::{Host, Stat};
use crate::setting::tls::Blank;
use crate::setting::tls::pair::{self, Files};
use crate::supervise::machine::Moment;
use crate::supervise::settings::Settings;
use std::path::Path;
use std::time::Duration;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// When files that would not do are tried again, though nobody has touched them: a day may have come, or a right to read them.
const AGAIN: Duration = Duration::from_secs(60);

/// What tells one content of the files from another: device, inode, size and time of each.
type Print = [Option<(u64, u64, u64, (i64, i64))>; 3];

/// What is known of the files.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// What the server has read.
    read: Option<Print>,
    /// What was there last: the files may be replaced one after the other, so they are taken once they stay as they are.
    seen: Option<Print>,
    look_at: Moment,
    /// What the server is being asked to read.
    asked: Option<Print>,
    refused: Option<Refusal>,
}

/// What will not do, why, and when it is tried again. Each reason is said once: a right to read is no change of the file.
#[derive(Debug)]
struct Refusal {
    there: Print,
    why: String,
    again: Moment,
}

impl Renewal {
    /// For a server that is about to read them.
    pub(super) fn begun(host: &Host, settings: &Settings) -> Renewal {
        let read = settings.certificate.as_ref();
        Renewal {
            read: read.map(|files| print(host, files)),
            ..Renewal::default()
        }
    }

    /// The next line that the server says is not about them.
    pub(super) fn forget_question(&mut self) {
        self.asked = None;
    }

    /// Whether it is time to have `there` read.
    fn is_due(&mut self, there: Print, now: Moment) -> bool {
        let is_settled = self.seen.replace(there) == Some(there);
        let refused = self.refused.as_ref();
        let is_refused = refused.is_some_and(|of| of.there == there && now < of.again);
        self.read != Some(there) && is_settled && !is_refused
    }

    fn refuse(&mut self, there: Print, why: &str, now: Moment) {
        if self.is_news(there, why, now) {
            tracing::warn!(
                why,
                "the certificate was replaced, and the server keeps the one that it has"
            );
        }
    }

    /// Keeps in mind what will not do, and says whether that is another than before, or for another reason.
    fn is_news(&mut self, there: Print, why: &str, now: Moment) -> bool {
        let before = self.refused.replace(Refusal {
            there,
            why: why.to_owned(),
            again: now + AGAIN,
        });
        before.is_none_or(|of| of.there != there || of.why != why)
    }
}

impl Watch<'_> {
    /// The files that the server is to read again, if they were replaced by others that will do.
    pub(super) fn renewal(&mut self) -> Option<Files> {
        let files = self.inputs.settings.certificate.clone()?;
        let (host, now) = (self.inputs.host, self.now());
        if now < self.renewal.look_at {
            return None;
        }
        self.renewal.look_at = now + LOOK;
        let there = print(host, &files);
        if !self.renewal.is_due(there, now) {
            return None;
        }
        let wrong = match pair::wrong(host, &files) {
            Ok(wrong) => wrong,
            Err(Blank::NotApplicable(why) | Blank::Unknown(why)) => Some(why),
        };
        if let Some(why) = wrong {
            self.renewal.refuse(there, &why, now);
            return None;
        }
        self.renewal.asked = Some(there);
        Some(files)
    }

    /// What the server has said of them.
    pub(super) fn renewed(&mut self) {
        let said = self.probe.take_said();
        let (Some(said), Some(asked)) = (said, self.renewal.asked) else {
            return;
        };
        self.renewal.asked = None;
        if said == "+OK" {
            tracing::info!("the certificate was replaced, and the server has read it");
            self.renewal.read = Some(asked);
        } else {
            let now = self.now();
            self.renewal
                .refuse(asked, said.trim_start_matches('-'), now);
        }
    }
}

fn print(host: &Host, files: &Files) -> Print {
    let of = |path: &Path| {
        let stat: Stat = host.stat_target(path).ok().flatten()?;
        Some((stat.device, stat.inode, stat.size, stat.modified))
    };
    [&files.cert, &files.key, &files.ca].map(|path| of(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Print = [None; 3];
    const NEW: Print = [Some((1, 2, 3, (4, 5))), None, None];

    fn serving_old() -> Renewal {
        Renewal {
            read: Some(OLD),
            ..Renewal::default()
        }
    }

    #[test]
    fn files_are_taken_once_they_stay_as_they_are() {
        let mut renewal = serving_old();
        let now = Duration::from_secs(10);
        assert!(!renewal.is_due(OLD, now));
        assert!(!renewal.is_due(OLD, now), "nothing was replaced");
        assert!(!renewal.is_due(NEW, now), "it may not be whole yet");
        assert!(renewal.is_due(NEW, now));
    }

    #[test]
    fn what_will_not_do_is_tried_again_later_or_when_it_was_replaced() {
        let mut renewal = serving_old();
        let now = Duration::from_secs(10);
        renewal.seen = Some(NEW);
        assert!(renewal.is_news(NEW, "permission denied", now));
        assert!(!renewal.is_news(NEW, "permission denied", now));
        assert!(renewal.is_news(NEW, "has expired", now));
        assert!(!renewal.is_due(NEW, now + Duration::from_secs(20)));
        assert!(renewal.is_due(NEW, now + AGAIN));
        let other = [NEW[0], NEW[0], None];
        renewal.seen = Some(other);
        assert!(renewal.is_due(other, now));
    }
}
