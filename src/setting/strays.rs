//! Servers that run on this host and belong to no instance of the policy.

use super::traces::{is_called, process_ids};
use super::{Reading, Sight};
use crate::host::{Host, HostResult};
use crate::supervise::state;
use crate::value::Value;
use std::collections::BTreeSet;
use std::path::Path;

const SERVERS: [&str; 2] = ["redis-server", "valkey-server"];

/// `NAME:PID` of each. Those of a container are its own host's.
pub fn read(sight: Sight) -> Reading {
    match strays(sight) {
        Ok(strays) if strays.is_empty() => Reading::Absent,
        Ok(strays) => Reading::Value(Value::Words(strays), None),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

fn strays(sight: Sight) -> HostResult<Vec<String>> {
    let instances = sight.facts.instances.values();
    let ours: BTreeSet<i32> = instances
        .flat_map(|known| {
            let report = known.report.as_ref();
            let supervisor = report.map(|r| r.supervisor_pid);
            [known.pid(), supervisor, report.and_then(|r| r.server_pid)]
        })
        .flatten()
        .collect();
    let here = namespace(sight.host, "self");
    let mut strays = Vec::new();
    for pid in process_ids(sight.host)? {
        // It may end between two looks.
        let Ok(Some(name)) = sight
            .host
            .read_text(&Path::new("/proc").join(&pid).join("comm"))
        else {
            continue;
        };
        let name = name.trim();
        let Ok(number) = pid.parse::<i32>() else {
            continue;
        };
        if !SERVERS.iter().any(|server| is_called(name, server)) || ours.contains(&number) {
            continue;
        }
        // A save is a child of its server.
        let parent = state::identify(sight.host, number)?.map(|p| p.parent);
        let elsewhere = namespace(sight.host, &pid).is_some_and(|ns| Some(ns) != here);
        if !elsewhere && parent.is_none_or(|parent| !ours.contains(&parent)) {
            strays.push(format!("{name}:{pid}"));
        }
    }
    Ok(strays)
}

/// The PID namespace of a process, as far as it may be looked at.
fn namespace(host: &Host, pid: &str) -> Option<std::path::PathBuf> {
    let link = Path::new("/proc").join(pid).join("ns/pid");
    host.read_magic_link(&link).ok().flatten()
}
