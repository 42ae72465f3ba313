//! A setting is a place on the host that holds one value, or nothing. Each kind is read (`read`), written, saved and put back (`change`) once.

mod above;
pub mod account;
pub mod acl_file;
pub mod arguments;
pub mod build;
mod change;
mod conf_d;
mod config_file;
pub mod credential;
pub mod effective;
pub mod file;
pub mod firewall;
pub mod holes;
pub mod kernel;
pub mod legacy;
pub mod live;
pub mod measure;
mod memo;
mod names;
mod origin;
pub mod package;
pub mod peers;
mod planted;
pub mod ports;
pub mod primary;
mod processes;
mod read;
mod reading;
pub mod rotation;
pub mod scripts;
pub mod secret;
pub mod sentinel;
pub mod server;
pub mod service;
mod strangers;
pub mod strays;
pub mod sysctl_d;
pub mod tls;
mod tmpfiles;
pub mod traces;
pub mod unit;
pub mod users;

pub use memo::{Ahead, Memo};
pub use reading::Reading;

use crate::facts::Facts;
use crate::host::{Host, Image};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A place that holds one value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// A regular file: content, owner and mode. `Value::File`.
    File(PathBuf),
    /// A directory's owner and mode. `Value::Dir`.
    Dir(PathBuf),
    /// A file's or directory's permission bits. `Value::Mode`.
    Mode(PathBuf),
    /// The widest permission bits among the files below a directory. `Value::Mode`.
    ModesBelow(PathBuf),
    /// The password file of an ACL user. `Value::Owned`; the password is generated when it is written first.
    Secret(PathBuf),
    /// The systemd credential with the password of an ACL user. `Value::Present`; text where it is not as it should be.
    Credential(String),
    /// The password that an instance shows its primary, in its file. `Value::Owned`; text where it is another.
    PrimaryPassword { instance: String, path: PathBuf },
    /// Whether a running server of ours has another. `Value::Text`, or nothing.
    LivePrimaryPassword(String),
    /// The owner, group and mode of a file that is there; its content is nobody's to see. `Value::Owned`.
    Access(PathBuf),
    /// The kind of file system that holds a path. `Value::Text`, such as `ext4`.
    FileSystem(PathBuf),
    /// Free bytes where a path is. `Value::Int`.
    FreeSpace(PathBuf),
    /// A sysctl of the running kernel, by its dotted name. `Value::Int` or `Value::Text`.
    Sysctl(String),
    /// The same after a reboot: what the last assignment in sysctl.d says.
    SysctlAtBoot(String),
    /// The same as the other applier of sysctl.d would leave it: procps beside systemd-sysctl, or the reverse.
    SysctlByOther(String),
    /// The programs beside sysctl.d that write one of these sysctls. `Value::Words`, or nothing.
    SysctlByScripts(Vec<String>),
    /// What tuned sets it to when it starts. `Value::Int` or `Value::Text`.
    Tuned(String),
    /// The selected mode of transparent huge pages. `Value::Text`.
    HugePages,
    /// Something measured or counted on the host. `Value::Int` or `Value::Text`.
    Measure(measure::Measure),
    /// Our binary where units find it, against the one that runs. `Value::Flag`.
    Binary { path: PathBuf, source: PathBuf },
    /// A service account. `Value::User`.
    User(String),
    /// A group. `Value::Present`.
    Group(String),
    /// The supplementary groups of a user. `Value::Words`.
    UserGroups(String),
    /// Whether a password opens the account. `Value::Flag`.
    UserPassword(String),
    /// An installed package. `Value::Present`.
    Package(String),
    /// The version of an installed package. `Value::Text`.
    PackageVersion(String),
    /// Whether a package is held back from upgrades. `Value::Flag`.
    PackageHeld(String),
    /// Whether apt has the distribution's security suite. `Value::Flag`.
    SecuritySuite,
    /// What is known of the build of an instance's server. `Value::Text`.
    Build {
        instance: String,
        what: build::BuildFact,
    },
    /// A directive of a unit, drop-ins merged. `Value::Words`.
    Unit { unit: String, key: String },
    /// What in a unit goes around its own sandbox. `Value::Words`, or nothing.
    UnitEscapes(String),
    /// Whether a unit starts at boot. `Value::Flag`.
    UnitEnabled(String),
    /// Whether a timer of ours waits for its time. `Value::Flag`.
    TimerActive(String),
    /// Our nftables table in the kernel. `Value::Firewall`.
    Firewall,
    /// An instance's server, and the files that it was started from. `Value::Serving`.
    Service(String),
    /// The directives that a running server of ours has otherwise than the policy, and takes. `Value::Text`, or nothing.
    Live(String),
    /// The users of a running server of ours that are not those of the policy. `Value::Text`, or nothing.
    LiveUsers(String),
    /// Whether an instance comes back after a reboot. `Value::Flag`.
    Reboot(String),
    /// Something of the running server's process. `Value::Int`, `Value::Text` or `Value::Flag`.
    Process {
        instance: String,
        what: server::ProcessFact,
    },
    /// A directive as the running server has it (`CONFIG GET`). `Value::Int` or `Value::Text`.
    Directive { instance: String, name: String },
    /// A field of the running server's `INFO`. `Value::Int` or `Value::Text`.
    Info { instance: String, field: String },
    /// What a client that sends no password is answered. `Value::Text`: `refused`, or `open`.
    Anonymous(String),
    /// What is wrong with the configuration that counts: files, command line, running server and policy held together. `Value::Text`.
    Effective {
        instance: String,
        question: effective::Question,
    },
    /// The users of the running server of which something is so. `Value::Words`, or nothing.
    Users {
        instance: String,
        what: users::UserFact,
    },
    /// The former passwords of an instance's users that are valid longer than was agreed on. `Value::Words`, or nothing.
    FormerPasswords(String),
    /// The addresses of clients that are the user `default`, or have not logged in. `Value::Words`, or nothing.
    DefaultClients(String),
    /// The modules that the running server has loaded from files. `Value::Words`, or nothing.
    Modules(String),
    /// A field of the running server's `CLUSTER INFO`. `Value::Int` or `Value::Text`.
    Cluster { instance: String, field: String },
    /// Something of a Sentinel, by its file. As its fact says.
    Sentinel {
        path: PathBuf,
        what: sentinel::SentinelFact,
    },
    /// Something of an ACL file. `Value::Flag` or `Value::Lines`.
    AclFile {
        path: PathBuf,
        what: acl_file::AclFileFact,
    },
    /// Something of how the running server speaks TLS. As its fact says.
    Tls {
        instance: String,
        what: tls::TlsFact,
    },
    /// Something of a certificate that the running server was told to use. As its fact says.
    Certificate {
        instance: String,
        role: tls::certificate::Role,
        what: tls::certificate::CertificateFact,
    },
    /// The sizes of huge pages that are given to everybody, whatever the mode for all of them. `Value::Words`, or nothing.
    HugePageSizes,
    /// The lines of tmpfiles.d that write something else to a kernel file when the host boots. `Value::Words`, or nothing.
    TmpfilesRivals { path: PathBuf, wanted: Vec<String> },
    /// A user's id. `Value::Int`.
    UserId(String),
    /// A sysctl as the running server has it, where its network namespace is not this host's. A number.
    ServerSysctl { instance: String, key: String },
    /// The clients that the running server refused in the last day. `Value::Words`, or nothing.
    Refusals(String),
    /// The primary and replicas of the running server that the policy's networks leave out. `Value::Words`, or nothing.
    UnlistedPeers(String),
    /// Whether anything is at a path. `Value::Present`, or nothing.
    Presence(PathBuf),
    /// The files in a data directory that no Redis made. `Value::Words`, or nothing.
    Strangers(PathBuf),
    /// The dumps, and files of a service user's, where programs are started from. `Value::Words`, or nothing.
    Planted(String),
    /// The directories above a path that others than root may change. `Value::Words`, or nothing.
    Above(PathBuf),
    /// The servers of this host that belong to no instance of the policy. `Value::Words`, or nothing.
    UnknownServers,
    /// The programs that have a Redis password in their command line. `Value::Words`, or nothing.
    PasswordsInArguments,
    /// Which of some ports the kernel gives to anybody. `Value::Words`, or nothing.
    LentPorts(Vec<u16>),
    /// Which of some ports address translation gives to a container, here or there, without our table between. `Value::Words`, or nothing.
    PublishedPorts { ports: Vec<u16>, guarded: Vec<u16> },
    /// The file of logrotate that names a log. `Value::Text`.
    LogRotation(PathBuf),
    /// The programs of a service user that are no Redis. `Value::Words`, or nothing.
    Processes(String),
    /// What became of an attempt of `prove`'s on an instance. `Value::Text`: `refused`, or `succeeded`.
    Attempt { instance: String, id: String },
    /// A directive of a configuration file that is not ours, and of its includes. `Value::Lines`.
    ConfigFile { path: PathBuf, name: String },
}

/// A host and what is known of it: all that reading needs.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    pub host: &'a Host,
    pub facts: &'a Facts,
    memo: Option<&'a Memo>,
}

impl<'a> Sight<'a> {
    /// Reads everything anew each time.
    pub fn new(host: &'a Host, facts: &'a Facts) -> Sight<'a> {
        let memo = None;
        Sight { host, facts, memo }
    }

    /// The same while nothing is written: what many settings are read from is read once.
    pub fn remembering(self, memo: &'a Memo) -> Sight<'a> {
        let memo = Some(memo);
        Sight { memo, ..self }
    }
}

/// What is needed to put a setting back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Saved {
    /// An inode, whole.
    Inode(Image),
    /// A value as text, or its absence.
    Text(Option<String>),
    /// Nothing: what was made stays (a package, its user).
    Kept,
}

/// Why a setting cannot be written here, decided on evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Only outside this machine or container.
    Machine(String),
    /// Only by a person's decision.
    Hand(String),
    /// Only by a restart of Redis that nobody has asked for.
    Restart(String),
    /// Only as root.
    Root,
}
