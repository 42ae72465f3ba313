//! How a setting is called in findings, plans and the journal's texts.

use super::tls::TlsFact;
use super::{Setting, kernel};
use std::fmt;

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::File(path) => write!(f, "file {}", path.display()),
            Setting::Dir(path) => write!(f, "directory {}", path.display()),
            Setting::Mode(path) => write!(f, "mode of {}", path.display()),
            Setting::ModesBelow(path) => write!(f, "modes of the files in {}", path.display()),
            Setting::Secret(path) => write!(f, "password file {}", path.display()),
            Setting::Credential(name) => write!(f, "systemd credential {name}"),
            Setting::LivePrimaryPassword(instance) => {
                write!(f, "password of running {instance} for its primary")
            }
            Setting::PrimaryPassword { instance, path } => {
                write!(
                    f,
                    "password of {instance} for its primary, {}",
                    path.display()
                )
            }
            Setting::Access(path) => write!(f, "owner and mode of {}", path.display()),
            Setting::FileSystem(path) => write!(f, "file system of {}", path.display()),
            Setting::FreeSpace(path) => write!(f, "free space at {}", path.display()),
            Setting::Sysctl(key) => write!(f, "sysctl {key}"),
            Setting::SysctlAtBoot(key) => write!(f, "sysctl {key} at boot"),
            Setting::SysctlByOther(key) => write!(f, "sysctl {key} by the other applier"),
            Setting::SysctlByScripts(_) => write!(f, "scripts that write the policy's sysctls"),
            Setting::Tuned(key) => write!(f, "tuned's {key}"),
            Setting::HugePages => write!(f, "{}", kernel::HUGE_PAGES),
            Setting::Measure(what) => write!(f, "{what}"),
            Setting::Binary { path, .. } => write!(f, "binary {}", path.display()),
            Setting::User(name) => write!(f, "user {name}"),
            Setting::Group(name) => write!(f, "group {name}"),
            Setting::UserGroups(name) => write!(f, "supplementary groups of {name}"),
            Setting::UserPassword(name) => write!(f, "password of {name}"),
            Setting::Package(name) => write!(f, "package {name}"),
            Setting::PackageVersion(name) => write!(f, "version of package {name}"),
            Setting::PackageHeld(name) => write!(f, "hold on package {name}"),
            Setting::SecuritySuite => write!(f, "security suite in apt's sources"),
            Setting::Build { instance, what } => write!(f, "server of {instance}: {what}"),
            Setting::Unit { unit, key } => write!(f, "{unit} {key}"),
            Setting::UnitEscapes(unit) => write!(f, "ways around the sandbox of {unit}"),
            Setting::UnitEnabled(unit) => write!(f, "{unit} enabled"),
            Setting::TimerActive(unit) => write!(f, "{unit} waiting"),
            Setting::Firewall => write!(f, "nftables table inet redis_harden"),
            Setting::Service(name) => write!(f, "service {name}"),
            Setting::Live(name) => write!(f, "directives of running {name}"),
            Setting::LiveUsers(name) => write!(f, "users of running {name}"),
            Setting::Reboot(name) => write!(f, "{name} after a reboot"),
            Setting::Process { instance, what } => write!(f, "process of {instance}: {what}"),
            Setting::Directive { instance, name } => write!(f, "running {instance}: {name}"),
            Setting::Info { instance, field } => write!(f, "running {instance}: INFO {field}"),
            Setting::Anonymous(instance) => {
                write!(f, "running {instance}: a client without password")
            }
            Setting::Users { instance, what } => write!(f, "running {instance}: {what}"),
            Setting::FormerPasswords(instance) => {
                write!(f, "overdue former passwords of {instance}")
            }
            Setting::DefaultClients(instance) => {
                write!(f, "running {instance}: clients that are the user default")
            }
            Setting::Modules(instance) => write!(f, "running {instance}: modules"),
            Setting::Cluster { instance, field } => {
                write!(f, "running {instance}: CLUSTER INFO {field}")
            }
            Setting::Sentinel { path, what } => write!(f, "{}: {what}", path.display()),
            Setting::AclFile { path, what } => write!(f, "{}: {what}", path.display()),
            Setting::Tls {
                instance,
                what: what @ TlsFact::Pair,
            } => write!(f, "{what} of {instance}"),
            Setting::Tls { instance, what } => write!(f, "running {instance}: {what}"),
            Setting::Certificate {
                instance,
                role,
                what,
            } => write!(f, "{role} of {instance}: {what}"),
            Setting::ServerSysctl { instance, key } => {
                write!(f, "running {instance}: sysctl {key}")
            }
            Setting::UnlistedPeers(instance) => {
                write!(
                    f,
                    "running {instance}: primary and replicas in no network of the policy"
                )
            }
            Setting::Refusals(instance) => write!(f, "running {instance}: refused clients"),
            Setting::HugePageSizes => write!(f, "sizes of huge pages for everybody"),
            Setting::TmpfilesRivals { path, .. } => {
                write!(f, "other tmpfiles.d lines for {}", path.display())
            }
            Setting::UserId(name) => write!(f, "id of user {name}"),
            Setting::Presence(path) => write!(f, "{}", path.display()),
            Setting::Strangers(dir) => write!(f, "foreign files in {}", dir.display()),
            Setting::Planted(user) => write!(f, "dumps and files of {user}'s among programs"),
            Setting::Above(path) => write!(f, "directories above {}", path.display()),
            Setting::UnknownServers => write!(f, "servers that the policy does not know"),
            Setting::PasswordsInArguments => {
                write!(f, "programs with a password in their arguments")
            }
            Setting::PublishedPorts { .. } => {
                write!(f, "ports of Redis that pass the host to a container")
            }
            Setting::LentPorts(_) => write!(f, "ports that the kernel lends to clients"),
            Setting::LogRotation(log) => write!(f, "rotation of {}", log.display()),
            Setting::Processes(user) => write!(f, "programs that run as {user}"),
            Setting::Effective { instance, question } => {
                write!(f, "configuration of {instance}: {question}")
            }
            Setting::Attempt { instance, id } => write!(f, "{id} on {instance}"),
            Setting::ConfigFile { path, name } => write!(f, "{}: {name}", path.display()),
        }
    }
}
