//! A password that is being replaced: for a time two are valid, and root's record says until when.
//! The order of the steps is such that whoever reads the password file, at whatever moment, reads one that the server takes.
//! A rotation is no run of the journal's: what is rolled back is never a password.

mod steps;
mod target;
mod timer;

pub use steps::{begin, finish};
pub use target::Target;
pub use timer::{forget_gone, set as set_timer};

use crate::host::{Host, HostError, HostResult, Image};
use crate::policy::{PasswordSource, Policy};
use crate::redis::{acl, live};
use crate::setting::{Reading, Sight, secret};
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Root's records: 0700.
pub const DIR: &str = "/var/lib/redis-harden/rotations";

/// What is said where a finish comes too early for the supervisor.
const OF_SUPERVISOR: &str = "the supervisor still has the former password, and would be locked out by its next connection: \
     redis-harden restart first, then finish";

/// A record: `DIR/NAME.json`, by the name of the password file. Passwords are in it as their SHA-256 only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rotation {
    /// The password file.
    pub secret: PathBuf,
    /// Whose password it is, by `INSTANCE.USER`.
    pub users: Vec<String>,
    /// When it began, and when the former password ends.
    pub began: jiff::Timestamp,
    pub until: jiff::Timestamp,
    /// The new password.
    pub new: String,
    /// The one before; none any more once the end has begun.
    pub former: Vec<String>,
    /// Whether the password file has the new one.
    pub placed: bool,
    /// The supervisors that were started with the former one.
    pub holders: Vec<Holder>,
}

/// A process, told from a later one with its number by when it was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Holder {
    pub pid: i32,
    /// In clock ticks since the boot. Source: proc_pid_stat(5), field 22.
    pub started: u64,
    /// Of which boot. Source: random(4), boot_id.
    pub boot: String,
}

/// All records; `Ok(Err(why))` for whom they are not to read, who cannot read the passwords either.
pub fn known(host: &Host) -> HostResult<Result<Vec<Rotation>, String>> {
    let names = match host.list(Path::new(DIR)) {
        Ok(names) => names,
        Err(e) if e.is_denied() => return Ok(Err(format!("{e} (root reads it)"))),
        Err(e) => return Err(e),
    };
    let mut all = Vec::new();
    for name in names.iter().filter(|name| name.ends_with(".json")) {
        all.extend(read(host, &Path::new(DIR).join(name))?);
    }
    Ok(Ok(all))
}

/// A record that cannot be read is an error: to go on without it would lock out who still has the former password.
fn read(host: &Host, path: &Path) -> HostResult<Option<Rotation>> {
    let Some(bytes) = host.read_untrusted(path)? else {
        return Ok(None);
    };
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).map_err(|e| {
        let step = "(remove it, and what had the former password is locked out by the next apply)";
        HostError::refused(
            format!("reading {}", path.display()),
            format!("it is no record of a rotation: {e} {step}"),
        )
    })
}

impl Rotation {
    /// Whether the password file still is what this record is about; not where somebody has changed it by hand since.
    pub fn fits(&self, digest: &str) -> bool {
        match self.placed {
            true => digest == self.new,
            // Cut off at the last step it may have either.
            false => digest == self.new || self.former.iter().any(|former| former == digest),
        }
    }

    /// Has all its passwords count: the one to come first.
    pub fn count_in(&self, digests: &mut acl::Digests) {
        if let Some(known) = digests.get_mut(&PasswordSource::File(self.secret.clone()))
            && known.first().is_some_and(|digest| self.fits(digest))
        {
            *known = self.digests();
        }
    }

    /// The passwords that are valid by it.
    pub fn digests(&self) -> Vec<String> {
        let former = self.former.iter().filter(|digest| **digest != self.new);
        std::iter::once(&self.new).chain(former).cloned().collect()
    }

    /// Whether its time is over.
    pub fn is_due(&self, now: jiff::Timestamp) -> bool {
        now >= self.until
    }

    fn record(&self) -> PathBuf {
        place(&self.secret, "json")
    }

    fn next(&self) -> PathBuf {
        place(&self.secret, "next")
    }
}

/// `DIR/NAME.EXTENSION` for a password file; with a piece of its path's digest where it is not in our directory: names are unique there.
fn place(secret: &Path, extension: &str) -> PathBuf {
    const DIGITS: usize = 12;
    let name = secret.file_name().unwrap_or_default().to_string_lossy();
    let whose = match target::is_ours(secret) {
        true => String::new(),
        false => {
            let digest = secret::digest_of(&secret.to_string_lossy());
            format!("@{}", digest.get(..DIGITS).unwrap_or_default())
        }
    };
    Path::new(DIR).join(format!("{name}{whose}.{extension}"))
}

/// An ACL file of an earlier day with the passwords of now: those of then are known to whoever had to be kept out since.
pub fn with_passwords_of_now(sight: Sight, path: &Path, image: &Image) -> Image {
    let mut image = image.clone();
    let instances = sight.facts.instances.values();
    let policy = instances
        .map(|known| &known.policy)
        .find(|p| p.acl_file() == path);
    if let (Image::File { content, .. }, Some(policy)) = (&mut image, policy) {
        let text = String::from_utf8_lossy(content).into_owned();
        *content = renewed(sight, policy, &text).into_bytes();
    }
    image
}

/// The same of the users of a running server.
pub fn users_with_passwords_of_now(sight: Sight, instance: &str, users: &str) -> String {
    match sight.facts.instances.get(instance) {
        Some(known) => renewed(sight, &known.policy, users),
        None => users.to_owned(),
    }
}

fn renewed(sight: Sight, policy: &Policy, text: &str) -> String {
    let digests = &sight.facts.digests;
    let users = policy.acl_users();
    let over = policy
        .default_ends()
        .is_some_and(|ends| sight.facts.today >= ends);
    let lines = text.split('\n').map(|line| {
        // What its day has ended does not come back with an undo.
        if over && live::name_of(line) == "default" {
            return acl::DEFAULT_OFF.to_owned();
        }
        let named = users
            .keys()
            .find(|name| name.as_str() == live::name_of(line));
        match named.and_then(|name| digests.get(&policy.password_of(name))) {
            Some(digests) => acl::with_passwords(line, digests),
            None => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The users of an instance whose former password is valid longer than was agreed on, as `INSTANCE.USER`. Words, or nothing.
pub fn read_overdue(sight: Sight, instance: &str) -> Reading {
    let rotations = match &sight.facts.rotations {
        Ok(rotations) => rotations,
        Err(why) => return Reading::Unknown(why.clone()),
    };
    let now = sight.host.now();
    let overdue = rotations.iter().filter(|r| r.is_due(now));
    let users: Vec<String> = overdue
        .flat_map(|r| &r.users)
        .filter(|user| user.split('.').next() == Some(instance))
        .cloned()
        .collect();
    match users.is_empty() {
        true => Reading::Absent,
        false => Reading::Value(Value::Words(users), None),
    }
}

/// What is the same as in [`secret::digest`], of a file that has to have one.
fn digest_in(host: &Host, path: &Path) -> HostResult<String> {
    secret::digest(host, path)?.ok_or_else(|| {
        HostError::refused(
            format!("reading the password {}", path.display()),
            "there is none (redis-harden apply generates it)",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(placed: bool) -> Rotation {
        Rotation {
            secret: "/etc/redis-harden/secrets/app".into(),
            users: vec!["default.app".into()],
            began: "2026-01-01T00:00:00Z".parse().expect("a time"),
            until: "2026-01-02T00:00:00Z".parse().expect("a time"),
            new: "bb".into(),
            former: vec!["aa".into()],
            placed,
            holders: Vec::new(),
        }
    }

    #[test]
    fn both_passwords_count_unless_somebody_has_put_in_a_third() {
        for (placed, there, counts) in [
            (false, "aa", vec!["bb", "aa"]),
            (false, "bb", vec!["bb", "aa"]),
            (true, "bb", vec!["bb", "aa"]),
            (true, "aa", vec!["aa"]),
            (true, "cc", vec!["cc"]),
        ] {
            let rotation = rotation(placed);
            let mut digests = acl::Digests::new();
            let source = PasswordSource::File(rotation.secret.clone());
            digests.insert(source.clone(), vec![there.into()]);
            rotation.count_in(&mut digests);
            assert_eq!(digests[&source], counts, "{placed} {there}");
        }
    }

    #[test]
    fn its_time_is_over_at_its_end() {
        let rotation = rotation(true);
        assert!(!rotation.is_due("2026-01-01T23:59:59Z".parse().expect("a time")));
        assert!(rotation.is_due("2026-01-02T00:00:00Z".parse().expect("a time")));
    }
}
