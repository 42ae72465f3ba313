//! Servers that run on this host and belong to no instance of the policy.

use super::processes::{Seen, seen};
use super::{Reading, Sight};
use crate::host::{Host, HostResult};
use crate::supervise::state;
use crate::value::Value;
use std::collections::BTreeSet;
use std::path::Path;

const SERVERS: [&str; 2] = ["redis-server", "valkey-server"];

/// `FILE:PID` of each. Those of a container are its own host's.
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
    for process in seen(sight)?.iter() {
        if !is_server(process) || is_sentinel(sight, process) || ours.contains(&process.pid) {
            continue;
        }
        // A save is a child of its server.
        let parent = state::identify(sight.host, process.pid)?.map(|p| p.parent);
        let there = namespace(sight.host, &process.pid.to_string());
        let elsewhere = there.is_some_and(|ns| Some(ns) != here);
        if !elsewhere && parent.is_none_or(|parent| !ours.contains(&parent)) {
            strays.push(process.to_string());
        }
    }
    Ok(strays)
}

/// By its file or by its own name: Debian's server is a link to redis-check-rdb, and a copy may have any name.
fn is_server(process: &Seen) -> bool {
    SERVERS
        .iter()
        .any(|server| process.is_called(server) || process.calls_itself(server))
}

/// A Sentinel is the same program by another name; where none is configured, nothing may hide behind it.
fn is_sentinel(sight: Sight, process: &Seen) -> bool {
    let names = ["redis-sentinel", "valkey-sentinel"];
    !sight.facts.sentinels.is_empty() && names.iter().any(|name| process.calls_itself(name))
}

/// The PID namespace of a process, as far as it may be looked at.
fn namespace(host: &Host, pid: &str) -> Option<std::path::PathBuf> {
    let link = Path::new("/proc").join(pid).join("ns/pid");
    host.read_magic_link(&link).ok().flatten()
}
