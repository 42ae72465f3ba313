//! The user `default` on its way out: the password that it had, and who still logs in with it.

use super::{Reading, Sight, secret};
use crate::facts::View;
use crate::host::{Host, HostError, HostResult};
use crate::policy::Policy;
use crate::redis::config;
use crate::value::{Access, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// The policy whose `default` has its password in this file.
pub fn of<'a>(sight: Sight<'a>, path: &Path) -> Option<&'a Policy> {
    let policies = sight.facts.instances.values().map(|known| &known.policy);
    let mut open = policies.filter(|policy| policy.default_lets_in(sight.facts.today));
    open.find(|policy| policy.legacy_secret_file() == path)
}

/// Takes the password from the configuration that the server had before; never a new one, which no program would know.
pub fn write(sight: Sight, policy: &Policy, path: &Path, access: &Access) -> HostResult<()> {
    let (uid, gid) = super::file::ids(path, access)?;
    if secret::password(sight.host, path)?.is_some() {
        return sight.host.set_access(path, access.mode, uid, gid);
    }
    match password(sight.host, policy)? {
        Some(password) => {
            let line = format!("{password}\n");
            sight
                .host
                .write_file(path, line.as_bytes(), access.mode, uid, gid)
        }
        None => Err(HostError::refused(
            format!(
                "taking over the password of default into {}",
                path.display()
            ),
            format!(
                "neither the policy nor {} has a requirepass: write the password that programs use into it, or leave [legacy] out",
                policy.stock_config().display()
            ),
        )),
    }
}

/// The password of `default`: the one taken over, or what the server's own configuration says.
pub fn password(host: &Host, policy: &Policy) -> HostResult<Option<String>> {
    if let Some(password) = secret::password(host, &policy.legacy_secret_file())? {
        return Ok(Some(password));
    }
    if let Some(given) = policy.legacy.password.reveal() {
        return Ok(Some(given.to_owned()));
    }
    let text = host.read_untrusted(&policy.stock_config())?;
    let lines = config::parse(&String::from_utf8_lossy(&text.unwrap_or_default()));
    let mut given = lines.into_iter().rev();
    let found = given.find(|(name, _)| name == "requirepass");
    let password = found.and_then(|(_, words)| words.into_iter().next());
    Ok(password.filter(|p| !p.is_empty() && !p.chars().any(char::is_control)))
}

/// How many clients of each address are `default`. One that has not logged in counts as it, too: Redis tells them not apart.
pub fn read_clients(sight: Sight, instance: &str) -> Reading {
    let Some(known) = sight.facts.instances.get(instance) else {
        return Reading::NotApplicable(format!("{instance} is not running"));
    };
    let clients = match &known.view {
        View::NotRunning => return Reading::NotApplicable(format!("{instance} is not running")),
        View::Silent(why) => return Reading::Unknown(why.clone()),
        View::Told(told) => match &told.of_default.0 {
            Ok(clients) => clients,
            Err(why) => return Reading::Unknown(format!("CLIENT LIST: {why}")),
        },
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for address in clients {
        *counts.entry(address).or_default() += 1;
    }
    let words: Vec<String> = counts.iter().map(|(a, n)| format!("{a}×{n}")).collect();
    match words.is_empty() {
        true => Reading::Absent,
        false => Reading::Value(Value::Words(words), None),
    }
}
