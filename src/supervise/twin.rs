//! The inside of a throw-away server's namespaces: from root to the server's user as the supervisor goes, on a ground of memory.
//! It is the first process there, so that its end is the end of all; and it ends with whoever started it.

use super::settings::Settings;
use super::{privileges, process};
use crate::contain::ground::{Scratch, lay};
use crate::host::{Host, HostError, HostResult};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Child;

/// All that it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    pub settings: Settings,
    /// Whether in our sandbox; a server that we do not run has none of ours.
    pub contained: bool,
    pub scratch: Vec<Scratch>,
    pub program: PathBuf,
    pub args: Vec<String>,
}

/// Takes the one line that it is told from its standard input, runs the program, and returns its exit code. Standard input is held open
/// by whoever started it: its end is the end of everything here.
pub fn play(host: &Host) -> HostResult<i32> {
    super::check_process(host)?;
    let stage = told()?;
    lay(&stage.scratch)?;
    // Its root is what lies there now.
    let host = Host::live()?;
    match stage.contained {
        true => privileges::step_down(&host, &stage.settings).map(drop)?,
        false => privileges::become_user_of(&stage.settings)?,
    }
    // A change of the user clears it.
    let fail = |e| HostError::errno("tying a throw-away server to its parent", e);
    set_pdeathsig(Signal::SIGKILL).map_err(fail)?;
    let mut child = spawn(&stage)?;
    std::thread::spawn(end_with_our_parent);
    let ended = child.wait();
    let ended = ended.map_err(|e| HostError::new("waiting for a throw-away server", e))?;
    Ok(ended
        .code()
        .or(ended.signal().map(|signal| 128 + signal))
        .unwrap_or(1))
}

fn told() -> HostResult<Stage> {
    let doing = "reading what a throw-away server shall be";
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.map_err(|e| HostError::new(doing, e))?;
    serde_json::from_str(&line).map_err(|e| HostError::refused(doing, e.to_string()))
}

fn spawn(stage: &Stage) -> HostResult<Child> {
    let args: Vec<OsString> = stage.args.iter().map(OsString::from).collect();
    match stage.contained {
        true => {
            let spawned = process::spawn_contained(&stage.settings, &stage.program, &args);
            spawned.map(|(child, _)| child)
        }
        false => process::spawn_uncontained(&stage.settings, &stage.program, &args),
    }
}

fn end_with_our_parent() {
    let mut rest = [0; 64];
    while matches!(std::io::stdin().read(&mut rest), Ok(1..)) {}
    std::process::exit(1);
}
