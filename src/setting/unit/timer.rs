//! Whether a timer of ours is waiting for its time.

use super::super::{Reading, Sight};
use crate::facts::Init;
use crate::host::{Host, HostResult, Run};
use crate::setting::service::reload_units;
use crate::value::Value;
use std::path::Path;

/// Where ours are.
const UNITS: &str = "/etc/systemd/system";

/// One whose file is not there is not asked about: most hosts have none.
pub fn read(sight: Sight, timer: &str) -> Reading {
    if sight.facts.init != Init::Systemd {
        return Reading::NotApplicable("systemd does not run here".into());
    }
    match active(sight.host, timer) {
        Ok(active) => Reading::Value(Value::Flag(active), None),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// Starts it on the file that is there now, or stops it.
pub fn write(sight: Sight, timer: &str, wanted: bool) -> HostResult<()> {
    let verb = match wanted {
        true => "restart",
        false => "stop",
    };
    reload_units(sight.host, sight.facts)?;
    let run = Run::new("systemctl").args(&[verb, timer]);
    sight.host.run_ok(&run).map(drop)
}

/// For the journal.
pub fn save(host: &Host, timer: &str) -> HostResult<String> {
    active(host, timer).map(|active| active.to_string())
}

/// What was waiting waits again; the files are put back before.
pub fn restore(sight: Sight, timer: &str, saved: &str) -> HostResult<()> {
    write(sight, timer, saved == "true")
}

fn active(host: &Host, timer: &str) -> HostResult<bool> {
    if host.stat(&Path::new(UNITS).join(timer))?.is_none() {
        return Ok(false);
    }
    let run = Run::new("systemctl").args(&["show", "--property=ActiveState", "--value", timer]);
    let said = host.run_ok(&run)?;
    Ok(said.stdout.trim() == "active")
}
