//! What is known of the host before anything is judged: memory, kernel, init system, accounts, and what the running servers say.
//! Gathered once a phase; nothing here changes anything.

mod binary;
mod elsewhere;
mod links;
mod listener;
mod machine;
mod maxmemory;
mod names;
pub mod orphans;
mod passwords;
mod sentinels;
mod servers;
pub mod tuned;

pub use machine::{Distro, Entrypoint, Init, Runtime};
pub use sentinels::SentinelFile;
pub use servers::{Instance, View, admin, default};

use crate::host::{Host, HostResult};
use crate::policy::{Auto, Memory, PasswordSource, Policies, Policy};
use crate::prove::Outcomes;
use crate::redis::acl;
use crate::redis::effective::table::Version;
use crate::rotation::{self, Rotation};
use crate::setting::account::Accounts;
use crate::setting::firewall;
use crate::setting::package::Dpkg;
use crate::setting::secret;
use binary::binaries;
use maxmemory::maxmemory;
use passwords::digests;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What is known of a host.
#[derive(Debug)]
pub struct Facts {
    pub hostname: String,
    /// The day, in UTC.
    pub today: jiff::civil::Date,
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`.
    pub machine: String,
    pub distro: Distro,
    pub init: Init,
    /// Signs that this is a container, each as found; none of them decides anything alone.
    pub container_signs: Vec<String>,
    /// What probably started this container.
    pub runtime: Option<Runtime>,
    /// Whose first process is our own supervisor: a container, which nothing boots. Nothing else is told by `/.dockerenv` and the like.
    pub entrypoint: Option<Entrypoint>,
    /// RAM in bytes; 0 for a tree that does not run.
    pub memory: u64,
    /// The least of the RAM and the memory limit of the container around us, in bytes.
    pub memory_limit: u64,
    pub cpus: usize,
    /// Effective capabilities, as a bit mask.
    pub capabilities: u64,
    /// Whether systemd can give a unit a user namespace of its own (`PrivateUsers=`).
    pub user_namespaces: bool,
    /// Soft and hard limit of open files of this process.
    pub nofile: (u64, u64),
    pub accounts: Accounts,
    /// Directories of data and logs that a link leads elsewhere.
    pub linked: BTreeSet<PathBuf>,
    /// Instances that an earlier apply made, and that the policy has no more.
    pub orphans: Vec<orphans::Orphan>,
    /// The Sentinels of this host.
    pub sentinels: Vec<SentinelFile>,
    /// Users of servers whose connections to others the rendered packet filter judges already.
    pub filtered_users: BTreeSet<String>,
    /// What tuned sets when it starts.
    pub tuned: Vec<tuned::TunedValue>,
    /// The binary that units and the supervisor run.
    pub exe: PathBuf,
    /// The binary that is running now.
    pub running_exe: PathBuf,
    /// The SHA-256 of each password that exists, by its file; of two while one is being replaced.
    pub digests: acl::Digests,
    /// Passwords that are being replaced; `Err` where root's records cannot be read.
    pub rotations: Result<Vec<Rotation>, String>,
    /// What dpkg has installed; an error where that cannot be read.
    pub dpkg: HostResult<Dpkg>,
    /// Of each package of a server that is installed, the version whose directives are known here.
    versions: BTreeMap<&'static str, Version>,
    /// Each instance's maxmemory in bytes; absent where it cannot be worked out here.
    pub maxmemory: BTreeMap<String, u64>,
    /// The sum of these.
    pub maxmemory_sum: u64,
    /// What is known of each instance's server.
    pub instances: BTreeMap<String, Instance>,
    /// Only its files can be reached: no password is made here and no value taken from this machine, since clones would share them.
    pub offline: bool,
    /// Only the server is known, by what it tells a client; its host is elsewhere.
    pub elsewhere: bool,
    /// What became of the attempts of `prove`, where they were made.
    pub attempts: Outcomes,
    root: bool,
}

impl Facts {
    /// Looks at the host. An error is one that leaves nothing to judge by.
    pub fn gather(host: &Host, policies: &Policies) -> HostResult<Facts> {
        // The servers take as long to answer as all else takes to read, and one that keeps silent holds up no other.
        std::thread::scope(|scope| {
            let asked = policies.instances.iter();
            let asked: Vec<_> = asked
                .map(|policy| scope.spawn(|| servers::look(host, policy)))
                .collect();
            let facts = Facts::read(host, policies)?;
            let instances = asked.into_iter().map(|looked| {
                let instance = looked.join().expect("it panics as little as this thread");
                (instance.policy.redis.name.to_string(), instance)
            });
            Ok(Facts {
                instances: instances.collect(),
                ..facts
            })
        })
    }

    /// All but what the servers say.
    fn read(host: &Host, policies: &Policies) -> HostResult<Facts> {
        let uname = machine::uname();
        let offline = !host.is_running();
        // In a chroot /proc may be there: it is the memory of whoever builds the image.
        let memory = if offline { 0 } else { machine::memory(host)? };
        let memory_limit = machine::memory_limit(host, memory)?;
        let (exe, running_exe) = binaries(host)?;
        let dpkg = Dpkg::read(host);
        let mut facts = Facts {
            hostname: machine::hostname(host, uname.hostname)?,
            today: host.now().to_zoned(jiff::tz::TimeZone::UTC).date(),
            kernel: if offline { String::new() } else { uname.kernel },
            machine: uname.machine,
            distro: machine::distro(host)?,
            init: machine::init(host)?,
            container_signs: machine::container_signs(host),
            runtime: machine::runtime(host),
            entrypoint: machine::entrypoint(host)?,
            memory,
            memory_limit,
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            capabilities: machine::capabilities(host),
            user_namespaces: machine::user_namespaces(host)?,
            nofile: machine::nofile(),
            accounts: Accounts::read(host)?,
            linked: links::of(host, policies)?,
            orphans: orphans::of(host, policies)?,
            sentinels: sentinels::of(host),
            filtered_users: firewall::filtered_users(host)?,
            tuned: tuned::active(host)?,
            exe,
            running_exe,
            digests: BTreeMap::new(),
            rotations: rotation::known(host)?,
            versions: versions(&dpkg, policies),
            dpkg,
            maxmemory: BTreeMap::new(),
            maxmemory_sum: 0,
            instances: BTreeMap::new(),
            offline,
            elsewhere: false,
            attempts: Outcomes::new(),
            root: is_root(host)?,
        };
        facts.maxmemory = maxmemory(policies, memory, memory_limit);
        facts.maxmemory_sum = facts.maxmemory.values().sum();
        for policy in &policies.instances {
            facts.digests.extend(digests(host, policy));
            if policy.default_lets_in(facts.today) {
                let path = policy.legacy_secret_file();
                // Not readable here is what the control on the password file reports.
                let digest = secret::digest(host, &path).ok().flatten();
                let source = PasswordSource::File(path);
                facts.digests.extend(digest.map(|d| (source, vec![d])));
            }
        }
        for rotation in facts.rotations.iter().flatten() {
            rotation.count_in(&mut facts.digests);
        }
        Ok(facts)
    }

    /// The version of an instance's server that its next start would run, as far as its directives are known here.
    pub fn version(&self, policy: &Policy) -> Option<Version> {
        self.versions.get(policy.package()).copied()
    }

    /// Whether this process may change the host: root, or the owner of a fake one.
    pub fn is_root(&self) -> bool {
        self.root
    }

    /// Whether an instance's server answers, or at least listens.
    pub fn is_running(&self, name: &crate::policy::Name) -> bool {
        let instance = self.instances.get(name.as_str());
        instance.is_some_and(|i| !matches!(i.view, View::NotRunning))
    }

    /// Whether root's rights over the network (the packet filter) have been taken from this process.
    pub fn lacks_net_admin(&self) -> bool {
        const CAP_NET_ADMIN: u64 = 1 << 12;
        self.root && self.capabilities & CAP_NET_ADMIN == 0
    }

    /// Whether a network namespace can be made here.
    pub fn may_unshare(&self) -> bool {
        const CAP_SYS_ADMIN: u64 = 1 << 21;
        self.capabilities & CAP_SYS_ADMIN != 0
    }

    /// How many open files a server that we start can have: what the hard limit allows, or anything where we may raise it.
    pub fn reachable_nofile(&self) -> i64 {
        const CAP_SYS_RESOURCE: u64 = 1 << 24;
        if self.capabilities & CAP_SYS_RESOURCE != 0 {
            return i64::MAX;
        }
        i64::try_from(self.nofile.1).unwrap_or(i64::MAX)
    }
}

fn versions(dpkg: &HostResult<Dpkg>, policies: &Policies) -> BTreeMap<&'static str, Version> {
    let version = |policy: &Policy| {
        let found = dpkg.as_ref().ok()?.installed(policy.package()).ok()??;
        Some((
            policy.package(),
            Version::of(policy.user(), &found.version)?,
        ))
    };
    policies.instances.iter().filter_map(version).collect()
}

/// Root, or on a fake host the owner of its root directory.
pub fn is_root(host: &Host) -> HostResult<bool> {
    let owner = host.stat(Path::new("/"))?.map(|s| s.uid);
    Ok(host.euid() == 0 || !host.is_live_root() && owner == Some(host.euid()))
}

/// Whether the policy leaves a value to be worked out on the host itself.
pub fn is_machine_derived(policy: &Policy) -> bool {
    policy.redis.maxmemory != Memory::Size(crate::policy::scalar::Size(0))
        && !matches!(policy.redis.maxmemory, Memory::Size(_))
        || policy.limits.nofile == Auto::Auto
}
