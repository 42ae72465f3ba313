//! What is known of the host before anything is judged: memory, kernel, init system, accounts, and what the running servers say.
//! Gathered once a phase; nothing here changes anything.

mod elsewhere;
mod links;
mod listener;
mod machine;
pub mod orphans;
mod sentinels;
mod servers;
pub mod tuned;

pub use machine::{Distro, Entrypoint, Init, Runtime};
pub use sentinels::SentinelFile;
pub use servers::{Instance, View, admin, default};

use crate::host::{Host, HostResult};
use crate::policy::{Auto, Memory, Name, PasswordSource, Policies, Policy};
use crate::prove::Outcomes;
use crate::redis::acl;
use crate::redis::effective::table::Version;
use crate::redis::users::User;
use crate::rotation::{self, Rotation};
use crate::setting::account::Accounts;
use crate::setting::firewall;
use crate::setting::package::Dpkg;
use crate::setting::secret;
use crate::value::Account;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// `maxmemory = "auto"` is rounded down to this, so that a kernel update that reserves a page more changes nothing.
const GRAIN: u64 = 16 << 20;

/// Where our binary is put when it runs from somewhere that is no system directory.
const INSTALLED: &str = "/usr/local/sbin/redis-harden";

/// Where it stays where it is.
const SYSTEM_DIRS: [&str; 3] = ["/usr/bin", "/usr/sbin", "/usr/local/sbin"];

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

    /// Whether the binary that units run is a copy of ours; a package's own is left to it.
    pub fn copies_exe(&self) -> bool {
        let ours = Path::new(INSTALLED);
        self.exe == ours && (self.running_exe != ours || self.offline)
    }

    /// Whether an instance's server answers, or at least listens.
    pub fn is_running(&self, name: &crate::policy::Name) -> bool {
        let instance = self.instances.get(name.as_str());
        instance.is_some_and(|i| !matches!(i.view, View::NotRunning))
    }

    /// A user by id; the number stands for a name that nobody has.
    pub fn user_of(&self, uid: u32) -> Account {
        let name = self
            .accounts
            .user_name(uid)
            .map_or_else(|| uid.to_string(), str::to_owned);
        Account {
            name,
            id: Some(uid),
        }
    }

    /// A group by id.
    pub fn group_of(&self, gid: u32) -> Account {
        let name = self
            .accounts
            .group_name(gid)
            .map_or_else(|| gid.to_string(), str::to_owned);
        Account {
            name,
            id: Some(gid),
        }
    }

    /// A user by name, whether it exists or not.
    pub fn user(&self, name: &str) -> Account {
        Account {
            name: name.to_owned(),
            id: self.accounts.uid(name),
        }
    }

    /// A group by name, whether it exists or not.
    pub fn group(&self, name: &str) -> Account {
        Account {
            name: name.to_owned(),
            id: self.accounts.gid(name),
        }
    }

    /// Root, or who stands in its place in a container that root did not start.
    pub fn root_account(&self) -> Account {
        match self.entrypoint {
            Some(Entrypoint::Own(uid, _)) => self.user_of(uid),
            _ => self.user("root"),
        }
    }

    /// The same of root's group.
    pub fn root_group(&self) -> Account {
        match self.entrypoint {
            Some(Entrypoint::Own(_, gid)) => self.group_of(gid),
            _ => self.group("root"),
        }
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

/// The binary that units run, and the one that runs now.
fn binaries(host: &Host) -> HostResult<(PathBuf, PathBuf)> {
    let running = running_exe(host);
    let dir = running.parent().unwrap_or(Path::new("/"));
    if host.is_live_root() && SYSTEM_DIRS.iter().any(|d| dir == Path::new(d)) {
        return Ok((running.clone(), running));
    }
    // A tree may have its own, from its package; any other is not there yet, wherever ours is on this machine.
    for packaged in ["/usr/bin/redis-harden", "/usr/sbin/redis-harden"] {
        if !host.is_live_root() && host.stat(Path::new(packaged))?.is_some() {
            return Ok((packaged.into(), running));
        }
    }
    Ok((PathBuf::from(INSTALLED), running))
}

/// Our own file; without /proc (a bare chroot) the one of the name that we were called by, in a system directory: units run it, and
/// it is copied, so that no caller's PATH counts.
fn running_exe(host: &Host) -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| {
        let called = std::env::args().next().unwrap_or_default();
        let found = match Path::new(&called).is_absolute() {
            true => Some(PathBuf::from(called)),
            false => host.find_program(&called),
        };
        found.unwrap_or_else(|| PathBuf::from(INSTALLED))
    })
}

/// Each instance's maxmemory: the automatic ones share what the memory limit leaves after its headroom and the fixed ones.
fn maxmemory(policies: &Policies, memory: u64, limit: u64) -> BTreeMap<String, u64> {
    let fixed = |policy: &Policy| match policy.redis.maxmemory {
        Memory::Size(size) => Some(size.0),
        Memory::Percent(percent) if memory > 0 => Some(memory / 100 * u64::from(percent)),
        _ => None,
    };
    let taken: u64 = policies.instances.iter().filter_map(fixed).sum();
    let automatic = policies
        .instances
        .iter()
        .filter(|p| p.redis.maxmemory == Memory::Auto)
        .count();
    let auto = |policy: &Policy| {
        let wanted = policy.redis.maxmemory == Memory::Auto && memory > 0;
        wanted.then(|| share(limit, policy.memory.headroom, taken, automatic))
    };
    let of = |policy: &Policy| {
        let bytes = fixed(policy).or_else(|| auto(policy))?;
        Some((policy.redis.name.to_string(), bytes))
    };
    policies.instances.iter().filter_map(of).collect()
}

fn share(limit: u64, headroom: f64, taken: u64, instances: usize) -> u64 {
    // A memory size fits a double's 53 bits, and the result is rounded to 16 MiB anyway.
    let usable = (limit as f64 / headroom.max(1.0)) as u64;
    let each = usable.saturating_sub(taken) / u64::try_from(instances.max(1)).unwrap_or(1);
    (each / GRAIN * GRAIN).max(GRAIN)
}

/// The digests of the passwords that can be read; the others are generated by `apply`, or root's to read.
fn digests(host: &Host, policy: &Policy) -> acl::Digests {
    policy
        .acl_users()
        .keys()
        .filter_map(|name| {
            let source = policy.password_of(name);
            // Not readable here is what the control on the password file reports.
            let password = secret::password_of(host, &source).ok().flatten();
            let digests = match (password, &source) {
                (Some(password), _) => vec![secret::digest_of(&password)],
                (None, PasswordSource::Credential(_)) => there_already(host, policy, name)?,
                (None, PasswordSource::File(_)) => return None,
            };
            Some((source, digests))
        })
        .collect()
}

/// What the ACL file has already: a credential that only another process is given, or that cannot be decrypted now, is not known to
/// be another, and nobody is locked out for it.
fn there_already(host: &Host, policy: &Policy, name: &Name) -> Option<Vec<String>> {
    // That the file cannot be read is what its own control reports.
    let text = host.read_text(&policy.acl_file()).ok()??;
    let user = User::parse_all(&text).into_iter();
    let user = user.into_iter().find(|user| user.name == name.as_str())?;
    let hashes: Vec<String> = user.hashes.into_iter().collect();
    (!hashes.is_empty()).then_some(hashes)
}

/// Whether the policy leaves a value to be worked out on the host itself.
pub fn is_machine_derived(policy: &Policy) -> bool {
    policy.redis.maxmemory != Memory::Size(crate::policy::scalar::Size(0))
        && !matches!(policy.redis.maxmemory, Memory::Size(_))
        || policy.limits.nofile == Auto::Auto
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn automatic_instances_share_what_the_fixed_ones_leave() {
        const GIB: u64 = 1 << 30;
        assert_eq!(share(8 * GIB, 2.0, 0, 1), 4 * GIB);
        assert_eq!(share(8 * GIB, 2.0, 2 * GIB, 2), GIB);
        assert_eq!(share(GIB, 2.0, 4 * GIB, 1), GRAIN, "never none at all");
    }
}
