//! The sections of a policy, as typed data with their defaults. Nothing here reads a file.

use crate::contain::seccomp::Seccomp;
use crate::policy::Hidden;
use crate::policy::rate::ConnectionRate;
use crate::policy::scalar::{
    Auto, Cidr, Duration, HangTimeout, Memory, Name, Octal, Size, SysctlRule,
};
use crate::policy::scheduling::CpuList;
use crate::policy::tls::Tls;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One instance's policy: what a host and its Redis must be.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Policy {
    /// A built-in profile (`production`, `cache`, `durable`, `strict`, `container`) or a path, relative to this file. Without it: `production`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"production")]
    pub extends: Option<String>,
    /// The server.
    pub redis: Redis,
    /// The kernel's settings: host-wide, the strictest of all instances.
    pub kernel: Kernel,
    /// Memory.
    pub memory: MemorySection,
    /// Resource limits of the server's process.
    pub limits: Limits,
    /// The packet filter.
    pub firewall: Firewall,
    /// What is on disk.
    pub persistence: Persistence,
    /// ACL users by name. `admin` (root's apply) and `agent` (the supervisor's) always exist.
    pub acl: BTreeMap<Name, AclUser>,
    /// What this server shows its primary.
    pub replication: Replication,
    /// Encrypted connections.
    pub tls: Tls,
    /// How the supervisor runs the server.
    pub service: Service,
    /// Programs that know no users yet.
    pub legacy: Legacy,
    /// Accepted findings. Waivers add up: an overlay never drops one that it does not repeat.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiver: Vec<Waiver>,
}

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

/// `[kernel]`: host-wide; over several instances the strictest holds.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Kernel {
    /// `vm.overcommit_memory`: 1 is what Redis asks for.
    #[schemars(range(min = 0, max = 2))]
    pub overcommit_memory: u8,
    /// `net.core.somaxconn`, at least.
    #[schemars(range(min = 1, max = 2147483647))]
    pub somaxconn: u32,
    /// `net.ipv4.tcp_max_syn_backlog`, at least.
    #[schemars(range(min = 1, max = 2147483647))]
    pub tcp_max_syn_backlog: u32,
    /// `vm.swappiness`, at most.
    #[schemars(range(min = 0, max = 200))]
    pub swappiness: u32,
    /// Any other sysctl: a value, `{ at-least = N }` or `{ at-most = N }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({"vm.max_map_count": {"at-least": 65530}, "net.ipv4.tcp_tw_reuse": 1}))]
    pub sysctl: BTreeMap<String, SysctlRule>,
}

impl Default for Kernel {
    fn default() -> Self {
        Kernel {
            overcommit_memory: 1,
            somaxconn: 4096,
            tcp_max_syn_backlog: 4096,
            swappiness: 10,
            sysctl: BTreeMap::new(),
        }
    }
}

/// `[memory]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MemorySection {
    /// `madvise` (which `never` satisfies too) or `never`.
    pub transparent_huge_pages: HugePages,
    /// Memory limit ÷ maxmemory that `maxmemory = "auto"` leaves for fragmentation, copy-on-write and buffers.
    #[schemars(range(min = 1.0, max = 10.0))]
    pub headroom: f64,
    /// Memory of the unit, its saving child included, under systemd. `auto`: 2.75 times maxmemory where data is saved, 1.75 times otherwise,
    /// and 256 MiB, where the machine has more than that; `"0"` is no limit.
    pub limit: Auto<Size>,
}

impl Default for MemorySection {
    fn default() -> Self {
        MemorySection {
            transparent_huge_pages: HugePages::Madvise,
            headroom: 2.0,
            limit: Auto::Auto,
        }
    }
}

/// The mode of transparent huge pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HugePages {
    Never,
    #[default]
    Madvise,
}

/// `[limits]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Open files; `auto` is what maxclients needs, and not below 65535.
    pub nofile: Auto<u32>,
}

/// `[firewall]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Firewall {
    /// Whether a packet filter of our own guards Redis's ports.
    pub enabled: bool,
    /// Networks that may reach Redis's ports; loopback always may.
    pub allow: Vec<Cidr>,
    /// Networks that Redis itself may connect to (replication, cluster, Sentinel); no other reaches the bus of a cluster.
    pub peers: Vec<Cidr>,
    /// Further TCP ports of this host that only `allow` reaches, such as an exporter's.
    pub ports: Vec<u16>,
    /// Name servers that Redis may ask (port 53), where it is given names instead of addresses.
    pub resolvers: Vec<Cidr>,
    /// How often one source may connect: `off`, or such as `100/second`; an IPv6 source is a /64.
    pub connection_rate: ConnectionRate,
    /// Redis's ports where Docker or another publishes them from a container: `report` them, or `close` them to all but `allow`.
    pub published_ports: PublishedPorts,
}

/// What becomes of a port of Redis's that passes the host on its way to a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PublishedPorts {
    #[default]
    Report,
    Close,
}

impl Default for Firewall {
    fn default() -> Self {
        Firewall {
            enabled: true,
            allow: Vec::new(),
            peers: Vec::new(),
            ports: Vec::new(),
            resolvers: Vec::new(),
            connection_rate: ConnectionRate::Off,
            published_ports: PublishedPorts::Report,
        }
    }
}

/// `[persistence]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Persistence {
    /// `SECONDS CHANGES` pairs; empty turns snapshots off.
    pub save: Vec<String>,
    /// Whether every write is logged (AOF).
    pub appendonly: bool,
    /// When the AOF reaches the disk: `always`, `everysec` or `no`.
    pub appendfsync: Fsync,
}

impl Default for Persistence {
    fn default() -> Self {
        Persistence {
            save: vec!["3600 1".into(), "300 100".into(), "60 10000".into()],
            appendonly: true,
            appendfsync: Fsync::Everysec,
        }
    }
}

/// When the AOF reaches the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    Always,
    #[default]
    Everysec,
    No,
}

/// `[acl.NAME]`: a user of Redis.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AclUser {
    /// Ready-made rules: `admin`, `agent`, `application`, `read-only`, `metrics`, `backup`, `replica` or `sentinel`; `rules` come after them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"application")]
    pub role: Option<Role>,
    /// ACL rules, such as `"~app:* +@read"`. Passwords do not belong here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"~app:* +@read")]
    pub rules: Option<String>,
    /// Where the password is; by default `/etc/redis-harden/secrets/NAME`, generated when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/redis-harden/secrets/app")]
    pub password_file: Option<PathBuf>,
    /// The systemd credential that holds the password, such as in `/etc/credstore.encrypted`; never together with a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"redis-app")]
    pub password_credential: Option<String>,
    /// Owner of the password file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"root")]
    pub owner: Option<String>,
    /// Group of the password file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"www-data")]
    pub group: Option<String>,
    /// Mode of the password file; `"0600"` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"0640")]
    pub mode: Option<Octal>,
}

/// `[replication]`: as whom this server logs in at its primary, now or after a failover.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Replication {
    /// The ACL user, with its password; every node of a set has the same. Without it nothing is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"app")]
    pub user: Option<Name>,
}

/// `[legacy]`: programs that log in with a password alone, which is the user `default`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Legacy {
    /// `YYYY-MM-DD`, the last day (UTC) on which `default` lets in, with the password in `secrets/default`; without it `default` is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2099-12-31")]
    pub default_until: Option<String>,
    /// ACL rules of `default` until then, after those of the role `application`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"+keys")]
    pub rules: Option<String>,
    /// What `requirepass` under `[redis.directives]` said.
    #[serde(skip)]
    pub password: Hidden,
}

/// A least-privilege set of ACL rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything.
    Admin,
    /// What the supervisor asks.
    Agent,
    /// Reads and writes; no administration, no scripts.
    Application,
    /// Reads, and no channels.
    ReadOnly,
    /// What an exporter asks; no key.
    Metrics,
    /// Snapshots, and a copy of all data over the connection.
    Backup,
    /// What a replica asks of its primary.
    Replica,
    /// What a Sentinel asks of the servers that it watches.
    Sentinel,
}

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

/// `[[waiver]]`: a finding that somebody accepts, and why.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Waiver {
    /// A glob over control ids.
    #[schemars(example = &"kernel.swappiness")]
    pub control: String,
    /// Why it is accepted; a report shows it.
    #[schemars(example = &"shared with a database that needs swap; decided by the platform team")]
    pub reason: String,
    /// `YYYY-MM-DD`, the last day on which it counts; afterwards the control fails again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2099-12-31")]
    pub expires: Option<String>,
}
