//! Packages as settings: read from dpkg's own database, and installed under the guard.

use super::{Dpkg, Guard, Installed, Patience, installed};
use crate::facts::Init;
use crate::host::{Host, HostResult, Run};
use crate::setting::{Obstacle, Reading, Sight, service};
use crate::value::Value;

/// Present when dpkg has configured it.
pub fn read(sight: Sight, name: &str) -> HostResult<Option<Value>> {
    Ok(
        known(sight, name)?.map(|found| match found.state.is_configured() {
            true => Value::Present,
            false => Value::text(format!("not configured ({:?})", found.state).to_lowercase()),
        }),
    )
}

pub(crate) fn known(sight: Sight, name: &str) -> HostResult<Option<Installed>> {
    match (sight.memo, &sight.facts.dpkg) {
        // Nothing is written in this pass: it is what the facts have.
        (Some(_), Ok(dpkg)) => dpkg.installed(name),
        _ => Dpkg::read(sight.host)?.installed(name),
    }
}

/// The installed version; that nothing is installed is another control's finding.
pub fn read_version(sight: Sight, name: &str) -> Reading {
    match known(sight, name) {
        Ok(Some(found)) => Reading::Value(Value::Text(found.version), None),
        Ok(None) => Reading::NotApplicable(format!("{name} is not installed by dpkg")),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// Whether somebody told dpkg to keep it as it is.
pub fn read_held(sight: Sight, name: &str) -> Reading {
    match known(sight, name) {
        Ok(Some(found)) => Reading::Value(Value::Flag(found.held), None),
        Ok(None) => Reading::NotApplicable(format!("{name} is not installed by dpkg")),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// The version that is installed, for the journal.
pub fn save(host: &Host, name: &str) -> HostResult<Option<String>> {
    Ok(installed(host, name)?.map(|found| found.version))
}

/// No program is run on a tree: its packages are for whoever builds it.
pub fn obstacle(sight: Sight, name: &str) -> Option<Obstacle> {
    let hand = || {
        let root = sight.host.root().display();
        Obstacle::Hand(format!(
            "no package is installed where only files can be reached: install {name} into {root} with its own package manager"
        ))
    };
    sight.facts.offline.then(hand)
}

/// What a rollback does to a package that the run installed: it stays, and its services are stopped and do not start at boot,
/// so that no stock Redis comes up in our place.
pub fn put_to_rest(sight: Sight, name: &str) -> HostResult<()> {
    for (instance, known) in &sight.facts.instances {
        if known.policy.package() != name {
            continue;
        }
        if installed(sight.host, name)?.is_none() {
            // Its installation is what failed: there is no unit to stop, nor to disable.
            continue;
        }
        service::stop(sight, instance)?;
        let unit = known.policy.unit();
        // systemctl also takes the init script of the same name from its runlevels; it needs no systemd that runs.
        let disable = match sight.facts.init {
            Init::Other if sight.host.find_program("systemctl").is_none() => {
                Run::new("update-rc.d").args(&[name, "disable"])
            }
            _ => Run::new("systemctl").args(&["disable", "--quiet", &unit]),
        };
        sight.host.run_ok(&disable)?;
    }
    Ok(())
}

/// Installs it under the guard, so that its scripts start no stock Redis. Under systemd our drop-in is in place before, as a
/// rule; but a run may have been told to leave it out, or it may have failed.
pub fn install_guarded(sight: Sight, name: &str, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    let host = sight.host;
    let guard = Guard::plan(host)?;
    guard.put_up(host)?;
    let done = super::install(host, &[name], Patience::default(), say);
    let down = guard.take_down(host);
    done.and(down)
}
