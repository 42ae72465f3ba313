//! What is asked of the running server: only what changes nothing there, and by its own doors.

use super::Outcome;
use crate::facts::{Instance, View, admin};
use crate::host::Host;
use crate::policy::Role;
use crate::redis::session::Session;
use crate::redis::timed::Timed;
use crate::redis::{Endpoint, Login, Told, config};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(1);

/// Larger than any honest configuration.
const MOST: u64 = 1 << 20;

/// The running server.
pub struct Look<'a> {
    pub host: &'a Host,
    pub instance: &'a Instance,
    /// The configuration that its twin has, where it has one.
    pub twin: Option<&'a Path>,
}

impl Look<'_> {
    /// The users of ours, where it is one that we run.
    pub fn ours(&self) -> Vec<String> {
        match self.instance.report {
            Some(_) => super::blueprint::ours(&self.instance.policy, &[Role::Admin, Role::Agent]),
            None => Vec::new(),
        }
    }

    /// What it told, or why it is not known.
    pub fn told(&self) -> Result<&Told, Outcome> {
        match &self.instance.view {
            View::Told(told) => Ok(told),
            View::NotRunning => Err(Outcome::NotApplicable("no server runs here".to_owned())),
            View::Silent(why) => Err(Outcome::Untried(why.clone())),
        }
    }

    /// A conversation with it, as whoever it told its configuration.
    pub fn session(&self) -> Result<Session, String> {
        let login = admin(self.host, &self.instance.policy);
        let login = login.filter(|_| self.instance.anonymous != Ok(true));
        self.open(login.as_ref())
    }

    /// As somebody else, or as nobody.
    pub fn open(&self, login: Option<&Login>) -> Result<Session, String> {
        let stream = match &self.instance.endpoint {
            Endpoint::Socket(path) => Timed::connect_to_socket(path, PATIENCE),
            Endpoint::Tcp(host, port) => Timed::connect(host, *port, PATIENCE),
        };
        let stream = stream.map_err(|e| format!("{}: {e}", self.instance.endpoint))?;
        Session::begin(stream, login, PATIENCE).map_err(|e| e.to_string())
    }

    /// The directives of the file that it was started with.
    pub fn file(&self) -> Result<BTreeMap<String, String>, String> {
        let told = self.told().map_err(|_| "it is not running".to_owned())?;
        let name = told.info.get("config_file").map(PathBuf::from);
        let name = name.filter(|path| path.is_absolute());
        let name = name.ok_or("it was started without a configuration file")?;
        if let Some(twin) = self.twin.filter(|twin| *twin != name) {
            return Err(format!(
                "it was started with {}, and its twin with {}",
                name.display(),
                twin.display()
            ));
        }
        let text = self.host.read_untrusted_below(&name, MOST);
        let text = text.map_err(|e| e.to_string())?;
        let text = text.ok_or_else(|| format!("there is no {}", name.display()))?;
        let lines = config::parse(&String::from_utf8_lossy(&text));
        Ok(lines
            .into_iter()
            .map(|(name, words)| (name, words.join(" ")))
            .collect())
    }
}
