//! Settings for the twin of a server that this program does not run: the file that it was started with, and whose process it is.

use crate::facts::{Facts, Instance, View};
use crate::host::Host;
use crate::policy::Policy;
use crate::redis::config;
use crate::supervise::settings::Settings;
use std::path::{Path, PathBuf};

/// Larger than any honest configuration.
const MOST: u64 = 1 << 20;

/// Its settings, and its configuration.
pub fn settings(host: &Host, facts: &Facts, policy: &Policy) -> Result<(Settings, String), String> {
    let known = facts.instances.get(policy.redis.name.as_str());
    let file = file(known, policy)?;
    let conf = host.read_untrusted_below(&file, MOST);
    let conf = conf.map_err(|e| e.to_string())?.ok_or_else(|| {
        format!(
            "there is no server here: neither {} nor {}",
            policy.settings_file().display(),
            file.display()
        )
    })?;
    let conf = String::from_utf8_lossy(&conf).into_owned();
    let lines = config::parse(&conf);
    let path = |name: &str| -> Result<Option<PathBuf>, String> {
        let mut found = lines.iter().rev().filter(|(n, _)| n == name);
        let word = found.next().and_then(|(_, words)| words.first());
        match word.filter(|word| !word.is_empty()).map(PathBuf::from) {
            Some(path) if !path.is_absolute() => Err(format!("{name} is not absolute there")),
            path => Ok(path),
        }
    };
    let server = host
        .find_program(policy.package())
        .ok_or_else(|| format!("{} is not installed", policy.package()))?;
    let text = |path: &Path| path.display().to_string();
    let user = user(host, facts, known, policy)?;
    let data = path("dir")?.unwrap_or_else(|| policy.data_dir());
    let acl_file = path("aclfile")?.unwrap_or_else(|| file.clone());
    let rendered = serde_json::json!({
        "instance": policy.redis.name,
        "server": text(&server),
        "config": text(&file),
        "acl-file": text(&acl_file),
        "agent-secret": "/nonexistent",
        "user": user,
        "group": policy.group(),
        "unix-socket": path("unixsocket")?.map(|p| text(&p)),
        "port": 0,
        "log-file": path("logfile")?.map(|p| text(&p)),
        "state-dir": "/run/redis-harden-twin",
        "run-dir": text(&policy.run_dir()),
        "data-dir": text(&data),
        "nofile": policy.nofile_wanted(),
        "maxclients": policy.redis.maxclients,
        "start-timeout": "30s",
        "stop-timeout": "10s",
        "backoff": "100ms",
        "backoff-max": "30s",
        "backoff-reset": "60s",
        "unit-sha256": "",
    });
    let settings = serde_json::from_value(rendered);
    Ok((settings.map_err(|e| e.to_string())?, conf))
}

/// What the server tells of it; where none runs, the package's.
fn file(known: Option<&Instance>, policy: &Policy) -> Result<PathBuf, String> {
    let told = match known.map(|known| &known.view) {
        Some(View::Told(told)) => told.info.get("config_file"),
        Some(View::Silent(why)) => {
            return Err(format!(
                "a server is there, and its configuration is not known: {why}"
            ));
        }
        _ => return Ok(policy.stock_config()),
    };
    match told.map(PathBuf::from) {
        Some(path) if path.is_absolute() => Ok(path),
        _ => Err("its server was started without a configuration file".to_owned()),
    }
}

/// Whose the running server is; where none runs, the package's user.
fn user(
    host: &Host,
    facts: &Facts,
    known: Option<&Instance>,
    policy: &Policy,
) -> Result<String, String> {
    let Some(pid) = known.and_then(Instance::pid) else {
        return Ok(policy.user().to_owned());
    };
    let stat = host.stat(Path::new(&format!("/proc/{pid}")));
    let stat = stat.map_err(|e| e.to_string())?;
    let uid = stat.ok_or("its server has just ended")?.uid;
    let name = facts.accounts.user_name(uid);
    Ok(name.map_or_else(|| uid.to_string(), str::to_owned))
}

/// Of a server whose unit shuts it in: its sandbox is systemd's, and is not imitated.
pub fn other_sandbox(host: &Host, facts: &Facts, policy: &Policy) -> Option<String> {
    let known = facts.instances.get(policy.redis.name.as_str())?;
    let pid = known.pid()?;
    let mounts = |pid: &str| host.read_magic_link(&Path::new("/proc").join(pid).join("ns/mnt"));
    match (mounts("self"), mounts(&pid.to_string())) {
        (Ok(Some(ours)), Ok(Some(its))) if ours == its => None,
        _ => Some(
            "its server is in a sandbox that is not ours (its unit's), which is not imitated"
                .to_owned(),
        ),
    }
}
