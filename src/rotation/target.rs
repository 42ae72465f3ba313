//! Whose password is to be replaced: a password file of ours, and every user of the policy that has it.

use crate::facts::{Instance, View};
use crate::host::{Host, HostError, HostResult, Kind, Trust};
use crate::policy::{Name, PasswordSource, Policies};
use crate::setting::{Sight, credential};
use std::path::{Path, PathBuf};

/// Where the passwords are that are ours.
const OURS: &str = "/etc/redis-harden/secrets";

/// A password and its users, each with its instance.
#[derive(Clone, Debug)]
pub struct Target {
    pub source: PasswordSource,
    pub users: Vec<(Name, Name)>,
}

impl Target {
    /// The one of a user of an instance.
    pub fn of(policies: &Policies, instance: &Name, user: &Name) -> Result<Target, String> {
        let mut instances = policies.instances.iter();
        let policy = instances
            .find(|policy| policy.redis.name == *instance)
            .ok_or_else(|| format!("the policy has no instance {instance}"))?;
        let users = policy.acl_users();
        if !users.contains_key(user) {
            let names: Vec<&str> = users.keys().map(Name::as_str).collect();
            return Err(format!(
                "the policy has no user {user}, only {}",
                names.join(", ")
            ));
        }
        Ok(Target::with(policies, policy.password_of(user)))
    }

    /// The one of a source, whoever has it.
    pub fn with(policies: &Policies, source: PasswordSource) -> Target {
        let mut all = Vec::new();
        for policy in &policies.instances {
            let users = policy.acl_users().into_keys();
            let those = users.filter(|user| policy.password_of(user) == source);
            all.extend(those.map(|user| (policy.redis.name.clone(), user)));
        }
        Target { source, users: all }
    }

    /// The file.
    ///
    /// # Errors
    /// It is none, and what to do instead.
    pub(super) fn file(&self) -> HostResult<&Path> {
        let refuse = |why: String| Err(HostError::refused(self.changing(), why));
        match &self.source {
            PasswordSource::File(path) => Ok(path),
            PasswordSource::Credential(name) => refuse(format!(
                "it comes from the systemd credential {name}, and is changed there ({}); then redis-harden apply, \
                 from which on the former one is refused, and a restart of the programs that are given it",
                credential::step(name)
            )),
        }
    }

    pub(super) fn changing(&self) -> String {
        format!("changing the password of {}", self.names().join(", "))
    }

    /// `INSTANCE.USER` of each.
    pub fn names(&self) -> Vec<String> {
        let names = self.users.iter();
        names
            .map(|(instance, user)| format!("{instance}.{user}"))
            .collect()
    }

    /// Refuses, before anything is changed, what could only be changed in part.
    pub(super) fn can_be_changed(&self, sight: Sight) -> HostResult<()> {
        let refuse = |why: String| Err(HostError::refused(self.changing(), why));
        let file = self.file()?;
        if !is_ours(file) {
            of_roots_alone(sight.host, file).map_err(|why| {
                let step = "put the new one there where it comes from, then redis-harden apply";
                HostError::refused(self.changing(), format!("{why}; {step}"))
            })?;
        }
        let mut places: Vec<PathBuf> = file.parent().map(PathBuf::from).into_iter().collect();
        for (name, user) in &self.users {
            let known = known(sight, name)?;
            let file = known.policy.acl_file();
            let text = sight.host.read_text(&file)?.unwrap_or_default();
            if !text.lines().any(|line| is_of(line, user)) {
                return refuse(format!(
                    "{} has no user {user}: redis-harden apply first",
                    file.display()
                ));
            }
            places.extend(file.parent().map(PathBuf::from));
            match &known.view {
                View::NotRunning => {}
                View::Silent(why) => return refuse(format!("its server told nothing: {why}")),
                View::Told(told) => match &told.users.0 {
                    Ok(users) if users.iter().any(|u| u.name == user.as_str()) => {}
                    Ok(_) => {
                        return refuse(format!(
                            "the running server has no user {user}: redis-harden apply first"
                        ));
                    }
                    Err(why) => return refuse(format!("ACL LIST: {why}")),
                },
            }
        }
        for place in places {
            if let Err(e) = sight.host.may_write(&place) {
                return refuse(format!("{}: {}", place.display(), e.desc()));
            }
        }
        Ok(())
    }
}

/// Whether it is in our own directory.
pub(super) fn is_ours(file: &Path) -> bool {
    file.parent() == Some(Path::new(OURS))
}

/// Why a file that somebody has put elsewhere is not to be replaced by root: it may be another's, or be what another makes of it.
fn of_roots_alone(host: &Host, file: &Path) -> Result<(), String> {
    let shown = file.display();
    let stat = host.stat(file).map_err(|e| e.to_string())?;
    match stat {
        None => return Err(format!("{shown} does not exist")),
        Some(stat) if stat.kind != Kind::File => {
            return Err(format!("{shown} is a link, or no regular file"));
        }
        Some(_) => {}
    }
    // Owner and mode of the file and of each directory above it.
    let read = host.read_trusted(file, Trust::Root);
    read.map(drop).map_err(|e| e.to_string())
}

/// The instance of that name.
pub(super) fn known<'a>(sight: Sight<'a>, name: &Name) -> HostResult<&'a Instance> {
    sight.facts.instances.get(name.as_str()).ok_or_else(|| {
        HostError::refused(
            format!("looking for the instance {name}"),
            "the policy has none of that name",
        )
    })
}

/// Whether a line of an ACL file is a user's.
pub(super) fn is_of(line: &str, user: &Name) -> bool {
    crate::redis::live::name_of(line) == user.as_str()
}
