//! The timer that ends former passwords: there while one is valid, and only where systemd runs.

use super::{Rotation, known};
use crate::controls::named_policy;
use crate::facts::Init;
use crate::host::{HostError, HostResult, Run};
use crate::policy::Policies;
use crate::setting::Sight;
use std::path::Path;

const TIMER: &str = "redis-harden-rotation.timer";
const UNITS: [&str; 2] = [
    "/etc/systemd/system/redis-harden-rotation.timer",
    "/etc/systemd/system/redis-harden-rotation.service",
];
const WANTS: &str = "/etc/systemd/system/timers.target.wants";

/// Has systemd end what is recorded, each in its time; with no record left the timer goes. False where there is no systemd.
pub fn set(sight: Sight, policies: &Policies) -> HostResult<bool> {
    let host = sight.host;
    if sight.facts.init != Init::Systemd {
        return Ok(false);
    }
    let rotations = known(host)?.map_err(|why| HostError::refused("setting the timer", why))?;
    let link = Path::new(WANTS).join(TIMER);
    if rotations.is_empty() {
        // Its own service may be what runs this: the timer alone is stopped.
        if host.stat(Path::new(TIMER_FILE))?.is_some() {
            host.run_ok(&Run::new("systemctl").args(&["stop", TIMER]))?;
        }
        host.remove(&link)?;
        UNITS
            .iter()
            .try_for_each(|unit| host.remove(Path::new(unit)))?;
        return reload(sight).map(|()| false);
    }
    let [timer, service] = UNITS.map(Path::new);
    let service_text = format!(
        include_str!("../../packaging/systemd/redis-harden-rotation.service.in"),
        exe = sight.facts.exe.display(),
        policy = named_policy(policies),
    );
    let (uid, gid) = crate::setting::file::root_owner(host)?;
    host.write_file(service, service_text.as_bytes(), 0o644, uid, gid)?;
    host.write_file(timer, text(&rotations).as_bytes(), 0o644, uid, gid)?;
    host.make_dir(Path::new(WANTS), 0o755, uid, gid)?;
    host.make_link(&link, timer)?;
    reload(sight)?;
    host.run_ok(&Run::new("systemctl").args(&["restart", TIMER]))?;
    Ok(true)
}

/// Forgets the passwords whose files are gone, as after a rollback, and what would end their former ones.
pub fn forget_gone(sight: Sight, policies: &Policies) -> HostResult<()> {
    let host = sight.host;
    let known =
        known(host)?.map_err(|why| HostError::refused("looking for what is replaced", why))?;
    let mut forgotten = false;
    for rotation in known {
        if host.stat(&rotation.secret)?.is_none() {
            host.remove(&rotation.next())?;
            host.remove(&rotation.record())?;
            forgotten = true;
        }
    }
    match forgotten {
        true => set(sight, policies).map(drop),
        false => Ok(()),
    }
}

const TIMER_FILE: &str = UNITS[0];

fn reload(sight: Sight) -> HostResult<()> {
    crate::setting::service::reload_units(sight.host, sight.facts)
}

/// Source: systemd.time(7), CALENDAR EVENTS.
fn text(rotations: &[Rotation]) -> String {
    let line = |r: &Rotation| {
        let until = r.until.strftime("%Y-%m-%d %H:%M:%S");
        format!("OnCalendar={until} UTC\n")
    };
    let times: String = rotations.iter().map(line).collect();
    format!(
        include_str!("../../packaging/systemd/redis-harden-rotation.timer.in"),
        times = times
    )
}
