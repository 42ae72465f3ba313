//! A running server: its process, its directives, its INFO, and what it answers a client without password.

use super::{Reading, Sight};
use crate::facts::{Instance, View};
use crate::host::{Host, HostResult};
use crate::redis::config;
use crate::value::Value;
use procfs::process::Process;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

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
        })
    }
}

/// A fact of an instance's process.
pub fn read_process(sight: Sight, instance: &str, what: ProcessFact) -> Reading {
    let Some(known) = sight.facts.instances.get(instance) else {
        return not_running(instance);
    };
    let Some(pid) = known.pid() else {
        return match &known.view {
            View::NotRunning => not_running(instance),
            View::Silent(why) => Reading::Unknown(format!("its process is not known: {why}")),
            View::Told(_) => Reading::Unknown("it does not tell its process id".into()),
        };
    };
    match fact(sight, pid, what) {
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
        ProcessFact::User => Value::text(sight.facts.user_of(process.status()?.euid).name),
        ProcessFact::Nofile => Value::Int(limit(process.limits()?.max_open_files.soft_limit)),
        ProcessFact::Core => Value::Int(limit(process.limits()?.max_core_file_size.soft_limit)),
        ProcessFact::Replaced => {
            Value::Flag(process.exe()?.to_string_lossy().ends_with(" (deleted)"))
        }
        ProcessFact::Swapped => {
            let kib = process.status()?.vmswap.unwrap_or(0);
            Value::Int(i64::try_from(kib * 1024).unwrap_or(i64::MAX))
        }
        ProcessFact::Capabilities => {
            Value::Int(i64::try_from(process.status()?.capeff).unwrap_or(i64::MAX))
        }
        ProcessFact::NoNewPrivileges => match process.status()?.nonewprivs {
            Some(flag) => Value::Int(i64::try_from(flag).unwrap_or(0)),
            None => return Ok(None),
        },
        ProcessFact::HugePages => match process.status()?.thp_enabled {
            Some(flag) => Value::Flag(flag),
            None => return Ok(None),
        },
    }))
}

/// A directive as the running server has it.
pub fn read_directive(sight: Sight, instance: &str, name: &str) -> Reading {
    told(sight, instance, |known| match &known.view {
        View::Told(told) => told.directives.get(name).map(Value::text),
        _ => None,
    })
}

/// A field of INFO.
pub fn read_info(sight: Sight, instance: &str, field: &str) -> Reading {
    told(sight, instance, |known| match &known.view {
        View::Told(told) => told.info.get(field).map(Value::text),
        _ => None,
    })
}

fn told(sight: Sight, instance: &str, pick: impl Fn(&Instance) -> Option<Value>) -> Reading {
    let Some(known) = sight.facts.instances.get(instance) else {
        return not_running(instance);
    };
    match &known.view {
        View::NotRunning => not_running(instance),
        View::Silent(why) => Reading::Unknown(why.clone()),
        View::Told(_) => pick(known).map_or(Reading::Absent, |value| Reading::Value(value, None)),
    }
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

/// The arguments of every line of a directive in a configuration file, one word a line.
pub fn read_config_file(host: &Host, path: &Path, name: &str) -> HostResult<Option<Value>> {
    let Some(text) = host.read_text(path)? else {
        return Ok(None);
    };
    let lines: Vec<String> = config::parse(&text)
        .into_iter()
        .filter(|(n, _)| n == name)
        .map(|(_, arguments)| arguments.join(" "))
        .collect();
    Ok((!lines.is_empty()).then_some(Value::Words(lines)))
}

fn not_running(instance: &str) -> Reading {
    Reading::NotApplicable(format!("{instance} is not running"))
}
