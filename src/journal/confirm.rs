//! The dead man's switch: a run that its author must confirm, since it may have shut him out. Somebody outside of his session waits,
//! and rolls the run back where no word comes.

use super::log::Run;
use super::story::{Story, runs};
use crate::facts::{Facts, Init};
use crate::host::{Host, HostResult, Lock, Run as Command};
use crate::supervise::detach;
use std::path::Path;
use std::time::Duration;

/// What the one who waits says, on a host without systemd; elsewhere systemd's journal has it.
pub const LOG: &str = "/var/lib/redis-harden/confirm.log";

/// What the one who waits holds as long as he lives.
const WATCH: &str = "/var/lib/redis-harden/confirm.lock";

/// The policies of the run that waits: he rolls back by them, whatever becomes of their files.
pub const POLICIES: &str = "/var/lib/redis-harden/confirm";

/// The name of its transient unit.
const UNIT: &str = "redis-harden-confirm";

/// The newest run in force that waits for its confirmation.
pub fn waiting(host: &Host) -> HostResult<Option<Story>> {
    let stories = runs(host)?.into_iter().rev();
    Ok(stories.into_iter().find(Story::is_unconfirmed))
}

/// Is the one who waits, until what it gives is dropped. One who waited for an earlier run may not have ended yet.
pub fn watch(host: &Host) -> HostResult<Lock> {
    const LEAVING: Duration = Duration::from_secs(10);
    host.lock(Path::new(WATCH), "waiting for a confirmation", LEAVING)
}

/// Whether somebody waits, and would roll back.
pub fn is_watched(host: &Host) -> HostResult<bool> {
    host.is_locked(Path::new(WATCH))
}

/// Records that the author of a run still has his host.
pub fn confirm(host: &Host, story: &Story) -> HostResult<()> {
    Run::resume(host, story).confirmed()
}

/// Starts the one who waits for run `number`: under systemd as a unit of its own, elsewhere as a process in a session of its own.
/// What ends the session, the apply or the connection does not end it.
pub fn stand_by(host: &Host, facts: &Facts, number: u32, within: Duration) -> HostResult<()> {
    let exe = facts.running_exe.display().to_string();
    let is_overdue = within.is_zero();
    let (number, within) = (number.to_string(), format!("{}s", within.as_secs()));
    let args = ["confirm", &number, "--or-roll-back-in", &within];
    if facts.init == Init::Systemd {
        let unit = format!("--unit={UNIT}-{number}");
        // While the host boots, who waits comes when his turn is.
        let when = match is_overdue {
            true => "--no-block",
            false => "--service-type=exec",
        };
        let run = Command::new("systemd-run")
            .args(&["--quiet", "--collect", &unit, when])
            .arg("--description=Rolls an apply back that nobody confirms")
            .args(&["--", &exe])
            .args(&args);
        return host.run_ok(&run).map(drop);
    }
    detach::start_logged(host, Path::new(&exe), &args, Path::new(LOG)).map(drop)
}
