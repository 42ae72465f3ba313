//! Each kind of setting is read here.

use super::{
    Reading, Setting, Sight, above, account, acl_file, arguments, build, config_file, credential,
    effective, file, firewall, kernel, legacy, live, measure, package, peers, planted, ports,
    primary, rotation as logrotate, scripts, secret, sentinel, server, service, strangers, strays,
    sysctl_d, tls, tmpfiles, traces, unit, users,
};
use crate::rotation;

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
                | Setting::PrimaryPassword { .. }
                | Setting::Access(_)
                | Setting::Tls {
                    what: tls::TlsFact::Pair,
                    ..
                }
                | Setting::SysctlAtBoot(_)
                | Setting::SysctlByOther(_)
                | Setting::SysctlByScripts(_)
                | Setting::Tuned(_)
                | Setting::Binary { .. }
                | Setting::User(_)
                | Setting::Group(_)
                | Setting::UserGroups(_)
                | Setting::UserPassword(_)
                | Setting::UserId(_)
                | Setting::TmpfilesRivals { .. }
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
                | Setting::UnitEscapes(_)
                | Setting::ConfigFile { .. }
                | Setting::AclFile { .. }
                | Setting::FormerPasswords(_)
                | Setting::Sentinel { .. }
                | Setting::Presence(_)
                | Setting::Strangers(_)
                | Setting::Planted(_)
                | Setting::Above(_)
                | Setting::LogRotation(_)
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
            | Setting::Refusals(_)
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
            Setting::Credential(name) => credential::read(sight, name),
            Setting::PrimaryPassword { instance, .. } => primary::read(sight, instance),
            Setting::LivePrimaryPassword(instance) => primary::read_live(sight, instance),
            Setting::Access(path) => file::of_what_is_there(path, file::read_owned(sight, path)),
            Setting::FileSystem(path) => file::read_file_system(host, path),
            Setting::FreeSpace(path) => file::read_free_space(host, path),
            Setting::Sysctl(key) => kernel::read(host, key).into(),
            Setting::SysctlAtBoot(key) => sysctl_d::read(sight, key),
            Setting::SysctlByOther(key) => sysctl_d::read_by_other(sight, key),
            Setting::SysctlByScripts(keys) => scripts::read(host, keys),
            Setting::Tuned(key) => kernel::read_tuned(sight, key),
            Setting::HugePages => kernel::read_huge_pages(host),
            Setting::Measure(what) => measure::read(sight, *what),
            Setting::Binary { path, source } => file::read_copy(host, path, source).into(),
            Setting::User(name) => account::read_user(sight, name),
            Setting::Group(name) => account::read_group(sight, name),
            Setting::UserGroups(name) => account::read_groups_of(sight, name),
            Setting::UserId(name) => account::read_id(sight, name),
            Setting::HugePageSizes => kernel::read_huge_page_sizes(host),
            Setting::TmpfilesRivals { path, wanted } => tmpfiles::read_rivals(sight, path, wanted),
            Setting::UserPassword(name) => account::read_password(sight, name),
            Setting::Package(name) => package::read(sight, name).into(),
            Setting::PackageVersion(name) => package::read_version(sight, name),
            Setting::PackageHeld(name) => package::read_held(sight, name),
            Setting::SecuritySuite => package::read_security_suite(sight),
            Setting::Build { instance, what } => build::read(sight, instance, *what),
            Setting::Unit { unit, key } => unit::read(sight, unit, key),
            Setting::UnitEscapes(unit) => unit::read_escapes(sight, unit),
            Setting::UnitEnabled(name) => unit::read_enabled(sight, name),
            Setting::TimerActive(name) => unit::timer::read(sight, name),
            Setting::Firewall => firewall::reading_in(sight),
            Setting::Service(name) => service::read(sight, name),
            Setting::Live(name) => live::read_directives(sight, name),
            Setting::LiveUsers(name) => live::read_users(sight, name),
            Setting::Reboot(name) => service::read_reboot(sight, name),
            Setting::Process { instance, what } => server::read_process(sight, instance, *what),
            Setting::Directive { instance, name } => server::read_directive(sight, instance, name),
            Setting::Info { instance, field } => server::read_info(sight, instance, field),
            Setting::Anonymous(instance) => server::read_anonymous(sight, instance),
            Setting::Attempt { instance, id } => {
                crate::prove::read(&sight.facts.attempts, instance, id)
            }
            Setting::Effective { instance, question } => {
                effective::read(sight, instance, *question)
            }
            Setting::Users { instance, what } => users::read(sight, instance, *what),
            Setting::ServerSysctl { instance, key } => server::read_sysctl(sight, instance, key),
            Setting::Refusals(instance) => server::read_refusals(sight, instance),
            Setting::UnlistedPeers(instance) => peers::read(sight, instance),
            Setting::FormerPasswords(instance) => rotation::read_overdue(sight, instance),
            Setting::DefaultClients(instance) => legacy::read_clients(sight, instance),
            Setting::Modules(instance) => server::read_modules(sight, instance),
            Setting::Cluster { instance, field } => server::read_cluster(sight, instance, field),
            Setting::Sentinel { path, what } => sentinel::read(sight, path, *what),
            Setting::AclFile { path, what } => acl_file::read(host, path, *what),
            Setting::Tls { instance, what } => tls::read(sight, instance, *what),
            Setting::Certificate {
                instance,
                role,
                what,
            } => tls::certificate::read(sight, instance, *role, *what),
            Setting::Presence(path) => traces::read_presence(host, path),
            Setting::Strangers(dir) => strangers::read(sight, dir),
            Setting::Planted(user) => planted::read(sight, user),
            Setting::Above(path) => above::read(sight, path),
            Setting::UnknownServers => strays::read(sight),
            Setting::PasswordsInArguments => arguments::read(sight),
            Setting::LentPorts(ports) => ports::read_lent(host, ports),
            Setting::PublishedPorts { ports, guarded } => {
                firewall::read_published(host, ports, guarded)
            }
            Setting::LogRotation(log) => logrotate::read(host, log),
            Setting::Processes(user) => traces::read_processes(sight, user),
            Setting::ConfigFile { path, name } => config_file::read(sight, path, name),
        }
    }
}
