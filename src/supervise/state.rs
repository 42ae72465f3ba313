//! What the supervisor says about itself, in a file that belongs to the server's user: for root it is a claim,
//! believed only as far as /proc bears it out.

use super::machine::Phase;
use super::settings::Settings;
use super::{Places, privileges::Identity};
use crate::contain::layers::{self, Layer};
use crate::contain::processes::Outside;
use crate::host::{Host, HostError, HostResult};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The supervisor's name in /proc, which it gives itself.
pub(crate) const SUPERVISOR: &str = "redis-harden";

/// A text of the file's that is longer was not written by us.
const LONGEST: usize = 2048;

/// `state.json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Report {
    /// Version of this format: 1.
    pub schema: u32,
    /// The instance's name.
    pub instance: String,
    /// Where the server is in its life.
    pub state: Phase,
    /// Since when, RFC 3339.
    pub since: String,
    /// The supervisor; in the file by its number in its own process namespace, as are all.
    pub supervisor_pid: i32,
    /// The server, when it runs.
    pub server_pid: Option<i32>,
    /// Which process namespace that is.
    #[serde(default)]
    pub pid_namespace: Option<u64>,
    /// What number the server has there, where that is not ours.
    #[serde(skip)]
    pub server_pid_inside: Option<i32>,
    /// Of the files that the server was started from; see `settings::generation`.
    pub generation: String,
    /// How many times the server was started again.
    pub restarts: u32,
    /// How the last server ended, and its last words.
    pub last_exit: Option<String>,
    /// Which process that was.
    #[serde(default)]
    pub last_pid: Option<i32>,
    /// The limit of open files.
    pub nofile: u64,
    /// Whether it answers +PONG.
    pub ready: bool,
    /// Why it is not ready, or what is wrong.
    pub note: String,
    /// Whether it ends again and again.
    #[serde(default)]
    pub crash_loop: bool,
    /// How far the last end that was asked for had to go.
    #[serde(default)]
    pub rung: Option<String>,
    /// Its sandbox, layer by layer; empty while no server runs.
    #[serde(default)]
    pub layers: Vec<Layer>,
}

/// The state is the redis user's to write.
const LARGEST: u64 = 64 << 10;

/// A process, by /proc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub name: String,
    pub parent: i32,
    pub uid: u32,
}

/// A supervisor that runs now; `None` when none does, whatever a stale file says. For root.
pub fn read(host: &Host, name: &str) -> HostResult<Option<Report>> {
    read_at(host, &Places::of(name))
}

/// The same, with the files elsewhere.
pub fn read_at(host: &Host, places: &Places) -> HostResult<Option<Report>> {
    let Some(settings) = Settings::load(host, &places.settings)? else {
        return Ok(None);
    };
    let Some(report) = claim(host, &settings)? else {
        return Ok(None);
    };
    let uid = Identity::of(&settings)?.uid.as_raw();
    match from_here(host, report)? {
        Some(report) => verify(host, &settings, uid, report),
        None => Ok(None),
    }
}

/// What the last supervisor said, running or not: for a message, never for a decision.
pub fn last_words(host: &Host, places: &Places) -> HostResult<Option<Report>> {
    match Settings::load(host, &places.settings)? {
        Some(settings) => claim(host, &settings),
        None => Ok(None),
    }
}

/// Writes the file whole.
pub(crate) fn write(host: &Host, settings: &Settings, report: &Report) -> HostResult<()> {
    let path = path(settings);
    let text = serde_json::to_vec(report)
        .map_err(|e| HostError::refused(format!("writing {}", path.display()), e.to_string()))?;
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    host.write_file(&path, &text, 0o640, uid.as_raw(), gid.as_raw())
}

/// Writes the file again where it no longer says this: somebody has removed or changed it, and `status` and `stop` go by it.
pub(crate) fn keep(host: &Host, settings: &Settings, report: &Report) -> HostResult<()> {
    let said = serde_json::to_vec(report).ok();
    match host.read_untrusted_below(&path(settings), LARGEST) {
        Ok(found) if found == said => Ok(()),
        _ => write(host, settings, report),
    }
}

/// The process of this number; `None` when there is none, or only its remains.
pub(crate) fn identify(host: &Host, pid: i32) -> HostResult<Option<Process>> {
    // Not the owner of the files in /proc: a process that is not dumpable has root's there.
    match host.read_text(Path::new(&format!("/proc/{pid}/status"))) {
        Ok(text) => Ok(text.as_deref().and_then(parse_status)),
        // It ended between open and read.
        Err(e) if e.errno == Some(nix::errno::Errno::ESRCH) => Ok(None),
        Err(e) => Err(e),
    }
}

fn path(settings: &Settings) -> PathBuf {
    settings.state_dir.join("state.json")
}

fn claim(host: &Host, settings: &Settings) -> HostResult<Option<Report>> {
    let path = path(settings);
    let doing = || format!("reading {}", path.display());
    let Some(bytes) = host.read_untrusted_below(&path, LARGEST)? else {
        return Ok(None);
    };
    let mut report: Report =
        serde_json::from_slice(&bytes).map_err(|e| HostError::refused(doing(), e.to_string()))?;
    if report.schema != 1 {
        let cause = format!("schema {} is not known here", report.schema);
        return Err(HostError::refused(doing(), cause));
    }
    report.sanitise();
    Ok(Some(report))
}

/// The same processes by their numbers here; `None` when the supervisor is none of them.
fn from_here(host: &Host, mut report: Report) -> HostResult<Option<Report>> {
    let Some(namespace) = report.pid_namespace else {
        return Ok(Some(report));
    };
    let Some(outside) = Outside::of(host, namespace)? else {
        return Ok(Some(report));
    };
    let Some(supervisor) = outside.number(report.supervisor_pid) else {
        let cause = "its process namespace may not be looked into (run as root?)";
        return match outside.is_partial() {
            true => Err(HostError::refused("looking for the supervisor", cause)),
            false => Ok(None),
        };
    };
    report.supervisor_pid = supervisor;
    report.server_pid_inside = report.server_pid;
    report.server_pid = report.server_pid.and_then(|pid| outside.number(pid));
    // The numbers of those that have ended are not known here any more.
    report.last_pid = None;
    Ok(Some(report))
}

fn verify(
    host: &Host,
    settings: &Settings,
    uid: u32,
    mut report: Report,
) -> HostResult<Option<Report>> {
    let supervisor = identify(host, report.supervisor_pid)?;
    if !supervisor.is_some_and(|p| p.uid == uid && p.name == SUPERVISOR) {
        return Ok(None);
    }
    if let Some(pid) = report.server_pid {
        let ours = |p: &Process| {
            p.uid == uid && p.parent == report.supervisor_pid && p.name == settings.server_comm()
        };
        report.server_pid = identify(host, pid)?.filter(ours).map(|_| pid);
    }
    report.layers = match report.server_pid {
        Some(pid) => match layers::confirm(host, pid, &settings.data_dir, report.layers) {
            // It ended while it was looked at.
            Err(_) if identify(host, pid)?.is_none() => {
                report.server_pid = None;
                Vec::new()
            }
            confirmed => confirmed?,
        },
        None => Vec::new(),
    };
    report.ready = report.state == Phase::Ready && report.server_pid.is_some();
    Ok(Some(report))
}

fn parse_status(text: &str) -> Option<Process> {
    let field = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name))?;
        line.strip_prefix(':').map(str::trim)
    };
    let number = |name| field(name)?.split_whitespace().next();
    if field("State")?.starts_with(['Z', 'X']) {
        return None;
    }
    Some(Process {
        name: field("Name")?.to_owned(),
        parent: number("PPid")?.parse().ok()?,
        uid: number("Uid")?.parse().ok()?,
    })
}

impl Report {
    /// The texts end on a terminal: no escapes, no novels.
    fn sanitise(&mut self) {
        let texts = [
            &mut self.instance,
            &mut self.since,
            &mut self.generation,
            &mut self.note,
        ];
        let layers = self.layers.iter_mut().map(|layer| &mut layer.note);
        let told = self.last_exit.iter_mut().chain(&mut self.rung);
        for text in texts.into_iter().chain(told).chain(layers) {
            let plain = |c: &char| *c == '\n' || !c.is_control();
            *text = text.chars().filter(plain).take(LONGEST).collect();
        }
    }
}

#[cfg(test)]
mod tests;
