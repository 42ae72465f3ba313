//! Instances that an earlier apply made and that the policy has no more: they may still run, and their ports are still theirs.

use crate::host::{Host, HostResult};
use crate::policy::Policies;
use crate::policy::ports::listening;
use crate::redis::config;
use crate::supervise::settings::Settings;
use std::path::{Path, PathBuf};

/// Where the settings of every instance are.
const DIR: &str = "/etc/redis-harden/redis";

/// An instance without a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    pub name: String,
    /// What the supervisor starts it by.
    pub settings_file: PathBuf,
    /// Its TCP ports.
    pub ports: Vec<u16>,
}

/// Those whose settings can be read: they are root's and the service user's to read.
pub fn of(host: &Host, policies: &Policies) -> HostResult<Vec<Orphan>> {
    let names = match host.list(Path::new(DIR)) {
        Ok(names) => names,
        Err(e) if e.is_denied() => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut orphans = Vec::new();
    for name in names.iter().filter_map(|name| name.strip_suffix(".toml")) {
        if policies.instance(name).is_some() {
            continue;
        }
        let settings_file = Path::new(DIR).join(format!("{name}.toml"));
        // One that is not ours, or not whole, is started by nobody.
        if let Ok(Some(settings)) = Settings::load(host, &settings_file) {
            orphans.push(Orphan {
                name: name.to_owned(),
                settings_file,
                ports: ports_of(host, &settings)?,
            });
        }
    }
    Ok(orphans)
}

/// By the configuration that it was started from; the supervisor's settings know one of them.
fn ports_of(host: &Host, settings: &Settings) -> HostResult<Vec<u16>> {
    let conf = match host.read(&settings.config) {
        Err(e) if e.is_denied() => None,
        read => read?,
    };
    let conf = conf.map(|conf| config::parse(&String::from_utf8_lossy(&conf)));
    let mut ports = listening(|name| {
        let mut lines = conf.iter().flatten().rev();
        let (_, words) = lines.find(|(directive, _)| directive == name)?;
        words.first().cloned()
    });
    if settings.port != 0 && !ports.contains(&settings.port) {
        ports.push(settings.port);
    }
    Ok(ports)
}
