//! Where a setting is read: the file, the command or the question, as a person would ask it.

use super::measure::Measure;
use super::server::ProcessFact;
use super::tls::TlsFact;
use super::tls::certificate::{CertificateFact, Role};
use super::{Setting, Sight, kernel, planted};
use crate::facts::{Init, View};

impl Setting {
    /// The file, the command or the question; for a running server's process with its pid, where it has one.
    pub fn read_from(&self, sight: Sight) -> String {
        match self {
            Setting::File(path) => format!("{}: content, owner and mode", path.display()),
            Setting::Dir(path) | Setting::Secret(path) | Setting::Access(path) => {
                format!("{}: owner and mode", path.display())
            }
            Setting::Credential(name) => format!(
                "the credential {name} of this process's unit, of the machine, and in /etc, /run and /usr/lib: credstore, credstore.encrypted"
            ),
            Setting::PrimaryPassword { path, .. } => {
                format!("{}, against the user's password", path.display())
            }
            Setting::LivePrimaryPassword(_) => {
                "CONFIG GET masterauth, against the user's password".to_owned()
            }
            Setting::Mode(path) => format!("{}: mode", path.display()),
            Setting::ModesBelow(path) => format!("{}/*: modes", path.display()),
            Setting::FileSystem(path) => format!("statfs {}", path.display()),
            Setting::FreeSpace(path) => format!("statvfs {}", path.display()),
            Setting::Sysctl(key) => kernel::path(key).display().to_string(),
            Setting::SysctlAtBoot(_) => applier(sight, true).to_owned(),
            Setting::SysctlByOther(_) => applier(sight, false).to_owned(),
            Setting::SysctlByScripts(_) => {
                "/etc/rc.local, /etc/ufw/sysctl.conf, and the scripts that run when an interface comes up".to_owned()
            }
            Setting::Tuned(_) => {
                "tuned.conf of the profile in /etc/tuned/active_profile, and of those it includes"
                    .to_owned()
            }
            Setting::HugePages => kernel::HUGE_PAGES.to_owned(),
            Setting::Measure(what) => measure(*what).to_owned(),
            Setting::Binary { path, source } => {
                format!("{}, against {}", path.display(), source.display())
            }
            Setting::User(_) => "/etc/passwd".to_owned(),
            Setting::Group(_) | Setting::UserGroups(_) => "/etc/group".to_owned(),
            Setting::ServerSysctl { key, .. } => {
                format!("{}, in the server's network namespace", kernel::path(key).display())
            }
            Setting::Refusals(_) => "ACL LOG".to_owned(),
            Setting::UnlistedPeers(_) => {
                "INFO replication, against firewall.allow and firewall.peers".to_owned()
            }
            Setting::HugePageSizes => format!("{}/hugepages-*kB/enabled", kernel::HUGE_PAGES_DIR),
            Setting::TmpfilesRivals { .. } => "the files of tmpfiles.d(5)".to_owned(),
            Setting::UserId(_) => "/etc/passwd".to_owned(),
            Setting::UserPassword(_) => "/etc/shadow".to_owned(),
            Setting::Package(_) | Setting::PackageVersion(_) | Setting::PackageHeld(_) => {
                "/var/lib/dpkg/status".to_owned()
            }
            Setting::SecuritySuite => "/etc/apt/sources.list and sources.list.d".to_owned(),
            Setting::Build { .. } => {
                "/var/lib/dpkg/status, INFO and /proc/PID/exe, against data/cve.toml".to_owned()
            }
            Setting::Unit { unit, key } => format!("{key}= in {unit} and its drop-ins"),
            Setting::UnitEscapes(unit) => format!("{unit} and its drop-ins"),
            Setting::UnitEnabled(unit) => {
                format!("the links to {unit} in /etc/systemd/system/*.wants")
            }
            Setting::Firewall => "nft -j list table inet redis_harden".to_owned(),
            Setting::Service(name) => {
                format!("the supervisor's report of {name} in /run, and PING")
            }
            Setting::Live(_) => "CONFIG GET *, against the policy".to_owned(),
            Setting::TimerActive(unit) => format!("systemctl show {unit}, where its file is there"),
            Setting::LiveUsers(_) => "ACL LIST, against the policy".to_owned(),
            Setting::Reboot(name) => format!("what starts {name} at boot: units, or /etc/init.d"),
            Setting::Process { instance, what } => process(sight, instance, *what),
            Setting::Directive { name, .. } => format!("CONFIG GET {name}"),
            Setting::Info { field, .. } => format!("INFO, {field}"),
            Setting::Attempt { .. } => "redis-harden prove".to_owned(),
            Setting::Anonymous(_) => "PING without a password".to_owned(),
            Setting::Users { .. } => "ACL LIST".to_owned(),
            Setting::FormerPasswords(_) => format!("{}/*.json", crate::rotation::DIR),
            Setting::DefaultClients(_) => "CLIENT LIST: user=default".to_owned(),
            Setting::Modules(_) => "MODULE LIST".to_owned(),
            Setting::Cluster { field, .. } => format!("CLUSTER INFO, {field}"),
            Setting::Sentinel { path, .. }
            | Setting::AclFile { path, .. }
            | Setting::Presence(path) => path.display().to_string(),
            Setting::Tls { what, .. } => tls(*what).to_owned(),
            Setting::Certificate { role, what, .. } => certificate(sight, *role, *what),
            Setting::Strangers(dir) => {
                format!("names, kinds and modes in {}, and how its dumps begin", dir.display())
            }
            Setting::Planted(_) => format!(
                "owners and first bytes of the shells' and cron's own files, and of those in {}",
                planted::PLACES.join(", ")
            ),
            Setting::Above(path) => format!("lstat of each directory on the way to {}", path.display()),
            Setting::UnknownServers => "/proc/*/exe and comm, against the instances of the policy".to_owned(),
            Setting::PasswordsInArguments => {
                "/proc/*/exe, comm and cmdline of Redis's tools and exporters".to_owned()
            }
            Setting::LentPorts(_) => {
                "/proc/sys/net/ipv4/ip_local_port_range and ip_local_reserved_ports".to_owned()
            }
            Setting::PublishedPorts { .. } => {
                "nft list ruleset, and iptables-legacy-save -t nat where the kernel has such a table".to_owned()
            }
            Setting::LogRotation(_) => "/etc/logrotate.conf and /etc/logrotate.d".to_owned(),
            Setting::Processes(user) => format!("/proc/*/comm of the processes of {user}"),
            Setting::Effective { question, .. } => {
                let files = "the configuration file, what it includes and the command line";
                match question.is_of_a_running_system() {
                    true => format!("CONFIG GET * and INFO, against {files}"),
                    false => files.to_owned(),
                }
            }
            Setting::ConfigFile { path, name } => {
                format!("lines {name} of {} and its includes", path.display())
            }
        }
    }
}

/// Source: sysctl.d(5); sysctl(8) of procps.
fn applier(sight: Sight, at_boot: bool) -> &'static str {
    match (sight.facts.init == Init::Systemd) == at_boot {
        true => "sysctl.d in /etc, /run, /usr/local/lib and /usr/lib, as systemd-sysctl reads it",
        false => {
            "sysctl.d in /etc, /run, /usr/local/lib and /usr/lib, then /etc/sysctl.conf, as sysctl --system reads it"
        }
    }
}

fn measure(what: Measure) -> &'static str {
    match what {
        Measure::ClockSource => "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        Measure::ClockCost => "clock_gettime(CLOCK_MONOTONIC), some hundred times",
        Measure::Swap => "/proc/swaps",
        Measure::ReachableNofile => "getrlimit(RLIMIT_NOFILE), and whether it may be raised",
        Measure::NrOpen => "/proc/sys/fs/nr_open",
        Measure::MemoryLimit => "/proc/meminfo, and memory.max of the control groups around us",
        Measure::CveTableAge => "the date of data/cve.toml, built in, and the clock",
        Measure::MaxmemorySum => "the policy, and /proc/meminfo",
    }
}

/// Where a server elsewhere was asked by TLS.
const HANDSHAKE: &str = "the TLS handshake with it";

fn tls(what: TlsFact) -> &'static str {
    match what {
        TlsFact::PlainAddresses => "CONFIG GET port and bind",
        TlsFact::Authorities => "the files of CONFIG GET tls-ca-cert-file and tls-ca-cert-dir",
        TlsFact::OldProtocols => "CONFIG GET tls-protocols, or a hello that offers no other",
        TlsFact::WeakCiphers => {
            "CONFIG GET tls-ciphers and tls-ciphersuites, or a hello that offers no other"
        }
        TlsFact::ServesItsFile => {
            "a TLS handshake on this host, and the file of CONFIG GET tls-cert-file"
        }
        TlsFact::Version | TlsFact::AsksClients => HANDSHAKE,
        TlsFact::Pair => "the files of tls.cert, tls.key and tls.ca in the policy",
    }
}

fn certificate(sight: Sight, role: Role, what: CertificateFact) -> String {
    if sight.facts.elsewhere {
        return HANDSHAKE.to_owned();
    }
    let which = match role {
        Role::Server => "tls",
        Role::Client => "tls-client",
    };
    match what {
        CertificateFact::KeyExposed => format!("owner and mode of the file of {which}-key-file"),
        CertificateFact::KeyMatches => {
            format!("the files of {which}-cert-file and {which}-key-file")
        }
        CertificateFact::Chain => {
            format!("the files of {which}-cert-file, tls-ca-cert-file and tls-ca-cert-dir")
        }
        _ => format!("the file of CONFIG GET {which}-cert-file"),
    }
}

/// Source: proc(5).
fn process(sight: Sight, instance: &str, what: ProcessFact) -> String {
    let file = match what {
        ProcessFact::Nofile | ProcessFact::Core => "limits",
        ProcessFact::Replaced | ProcessFact::Executable => "exe",
        ProcessFact::OomScoreAdj => "oom_score_adj",
        ProcessFact::OomKills => "cgroup, and memory.events of that control group",
        ProcessFact::DataExecutable => "mountinfo",
        ProcessFact::AppArmor => "attr/apparmor/current",
        ProcessFact::MissingLayers => "status, and the supervisor's state.json",
        ProcessFact::User
        | ProcessFact::Swapped
        | ProcessFact::Capabilities
        | ProcessFact::NoNewPrivileges
        | ProcessFact::HugePages
        | ProcessFact::Seccomp => "status",
    };
    let known = sight.facts.instances.get(instance);
    let running = known.filter(|i| !matches!(i.view, View::NotRunning));
    match running.and_then(|i| i.pid()) {
        Some(pid) => format!("/proc/{pid}/{file}"),
        None => format!("/proc/PID/{file}"),
    }
}
