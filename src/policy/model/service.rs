//! `[service]`: starts, stops, restarts and the priority of the server.

use crate::contain::seccomp::Seccomp;
use crate::policy::scalar::{Duration, HangTimeout};
use crate::policy::scheduling::CpuList;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[service]`: how the supervisor runs the server.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Service {
    /// How long a start may take, loading included.
    pub start_timeout: Duration,
    /// How long a stop may take before SIGKILL, which what would lose data does not get; at least 25 s and twice the last snapshot's time.
    pub stop_timeout: Duration,
    /// Whether a stop may lose what Redis cannot save: `deny` waits for it, longer than stop-timeout; `allow` kills it then.
    pub data_loss_on_stop: DataLoss,
    /// How long Redis may be silent although it works, before it is replaced; `never` also where it does nothing any more.
    pub hang_timeout: HangTimeout,
    /// First delay of the back-off between restarts; the very first restart is at once.
    pub backoff: Duration,
    /// Longest delay of the back-off.
    pub backoff_max: Duration,
    /// Time ready after which the back-off starts over.
    pub backoff_reset: Duration,
    /// What becomes of a system call that no server of this kind makes: `enforce` refuses it, `audit` only logs it.
    pub seccomp: Seccomp,
    /// Niceness of the server: -20 is served first, 19 last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -20, max = 19), example = 5)]
    pub nice: Option<i32>,
    /// Priority at the disk among ordinary processes: 0 is served first, 7 last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 7), example = 2)]
    pub io_priority: Option<u8>,
    /// The processors that it may run on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"0-3,8")]
    pub cpus: Option<CpuList>,
    /// Whether the server and its supervisor have a process namespace of their own: it takes systemd 257, or a supervisor that root starts.
    /// A supervisor that is killed then takes its server with it at once.
    pub pid_namespace: bool,
    /// Whether `apply --restart NAME` was said: a primary with replicas is not restarted otherwise.
    #[serde(skip)]
    pub restart_is_named: bool,
}

impl Default for Service {
    fn default() -> Self {
        Service {
            start_timeout: Duration::seconds(300),
            stop_timeout: Duration::seconds(120),
            data_loss_on_stop: DataLoss::Deny,
            hang_timeout: HangTimeout::default(),
            backoff: Duration::millis(100),
            backoff_max: Duration::seconds(30),
            backoff_reset: Duration::seconds(60),
            seccomp: Seccomp::Enforce,
            nice: None,
            io_priority: None,
            cpus: None,
            pid_namespace: false,
            restart_is_named: false,
        }
    }
}

/// Whether a stop may lose what Redis cannot save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DataLoss {
    #[default]
    Deny,
    Allow,
}
