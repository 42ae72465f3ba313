//! Whether AppArmor confines the running server.

use crate::contain::apparmor;
use crate::host::HostResult;
use crate::policy::Policy;
use crate::setting::{Reading, Sight};
use crate::value::Value;
use std::path::Path;

/// Of the Debian package.
const PROFILE: &str = "/etc/apparmor.d/redis-harden";

/// Where profiles are loaded; not there in a container whose host loads them.
const LOADED: &str = "/sys/kernel/security/apparmor";

/// Whether the server is where the unit wants it. A profile that somebody else has put around it is as good.
pub(super) fn read(sight: Sight, pid: i32, policy: &Policy) -> Reading {
    match judged(sight, pid, policy) {
        Ok(reading) => reading,
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

fn judged(sight: Sight, pid: i32, policy: &Policy) -> HostResult<Reading> {
    let Some(found) = apparmor::of(sight.host, pid)? else {
        return Ok(Reading::NotApplicable("AppArmor is off here".into()));
    };
    if found.profile.is_none()
        && let Some(why) = exempt(sight, policy)?
    {
        return Ok(Reading::NotApplicable(why));
    }
    let because = found.profile.map(|name| format!("profile {name}"));
    Ok(Reading::Value(Value::text(found.mode), because))
}

/// Why no profile is asked for.
fn exempt(sight: Sight, policy: &Policy) -> HostResult<Option<String>> {
    let host = sight.host;
    if host.stat(Path::new(PROFILE))?.is_none() {
        let why = format!("there is no {PROFILE}, which the Debian package brings");
        return Ok(Some(why));
    }
    if host.stat(Path::new(LOADED))?.is_none() {
        let why = format!("there is no {LOADED}: whoever runs this container loads its profiles");
        return Ok(Some(why));
    }
    Ok(apparmor::outside(policy, &sight.facts.linked).map(|path| {
        format!("{path} is none of the places of {PROFILE}, or a link leads elsewhere from there: see its head for what to add")
    }))
}
