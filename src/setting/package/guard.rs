//! The guard that stands where no systemd runs: while packages are installed, their scripts must not start Redis with its stock configuration.
//!
//! It is a `/usr/sbin/policy-rc.d` of ours that denies Redis and asks the original for all else. The original keeps its
//! inode under a second name, so that putting it back is one rename. A `policy-rc.d` always stands, whenever we are killed.
//! It touches nothing that it does not know for its own or for the original.

use crate::host::{Host, HostError, HostResult, Image};
use sha2::{Digest, Sha256};
use std::path::Path;

/// What `invoke-rc.d` and `deb-systemd-invoke` ask.
pub const POLICY: &str = "/usr/sbin/policy-rc.d";

/// The original's second name while the guard stands.
pub const ORIGINAL: &str = "/usr/sbin/policy-rc.d.redis-harden-original";

/// The last line's beginning; after it, the SHA-256 of all lines before.
const SEAL: &str = "# redis-harden guard, sha256 ";

/// Stopping is asked of the original: only a start must not happen. Without an original we answer as `invoke-rc.d` does
/// when there is no policy: nothing starts out of its runlevel (the action is then in parentheses), nor where there is no init.
const SCRIPT: &str = include_str!("policy-rc.d");

/// The guard over one host's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    original: Image,
    script: Image,
}

/// One thing that the guard writes, for the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardWrite {
    pub path: &'static Path,
    pub before: Image,
    pub after: Image,
}

/// What stands on the host.
enum Standing {
    /// No guard; the policy as it is.
    Down(Image),
    /// The original has its second name already, or still.
    Half(Image),
    /// The guard, over this original.
    Up(Image),
}

impl Guard {
    /// The guard that this host needs, or the one that a crash left there. Writes nothing.
    pub fn plan(host: &Host) -> HostResult<Guard> {
        let (Standing::Down(original) | Standing::Half(original) | Standing::Up(original)) =
            look(host)?;
        if matches!(original, Image::Dir { .. }) {
            return Err(conflict("it is a directory", "remove it"));
        }
        Ok(Guard {
            original,
            script: script(host)?,
        })
    }

    /// The guard that a crash left, wholly or half put up.
    pub fn left_over(host: &Host) -> HostResult<Option<Guard>> {
        match look(host)? {
            Standing::Down(_) => Ok(None),
            Standing::Half(original) | Standing::Up(original) => Ok(Some(Guard {
                original,
                script: script(host)?,
            })),
        }
    }

    /// The policy that comes back when it is taken down: a journal compares it with the one that it recorded.
    pub fn original(&self) -> &Image {
        &self.original
    }

    /// What `put_up` writes, in its order, from a host where no guard stands.
    pub fn writes(&self) -> Vec<GuardWrite> {
        let keep = GuardWrite {
            path: Path::new(ORIGINAL),
            before: Image::Absent,
            after: self.original.clone(),
        };
        let deny = GuardWrite {
            path: Path::new(POLICY),
            before: self.original.clone(),
            after: self.script.clone(),
        };
        match self.original {
            Image::Absent => vec![deny],
            _ => vec![keep, deny],
        }
    }

    /// Puts it up; one that stands already stays.
    pub fn put_up(&self, host: &Host) -> HostResult<()> {
        match look(host)? {
            Standing::Up(original) => return self.check(&original),
            Standing::Half(original) => self.check(&original)?,
            Standing::Down(original) => {
                self.check(&original)?;
                self.keep_original(host)?;
            }
        }
        host.put(Path::new(POLICY), &self.script)
    }

    /// Takes it down and puts the original back; none that stands is no error.
    pub fn take_down(&self, host: &Host) -> HostResult<()> {
        match look(host)? {
            Standing::Down(_) => Ok(()),
            Standing::Half(original) => {
                self.check(&original)?;
                host.remove(Path::new(ORIGINAL))
            }
            Standing::Up(original) => {
                self.check(&original)?;
                match original {
                    Image::Absent => host.remove(Path::new(POLICY)),
                    _ => host.rename(Path::new(ORIGINAL), Path::new(POLICY)),
                }
            }
        }
    }

    fn keep_original(&self, host: &Host) -> HostResult<()> {
        let (policy, original) = (Path::new(POLICY), Path::new(ORIGINAL));
        if self.original == Image::Absent {
            return Ok(());
        }
        // A file system without hard links keeps a copy: all but its time stamp.
        host.hard_link(policy, original)
            .or_else(|_| host.put(original, &self.original))
    }

    fn check(&self, original: &Image) -> HostResult<()> {
        if *original == self.original {
            return Ok(());
        }
        Err(conflict(
            "it is not the one that we had seen",
            "run it again",
        ))
    }
}

fn look(host: &Host) -> HostResult<Standing> {
    let policy = host.image(Path::new(POLICY))?;
    let kept = host.image(Path::new(ORIGINAL))?;
    match (is_ours(&policy), kept) {
        (true, kept) => Ok(Standing::Up(kept)),
        (false, Image::Absent) => Ok(Standing::Down(policy)),
        (false, kept) if kept == policy => Ok(Standing::Half(kept)),
        (false, _) => Err(conflict(
            &format!(
                "somebody changed it while our guard stood; the one from before is {ORIGINAL}"
            ),
            "keep the right one of the two as policy-rc.d, remove the other, and run it again",
        )),
    }
}

fn conflict(cause: &str, next: &str) -> HostError {
    HostError::refused(format!("guarding {POLICY}"), format!("{cause}; {next}"))
}

fn script(host: &Host) -> HostResult<Image> {
    let dir = Path::new("/usr/sbin");
    let Some(stat) = host.stat(dir)? else {
        return Err(conflict(
            "/usr/sbin does not exist",
            "is this a Debian-based host?",
        ));
    };
    Ok(Image::File {
        attributes: Default::default(),
        content: format!("{SCRIPT}{SEAL}{}\n", digest(SCRIPT.as_bytes())).into_bytes(),
        mode: 0o755,
        // Root's; on a fake host, its owner's.
        uid: stat.uid,
        gid: stat.gid,
    })
}

/// Whether a file is a guard of ours, of this version or another, and unchanged.
fn is_ours(image: &Image) -> bool {
    let Image::File { content, .. } = image else {
        return false;
    };
    let Some(start) = memchr::memmem::rfind(content, SEAL.as_bytes()) else {
        return false;
    };
    let (body, seal) = content.split_at(start);
    seal == format!("{SEAL}{}\n", digest(body)).as_bytes()
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
