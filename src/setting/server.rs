//! A running server: its process, its directives, its INFO, and what it answers a client without password.

mod apparmor;
mod control_group;
mod mounted;
mod sandbox;

use super::kernel::{self, typed};
use super::{Reading, Sight};
use crate::facts::View;
use crate::host::Host;
use crate::redis::Told;
use crate::redis::effective::is_secret;
use crate::value::Value;
use procfs::process::{Process, Status};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::rc::Rc;

/// Something of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessFact {
    /// The name of its effective user. Text.
    User,
    /// The soft limit of open files.
    Nofile,
    /// The soft limit of a core file, in bytes.
    Core,
    /// Whether its binary has been replaced since it started.
    Replaced,
    /// Bytes of it that are swapped out.
    Swapped,
    /// Effective capabilities, as a bit mask.
    Capabilities,
    /// Whether it may gain privileges by an exec: 1 for no.
    NoNewPrivileges,
    /// Whether the kernel may give it transparent huge pages.
    HugePages,
    /// The program that it runs, as the kernel names it. Text.
    Executable,
    /// How system calls are filtered: 0 not at all, 1 strictly, 2 by a filter.
    Seccomp,
    /// How readily the kernel kills it when memory runs out, -1000 to 1000.
    OomScoreAdj,
    /// How many processes of its control group the kernel has killed for want of memory.
    OomKills,
    /// Whether what lies in the data directory can be run as a program, or loaded as a module.
    DataExecutable,
    /// Which layers its sandbox lacks, by the supervisor's word as far as /proc bears it out. Words.
    MissingLayers,
    /// What AppArmor does with what its profile does not allow: `enforce`, `complain`, `kill`; `unconfined` without a profile. Text.
    AppArmor,
}

impl fmt::Display for ProcessFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProcessFact::User => "user",
            ProcessFact::Nofile => "open files",
            ProcessFact::Core => "core file size",
            ProcessFact::Replaced => "binary replaced since start",
            ProcessFact::Swapped => "bytes swapped out",
            ProcessFact::Capabilities => "effective capabilities",
            ProcessFact::NoNewPrivileges => "no_new_privs",
            ProcessFact::HugePages => "huge pages allowed",
            ProcessFact::Executable => "program",
            ProcessFact::Seccomp => "system call filter",
            ProcessFact::OomScoreAdj => "oom_score_adj",
            ProcessFact::OomKills => "processes killed for want of memory",
            ProcessFact::DataExecutable => "data directory executable",
            ProcessFact::MissingLayers => "sandbox lacks",
            ProcessFact::AppArmor => "AppArmor",
        })
    }
}

/// A fact of an instance's process.
pub fn read_process(sight: Sight, instance: &str, what: ProcessFact) -> Reading {
    let Some(known) = sight.facts.instances.get(instance) else {
        return not_running(instance);
    };
    if let Some(why) = known.doubt() {
        return Reading::Unknown(why);
    }
    if what == ProcessFact::MissingLayers {
        return sandbox::missing(known.report.as_ref());
    }
    let Some(pid) = known.pid() else {
        return match &known.view {
            View::NotRunning => not_running(instance),
            View::Silent(why) => Reading::Unknown(format!("its process is not known: {why}")),
            View::Told(_) => Reading::Unknown("it does not tell its process id".into()),
        };
    };
    if what == ProcessFact::AppArmor {
        return apparmor::read(sight, pid, &known.policy);
    }
    let found = match what {
        ProcessFact::DataExecutable => mounted::data_executable(sight, pid, &known.policy),
        _ => fact(sight, pid, what),
    };
    match found {
        Ok(Some(value)) => Reading::Value(value, None),
        Ok(None) => Reading::NotApplicable(format!("this kernel does not tell {what}")),
        Err(e) => Reading::Unknown(format!("reading /proc/{pid}: {e}")),
    }
}

fn fact(sight: Sight, pid: i32, what: ProcessFact) -> procfs::ProcResult<Option<Value>> {
    let process = Process::new_with_root(sight.host.real(Path::new(&format!("/proc/{pid}"))))?;
    let limit = |value: procfs::process::LimitValue| match value {
        procfs::process::LimitValue::Unlimited => i64::MAX,
        procfs::process::LimitValue::Value(n) => i64::try_from(n).unwrap_or(i64::MAX),
    };
    Ok(Some(match what {
        ProcessFact::User => Value::text(sight.facts.user_of(status(sight, &process)?.euid).name),
        ProcessFact::Nofile => Value::Int(limit(process.limits()?.max_open_files.soft_limit)),
        ProcessFact::Core => Value::Int(limit(process.limits()?.max_core_file_size.soft_limit)),
        ProcessFact::Replaced => {
            Value::Flag(process.exe()?.to_string_lossy().ends_with(" (deleted)"))
        }
        ProcessFact::Swapped => {
            let kib = status(sight, &process)?.vmswap.unwrap_or(0);
            Value::Int(i64::try_from(kib * 1024).unwrap_or(i64::MAX))
        }
        ProcessFact::Capabilities => {
            Value::Int(i64::try_from(status(sight, &process)?.capeff).unwrap_or(i64::MAX))
        }
        ProcessFact::NoNewPrivileges => match status(sight, &process)?.nonewprivs {
            Some(flag) => Value::Int(i64::try_from(flag).unwrap_or(0)),
            None => return Ok(None),
        },
        ProcessFact::HugePages => match status(sight, &process)?.thp_enabled {
            Some(flag) => Value::Flag(flag),
            None => return Ok(None),
        },
        ProcessFact::Executable => Value::text(process.exe()?.to_string_lossy()),
        ProcessFact::Seccomp => match status(sight, &process)?.seccomp {
            Some(mode) => Value::Int(i64::from(mode)),
            None => return Ok(None),
        },
        ProcessFact::OomScoreAdj => Value::Int(i64::from(process.oom_score_adj()?)),
        ProcessFact::OomKills => return control_group::oom_kills(sight.host, &process),
        // Read above, with what else is known of the instance.
        ProcessFact::DataExecutable | ProcessFact::MissingLayers | ProcessFact::AppArmor => {
            return Ok(None);
        }
    }))
}

/// A sysctl of the server's own network namespace, where it has one: a container's, or its unit's.
pub fn read_sysctl(sight: Sight, instance: &str, key: &str) -> Reading {
    let known = sight.facts.instances.get(instance);
    let Some(pid) = known.and_then(|known| known.pid()) else {
        return not_running(instance);
    };
    match sight.host.has_other_network(pid) {
        Some(true) => {}
        Some(false) => return Reading::NotApplicable("it is on this host's network".into()),
        None => return Reading::Unknown(format!("/proc/{pid}/ns/net cannot be looked at")),
    }
    let look = |host: &Host| kernel::read(host, key);
    match sight.host.in_network_of(pid, look) {
        Ok(found) => found.into(),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// As which user and group a process acts.
pub(super) fn ids(sight: Sight, pid: i32) -> procfs::ProcResult<(u32, u32)> {
    let process = Process::new_with_root(sight.host.real(Path::new(&format!("/proc/{pid}"))))?;
    let status = status(sight, &process)?;
    Ok((status.euid, status.egid))
}

/// A process's status; in a pass of judging it is read once.
fn status(sight: Sight, process: &Process) -> procfs::ProcResult<Rc<Status>> {
    let known = sight
        .memo
        .and_then(|memo| memo.statuses.borrow().get(&process.pid).cloned());
    if let Some(known) = known {
        return Ok(known);
    }
    let status = Rc::new(process.status()?);
    if let Some(memo) = sight.memo {
        memo.statuses
            .borrow_mut()
            .insert(process.pid, Rc::clone(&status));
    }
    Ok(status)
}

/// A directive as the running server has it.
pub fn read_directive(sight: Sight, instance: &str, name: &str) -> Reading {
    optional(sight, instance, "CONFIG GET", |told| {
        let value = match (told.directives.get(name), &told.unconfigured) {
            (None, Some(why)) => return Err(why.to_string()),
            (value, _) => value,
        };
        Ok(value.map(|value| {
            let secret = is_secret(name) && !value.is_empty();
            typed(if secret { "(set)" } else { value })
        }))
    })
}

/// The modules that the running server has loaded from files: `NAME:FILE`.
pub fn read_modules(sight: Sight, instance: &str) -> Reading {
    optional(sight, instance, "MODULE LIST", |told| {
        let modules = told.modules.0.as_ref().map_err(Clone::clone)?;
        let loaded = modules.iter().filter(|(_, file)| !file.is_empty());
        let names: Vec<String> = loaded.map(|(n, file)| format!("{n}:{file}")).collect();
        Ok((!names.is_empty()).then_some(Value::Words(names)))
    })
}

/// Refusals of the last day, by their reason: a deployment that goes wrong, or somebody who tries.
pub fn read_refusals(sight: Sight, instance: &str) -> Reading {
    const DAY: f64 = 86_400.0;
    optional(sight, instance, "ACL LOG", |told| {
        let all = told.refusals.0.as_ref().map_err(Clone::clone)?;
        let mut counts: BTreeMap<&str, (u64, f64)> = BTreeMap::new();
        for refusal in all.iter().filter(|refusal| refusal.age < DAY) {
            let (count, age) = counts.entry(&refusal.reason).or_insert((0, f64::INFINITY));
            *count += refusal.count;
            *age = age.min(refusal.age);
        }
        let told = counts.iter().map(|(reason, (count, age))| {
            format!("{reason} refused {count} times, last {age:.0} s ago")
        });
        let told: Vec<String> = told.collect();
        Ok((!told.is_empty()).then_some(Value::Words(told)))
    })
}

/// A field of CLUSTER INFO; a server that is no part of a cluster has none.
pub fn read_cluster(sight: Sight, instance: &str, field: &str) -> Reading {
    optional(sight, instance, "CLUSTER INFO", |told| {
        let fields = told.cluster.0.as_ref().map_err(Clone::clone)?;
        Ok(fields.get(field).map(|value| typed(value)))
    })
}

/// What a server may refuse to tell.
fn optional(
    sight: Sight,
    instance: &str,
    question: &str,
    pick: impl Fn(&Told) -> Result<Option<Value>, String>,
) -> Reading {
    let known = sight.facts.instances.get(instance);
    match known.map(|known| &known.view) {
        None | Some(View::NotRunning) => not_running(instance),
        Some(View::Silent(why)) => Reading::Unknown(why.clone()),
        Some(View::Told(told)) => match pick(told) {
            Ok(Some(value)) => Reading::Value(value, None),
            Ok(None) => Reading::Absent,
            Err(why) => Reading::Unknown(format!("{question}: {why}")),
        },
    }
}

/// A field of INFO.
pub fn read_info(sight: Sight, instance: &str, field: &str) -> Reading {
    optional(sight, instance, "INFO", |told| {
        match (told.info.get(field), &told.uninformed) {
            (None, Some(why)) => Err(why.to_string()),
            (value, _) => Ok(value.map(|value| typed(value))),
        }
    })
}

/// `refused`, or `open`, to a client that sends no password.
pub fn read_anonymous(sight: Sight, instance: &str) -> Reading {
    let Some(known) = sight.facts.instances.get(instance) else {
        return not_running(instance);
    };
    match (&known.anonymous, &known.view) {
        (Ok(true), _) => Reading::Value(Value::text("open"), None),
        (Ok(false), _) => Reading::Value(Value::text("refused"), None),
        (Err(_), View::NotRunning) => not_running(instance),
        (Err(why), _) => Reading::Unknown(why.clone()),
    }
}

fn not_running(instance: &str) -> Reading {
    Reading::NotApplicable(format!("{instance} is not running"))
}
