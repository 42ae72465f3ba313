//! A setting is a place on the host that holds one value, or nothing. Each kind is read, written, saved and put back here, once.

pub mod account;
pub mod acl_file;
pub mod build;
pub mod effective;
pub mod file;
pub mod firewall;
pub mod holes;
pub mod kernel;
pub mod measure;
mod memo;
mod names;
mod origin;
pub mod package;
mod reading;
pub mod secret;
pub mod server;
pub mod service;
pub mod sysctl_d;
pub mod tls;
pub mod traces;
pub mod unit;
pub mod users;

pub use memo::Memo;
pub use reading::Reading;

use crate::facts::Facts;
use crate::host::{Host, HostError, HostResult, Image};
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

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
    /// Whether a unit starts at boot. `Value::Flag`.
    UnitEnabled(String),
    /// Our nftables table in the kernel. `Value::Firewall`.
    Firewall,
    /// An instance's server, and the files that it was started from. `Value::Serving`.
    Service(String),
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
    /// The modules that the running server has loaded from files. `Value::Words`, or nothing.
    Modules(String),
    /// A field of the running server's `CLUSTER INFO`. `Value::Int` or `Value::Text`.
    Cluster { instance: String, field: String },
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
    /// Whether anything is at a path. `Value::Present`, or nothing.
    Presence(PathBuf),
    /// The files in a data directory that no Redis made. `Value::Words`, or nothing.
    Strangers(PathBuf),
    /// The programs of a service user that are no Redis. `Value::Words`, or nothing.
    Processes(String),
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
    /// Only as root.
    Root,
}

impl Setting {
    /// Whether it exists only while a system runs; such a setting says nothing about an offline tree.
    pub fn is_of_a_running_system(&self) -> bool {
        if let Setting::Effective { question, .. } = self {
            return question.is_of_a_running_system();
        }
        !matches!(
            self,
            Setting::File(_)
                | Setting::Dir(_)
                | Setting::Mode(_)
                | Setting::ModesBelow(_)
                | Setting::Secret(_)
                | Setting::SysctlAtBoot(_)
                | Setting::SysctlByOther(_)
                | Setting::Tuned(_)
                | Setting::Binary { .. }
                | Setting::User(_)
                | Setting::Group(_)
                | Setting::UserGroups(_)
                | Setting::UserPassword(_)
                | Setting::Package(_)
                | Setting::PackageVersion(_)
                | Setting::PackageHeld(_)
                | Setting::SecuritySuite
                | Setting::Build {
                    what: build::BuildFact::Origin
                        | build::BuildFact::Support
                        | build::BuildFact::Holes(build::Code::Installed, _),
                    ..
                }
                | Setting::Unit { .. }
                | Setting::UnitEnabled(_)
                | Setting::ConfigFile { .. }
                | Setting::AclFile { .. }
                | Setting::Presence(_)
                | Setting::Strangers(_)
        )
    }

    /// Whether a client learns it from the server; paths of its host say nothing about a server elsewhere.
    fn is_told_to_clients(&self) -> bool {
        const PATHS: [&str; 5] = ["dir", "aclfile", "unixsocket", "logfile", "pidfile"];
        match self {
            Setting::Directive { name, .. } => !PATHS.contains(&name.as_str()),
            Setting::Tls { what, .. } => !what.is_of_the_host(),
            Setting::Certificate { role, what, .. } => {
                *role == tls::certificate::Role::Server && what.is_shown()
            }
            Setting::Info { field, .. } => !matches!(field.as_str(), "config_file" | "executable"),
            Setting::Users { .. }
            | Setting::Modules(_)
            | Setting::Cluster { .. }
            | Setting::Anonymous(_) => true,
            _ => false,
        }
    }

    /// The value now.
    pub fn read(&self, sight: Sight) -> Reading {
        let host = sight.host;
        if sight.facts.elsewhere {
            if !self.is_told_to_clients() {
                let why = format!("the host of {} is elsewhere", sight.facts.hostname);
                return Reading::NotApplicable(why);
            }
        } else if let (true, crate::host::Reach::FilesOnly(why)) =
            (self.is_of_a_running_system(), host.reach())
        {
            return Reading::NotApplicable(why.clone());
        }
        match self {
            Setting::File(path) => file::read(host, path, sight.facts).into(),
            Setting::Dir(path) => file::read_dir(host, path, sight.facts).into(),
            Setting::Mode(path) => file::read_mode(host, path).into(),
            Setting::ModesBelow(path) => file::read_modes_below(host, path),
            Setting::Secret(path) => secret::read(host, path, sight.facts).into(),
            Setting::FileSystem(path) => file::read_file_system(host, path),
            Setting::FreeSpace(path) => file::read_free_space(host, path),
            Setting::Sysctl(key) => kernel::read(host, key).into(),
            Setting::SysctlAtBoot(key) => sysctl_d::read(sight, key),
            Setting::SysctlByOther(key) => sysctl_d::read_by_other(sight, key),
            Setting::Tuned(key) => kernel::read_tuned(sight, key),
            Setting::HugePages => kernel::read_huge_pages(host),
            Setting::Measure(what) => measure::read(sight, *what),
            Setting::Binary { path, source } => file::read_copy(host, path, source).into(),
            Setting::User(name) => account::read_user(sight, name),
            Setting::Group(name) => account::read_group(sight, name),
            Setting::UserGroups(name) => account::read_groups_of(sight, name),
            Setting::UserPassword(name) => account::read_password(sight, name),
            Setting::Package(name) => package::read(sight, name).into(),
            Setting::PackageVersion(name) => package::read_version(sight, name),
            Setting::PackageHeld(name) => package::read_held(sight, name),
            Setting::SecuritySuite => package::read_security_suite(sight),
            Setting::Build { instance, what } => build::read(sight, instance, *what),
            Setting::Unit { unit, key } => unit::read(sight, unit, key),
            Setting::UnitEnabled(name) => unit::read_enabled(sight, name),
            Setting::Firewall => firewall::reading_in(sight),
            Setting::Service(name) => service::read(sight, name),
            Setting::Reboot(name) => service::read_reboot(sight, name),
            Setting::Process { instance, what } => server::read_process(sight, instance, *what),
            Setting::Directive { instance, name } => server::read_directive(sight, instance, name),
            Setting::Info { instance, field } => server::read_info(sight, instance, field),
            Setting::Anonymous(instance) => server::read_anonymous(sight, instance),
            Setting::Effective { instance, question } => {
                effective::read(sight, instance, *question)
            }
            Setting::Users { instance, what } => users::read(sight, instance, *what),
            Setting::Modules(instance) => server::read_modules(sight, instance),
            Setting::Cluster { instance, field } => server::read_cluster(sight, instance, field),
            Setting::AclFile { path, what } => acl_file::read(host, path, *what),
            Setting::Tls { instance, what } => tls::read(sight, instance, *what),
            Setting::Certificate {
                instance,
                role,
                what,
            } => tls::certificate::read(sight, instance, *role, *what),
            Setting::Presence(path) => traces::read_presence(host, path),
            Setting::Strangers(dir) => traces::read_strangers(host, dir),
            Setting::Processes(user) => traces::read_processes(sight, user),
            Setting::ConfigFile { path, name } => server::read_config_file(host, path, name),
        }
    }

    /// Makes it hold `target`. The caller has journalled what was there.
    pub fn write(&self, sight: Sight, target: &Value, say: &mut dyn FnMut(&str)) -> HostResult<()> {
        let host = sight.host;
        match (self, target) {
            (Setting::File(path), Value::File(value)) => file::write(host, path, value),
            (Setting::Dir(path), Value::Dir(access)) => file::write_dir(host, path, access),
            (Setting::Mode(path), Value::Mode(mode)) => file::write_mode(host, path, *mode),
            (Setting::Secret(path), Value::Owned(access)) => secret::write(host, path, access),
            (Setting::Sysctl(key), value) => kernel::write(host, key, &value.to_string()),
            (Setting::SysctlAtBoot(key), value) => sysctl_d::write(host, key, &value.to_string()),
            (Setting::Binary { path, source }, Value::Flag(true)) => {
                file::write_copy(host, path, source)
            }
            (Setting::HugePages, Value::Text(mode)) => kernel::write_huge_pages(host, mode),
            (Setting::User(name), Value::User(user)) => {
                account::create_service_user(host, name, &user.home)
            }
            (Setting::Package(name), Value::Present) => package::install_guarded(sight, name, say),
            (Setting::UnitEnabled(unit), Value::Flag(true)) => unit::enable(host, unit),
            (Setting::UnitEnabled(unit), Value::Flag(false)) => {
                host.remove(&unit::wants_link(unit))
            }
            (Setting::Firewall, Value::Firewall(table)) => firewall::load(host, table),
            (Setting::Firewall, Value::Nothing) => firewall::delete(host),
            (Setting::File(path), Value::Nothing) => host.remove(path),
            (Setting::Service(name), Value::Serving(generation)) => {
                service::serve(sight, name, generation, say)
            }
            (setting, target) => Err(HostError::refused(
                format!("setting {setting} to {target}"),
                "there is no way to write it",
            )),
        }
    }

    /// What is there now, whole, so that it can be put back.
    pub fn save(&self, sight: Sight) -> HostResult<Saved> {
        let host = sight.host;
        match self {
            Setting::File(path)
            | Setting::Dir(path)
            | Setting::Mode(path)
            | Setting::Secret(path) => host.image(path).map(Saved::Inode),
            Setting::Binary { path, .. } => host.image(path).map(Saved::Inode),
            Setting::SysctlAtBoot(_) => host.image(Path::new(sysctl_d::OURS)).map(Saved::Inode),
            Setting::UnitEnabled(unit) => host.image(&unit::wants_link(unit)).map(Saved::Inode),
            Setting::Sysctl(key) => kernel::read_text(host, key).map(Saved::Text),
            Setting::HugePages => kernel::huge_pages_mode(host).map(Saved::Text),
            Setting::Package(name) => package::save(host, name).map(Saved::Text),
            Setting::Firewall => firewall::save_text(host).map(Saved::Text),
            Setting::Service(name) => service::save(sight, name).map(|s| Saved::Text(Some(s))),
            _ => Ok(Saved::Kept),
        }
    }

    /// Puts back what `save` gave.
    pub fn restore(
        &self,
        sight: Sight,
        saved: &Saved,
        say: &mut dyn FnMut(&str),
    ) -> HostResult<()> {
        let host = sight.host;
        match (self, saved) {
            (Setting::Secret(path), Saved::Inode(Image::Absent)) => secret::move_aside(host, path),
            (
                Setting::File(path)
                | Setting::Dir(path)
                | Setting::Mode(path)
                | Setting::Secret(path),
                Saved::Inode(image),
            ) => file::restore(host, path, image),
            (Setting::Binary { path, .. }, Saved::Inode(image)) => host.put(path, image),
            (Setting::SysctlAtBoot(_), Saved::Inode(image)) => {
                host.put(Path::new(sysctl_d::OURS), image)
            }
            (Setting::UnitEnabled(unit), Saved::Inode(image)) => {
                host.put(&unit::wants_link(unit), image)
            }
            (Setting::Sysctl(key), Saved::Text(Some(text))) => kernel::write(host, key, text),
            (Setting::HugePages, Saved::Text(Some(mode))) => kernel::write_huge_pages(host, mode),
            (Setting::Package(name), Saved::Text(None)) => package::put_to_rest(sight, name),
            (Setting::Firewall, Saved::Text(text)) => firewall::restore(host, text.as_deref()),
            (Setting::Service(name), Saved::Text(Some(state))) => {
                service::restore(sight, name, state, say)
            }
            _ => Ok(()),
        }
    }

    /// What stands in the way of writing it here, on evidence; `None` when nothing is known to.
    pub fn obstacle(&self, sight: Sight) -> Option<Obstacle> {
        match self {
            Setting::Sysctl(key) => kernel::obstacle(sight, &kernel::path(key)),
            Setting::HugePages => kernel::obstacle(sight, Path::new(kernel::HUGE_PAGES)),
            Setting::SysctlAtBoot(key) => sysctl_d::obstacle(sight, key),
            Setting::Firewall => firewall::obstacle(sight),
            Setting::User(name) => account::obstacle(sight, name),
            Setting::Package(name) => package::obstacle(sight, name),
            Setting::UnitEnabled(unit) => unit::obstacle(sight, unit),
            Setting::Dir(path) => file::obstacle_dir(sight, path),
            _ => None,
        }
        .or_else(|| (!sight.facts.is_root()).then_some(Obstacle::Root))
    }

    /// The file, directory or link that a write of it makes or changes; `None` for what is no file, and for files of the kernel.
    pub fn written(&self) -> Option<PathBuf> {
        match self {
            Setting::Binary { path, .. } => Some(path.clone()),
            Setting::SysctlAtBoot(_) => Some(sysctl_d::OURS.into()),
            Setting::UnitEnabled(unit) => Some(unit::wants_link(unit)),
            other => other.path().map(Path::to_path_buf),
        }
    }

    /// The setting's name without its kind, where it is a path.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Setting::File(path)
            | Setting::Dir(path)
            | Setting::Mode(path)
            | Setting::Secret(path) => Some(path),
            _ => None,
        }
    }

    /// Whether its content must never be shown.
    pub fn is_secret(&self) -> bool {
        matches!(self, Setting::Secret(_))
    }
}
