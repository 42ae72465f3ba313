//! `[redis]`: which server, where it listens, how much it may hold.

use crate::policy::scalar::{Auto, Memory, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `[redis]`: the server.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Redis {
    /// The instance; `default` is Debian's `redis-server.service`, any other is `redis-server@NAME.service`.
    pub name: Name,
    /// The server: `redis` or `valkey`.
    pub flavour: Flavour,
    /// How a missing server gets here: `apt` (the host's package manager) or `never` (it is a finding).
    pub install: Install,
    /// The oldest package version that passes, by dpkg's ordering; by default Redis 5:7.0.15, Valkey 8.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"5:7.0.15")]
    pub minimum_version: Option<String>,
    /// Addresses to listen on; a leading `-` means "if this host has it".
    pub bind: Vec<String>,
    /// TCP port in clear text; 0 listens on the unix socket only. `tls.enabled` closes it.
    pub port: u16,
    /// `auto` is `/run/redis/redis-server.sock` (`/run/redis-NAME/…` for a named instance).
    pub unix_socket: Auto<PathBuf>,
    /// Clients at once; each takes a file descriptor.
    #[schemars(range(min = 1, max = 1000000))]
    pub maxclients: u32,
    /// Connections that wait for accept(2); `kernel.somaxconn` caps it.
    #[schemars(range(min = 1, max = 65535))]
    pub tcp_backlog: u32,
    /// Seconds after which an idle client is closed; 0 never.
    pub timeout: u32,
    /// Seconds between TCP keep-alive probes; 0 none.
    pub tcp_keepalive: u32,
    /// `auto` (RAM or cgroup limit divided by `memory.headroom`), a size, or a percentage of RAM.
    pub maxmemory: Memory,
    /// What Redis evicts when maxmemory is reached: `noeviction`, `allkeys-lru`, `allkeys-lfu`, `volatile-ttl` and so on.
    pub maxmemory_policy: String,
    /// Numbered databases.
    #[schemars(range(min = 1, max = 16384))]
    pub databases: u32,
    /// `debug`, `verbose`, `notice` or `warning`.
    pub log_level: LogLevel,
    /// `auto` is `/var/log/redis/redis-server.log` (`redis-server-NAME.log`); `stdout` is for a container.
    pub log_file: Auto<PathBuf>,
    /// `auto` is `/var/lib/redis` (`/var/lib/redis-NAME`).
    pub data_dir: Auto<PathBuf>,
    /// Whether a restart may lose all keys: of a cache that keeps nothing on disk. Without it such a server is not restarted.
    pub disposable: bool,
    /// Any other redis.conf directive, verbatim.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({"lazyfree-lazy-user-del": "yes", "client-output-buffer-limit": ["replica 256mb 64mb 60"]}))]
    pub directives: BTreeMap<String, DirectiveValue>,
}

impl Default for Redis {
    fn default() -> Self {
        Redis {
            name: Name::default_instance(),
            flavour: Flavour::Redis,
            install: Install::Apt,
            minimum_version: None,
            bind: vec!["127.0.0.1".into(), "-::1".into()],
            port: 6379,
            unix_socket: Auto::Auto,
            maxclients: 10_000,
            tcp_backlog: 511,
            timeout: 0,
            tcp_keepalive: 300,
            maxmemory: Memory::Auto,
            maxmemory_policy: "noeviction".into(),
            databases: 16,
            log_level: LogLevel::Notice,
            log_file: Auto::Auto,
            data_dir: Auto::Auto,
            disposable: false,
            directives: BTreeMap::new(),
        }
    }
}

/// Which server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    #[default]
    Redis,
    Valkey,
}

/// How a missing server gets here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Install {
    /// By the host's package manager.
    #[default]
    Apt,
    /// Not by us: a missing server is a finding.
    Never,
}

/// redis.conf's `loglevel`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    Verbose,
    #[default]
    Notice,
    Warning,
}

/// The value of a verbatim directive: one line's arguments, or several lines.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a directive is a text, a number, true, false, or a list of texts"
)]
pub enum DirectiveValue {
    Flag(bool),
    Number(i64),
    Line(String),
    Lines(Vec<String>),
}

impl DirectiveValue {
    /// Its argument, where it is a text.
    pub fn text(&self) -> Option<&str> {
        match self {
            DirectiveValue::Line(line) => Some(line.trim_matches(['"', '\''])),
            _ => None,
        }
    }
}
