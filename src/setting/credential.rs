//! A systemd credential that holds a password: looked for where systemd looks, decrypted where it is encrypted, and never written.

use super::{Reading, Sight};
use crate::host::{Host, HostError, HostResult, Kind, Run, Trust};
use crate::value::Value;
use std::path::{Path, PathBuf};

/// What the machine was given when it started. Source: systemd.exec(5), LoadCredential=.
const OF_THE_MACHINE: &str = "/run/credentials/@system";

/// Where systemd looks for a credential of a name alone, the first that has it.
/// Source: `CREDENTIAL_SEARCH_PATH` in systemd 252's `src/core/execute.c`: `CONF_PATHS_NULSTR("credstore")`.
const STORES: [&str; 4] = ["/etc", "/run", "/usr/local/lib", "/usr/lib"];

/// Where one was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Plain(PathBuf),
    Encrypted(PathBuf),
}

impl Place {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Place::Plain(path) | Place::Encrypted(path) => path,
        }
    }
}

/// Where it is: what this process's own unit was given, then the machine's own, then the stores.
///
/// # Errors
/// A store that cannot be looked at: whether it has the credential is not known.
pub fn find(host: &Host, name: &str) -> HostResult<Option<Place>> {
    let given = host.credentials_directory();
    let plain = given
        .into_iter()
        .chain([OF_THE_MACHINE.into()])
        .chain(STORES.map(|dir| Path::new(dir).join("credstore")));
    let encrypted = STORES.map(|dir| Path::new(dir).join("credstore.encrypted"));
    let places = plain
        .map(|dir| Place::Plain(dir.join(name)))
        .chain(encrypted.map(|dir| Place::Encrypted(dir.join(name))));
    for place in places {
        if host.stat(place.path())?.is_some() {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// The password in it; `None` while there is none.
///
/// # Errors
/// Anybody but root could have written it, or it cannot be decrypted here.
pub fn password(host: &Host, name: &str) -> HostResult<Option<String>> {
    // A tree that is prepared has none of its own: the host itself is given it, or has the key to it.
    if !host.is_running() {
        return Ok(None);
    }
    let doing = || format!("reading the credential {name}");
    match find(host, name)? {
        None => Ok(None),
        Some(Place::Plain(path)) => {
            let bytes = host.read_trusted(&path, Trust::Root)?;
            bytes.map_or(Ok(None), |bytes| super::secret::line(&doing(), bytes))
        }
        Some(Place::Encrypted(path)) => {
            let text = decrypted(host, name, &path)?;
            super::secret::line(&doing(), text.into_bytes())
        }
    }
}

/// What it prints on its standard output is the password: no message may repeat it.
fn decrypted(host: &Host, name: &str, path: &Path) -> HostResult<String> {
    let run = Run::new("systemd-creds")
        .arg("decrypt")
        .arg(format!("--name={name}"))
        .arg(path.display().to_string())
        .arg("-");
    let output = host.run(&run)?;
    match output.ok() {
        true => Ok(output.stdout),
        false => Err(HostError::refused(
            format!("running `{}`", run.line()),
            match output.stderr.trim() {
                "" => "it says nothing of why",
                why => why,
            },
        )),
    }
}

/// Whether there is a password in it, and how it lies open where it does. `Value::Present`, or text.
pub fn read(sight: Sight, name: &str) -> Reading {
    let place = match find(sight.host, name) {
        Ok(Some(place)) => place,
        Ok(None) => return Reading::Absent,
        Err(e) => return Reading::Unknown(e.to_string()),
    };
    match exposed(sight, &place) {
        Ok(None) => {}
        Ok(Some(how)) => return Reading::Value(Value::text(how), None),
        Err(e) => return Reading::Unknown(e.to_string()),
    }
    match password(sight.host, name) {
        Ok(Some(_)) => Reading::Value(Value::Present, Some(place.path().display().to_string())),
        Ok(None) => Reading::Value(
            Value::text(format!(
                "{} has no password in its first line",
                place.path().display()
            )),
            None,
        ),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// Who else reads the password, or could put another there. An encrypted one is for everybody to see.
fn exposed(sight: Sight, place: &Place) -> HostResult<Option<String>> {
    let path = place.path();
    let Some(stat) = sight.host.stat(path)? else {
        return Ok(None);
    };
    let shown = path.display();
    let root = sight.facts.root_account().id;
    let bits = match place {
        Place::Plain(_) => 0o077,
        Place::Encrypted(_) => 0o022,
    };
    Ok(match () {
        () if stat.kind != Kind::File => Some(format!("{shown} is no regular file")),
        () if Some(stat.uid) != root => Some(format!(
            "{shown} is owned by {}",
            sight.facts.user_of(stat.uid).name
        )),
        () if stat.mode & bits != 0 => {
            Some(format!("{shown} is open to others: {:04o}", stat.mode))
        }
        () => None,
    })
}

/// Where to put it, for who has to.
pub fn step(name: &str) -> String {
    format!("systemd-creds encrypt --name={name} - /etc/credstore.encrypted/{name}")
}
