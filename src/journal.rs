//! What was done and how to undo it: a write-ahead log a run, with the before-images beside it, in a directory that only root can read.

mod apply;
mod confirm;
mod conflict;
mod handover;
pub mod line;
mod log;
mod preflight;
mod revert;
mod story;
mod trail;
mod units;

pub use apply::{Applied, Failure, Look, apply};
pub use confirm::{POLICIES, confirm, is_watched, stand_by, waiting, watch};
pub use conflict::{Conflict, Force};
pub use log::{Header, Outcome, Record, Run, Terms};
pub use revert::{recover, rollback, sweep_in};
pub use story::{Entry, Story, open, runs};
pub use trail::{Who, note};

use crate::host::{Host, HostResult, Lock};
use crate::redis::acl;
use crate::setting::secret::hex;
use crate::setting::{Saved, Setting};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::Duration;

/// State of ours: 0700.
pub const STATE: &str = "/var/lib/redis-harden";
const RUNS: &str = "/var/lib/redis-harden/runs";
const LOCK: &str = "/var/lib/redis-harden/lock";

/// Makes the state directory and takes the lock that apply and rollback share.
pub fn lock(host: &Host, command: &str, patience: Duration) -> HostResult<Lock> {
    let (uid, gid) = host
        .stat(Path::new("/"))?
        .map_or((0, 0), |s| (s.uid, s.gid));
    for parent in ["/var", "/var/lib"] {
        if host.stat(Path::new(parent))?.is_none() {
            host.make_dir(Path::new(parent), 0o755, uid, gid)?;
        }
    }
    for dir in [STATE, RUNS] {
        if host.stat(Path::new(dir))?.is_none_or(|s| s.mode != 0o700) {
            host.make_dir(Path::new(dir), 0o700, uid, gid)?;
        }
    }
    let holder = format!(
        "pid {} (redis-harden {command}, since {})",
        std::process::id(),
        seconds(host.now())
    );
    host.lock(Path::new(LOCK), &holder, patience)
}

/// A time stamp to the second.
pub fn seconds(at: jiff::Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}

/// A digest by which "is it still what we wrote?" is answered; `None` where the question has no meaning. A password that has been
/// replaced since is nobody's edit.
fn digest(setting: &Setting, saved: &Saved) -> Option<String> {
    let mut hash = Sha256::new();
    match saved {
        Saved::Kept => return None,
        Saved::Text(Some(users)) if matches!(setting, Setting::LiveUsers(_)) => {
            hash.update(acl::without_passwords(users));
        }
        Saved::Text(text) => hash.update(format!("{text:?}")),
        Saved::Inode(image) => {
            hash.update(format!("{:?}", without_content(image)));
            match image {
                crate::host::Image::File { .. } if setting.is_secret() => {}
                crate::host::Image::File { content, .. } if setting.is_acl_file() => {
                    let users = String::from_utf8_lossy(content);
                    hash.update(acl::without_passwords(&users));
                }
                crate::host::Image::File { content, .. } => hash.update(content),
                _ => {}
            }
        }
    }
    Some(hex(&hash.finalize()))
}

fn without_content(image: &crate::host::Image) -> crate::host::Image {
    use crate::host::Image;
    match image {
        Image::File {
            mode,
            uid,
            gid,
            attributes,
            ..
        } => Image::File {
            attributes: attributes.clone(),
            content: Vec::new(),
            mode: *mode,
            uid: *uid,
            gid: *gid,
        },
        other => other.clone(),
    }
}
