//! A fake host: a temporary directory that is a Debian 12 whose kernel and accounts are as the production policy wants
//! them, and on which nothing of ours is. A test lays over it what it is about, in the notation of a control's cases:
//!
//! ```text
//! ("/path", "content")                    a file, 0644 root:root, with the directories above it
//! ("/path 0640 root:redis", "content")    with this mode, owner and group
//! ("/dir/ 0750 redis:redis", "")          a directory
//! ("/link -> target", "")                 a symbolic link
//! ("/path absent", "")                    nothing: what the base has there is taken away
//! ("/path", "@proc/status-resident")      with the content of that file of tests/fixtures
//! ("CONFIG name", "value")                what the running default instance tells
//! ("INFO field", "value")
//! ("CLUSTER field", "value")
//! ("ACL user", "on nopass ~* +@all")
//! ("CLIENT address", "default")           a client, and which user it is
//! ("MODULE name", "/path/of.so")
//! ("REFUSED auth", "12.5"): seconds ago
//! ("ANONYMOUS", "open" | "refused")       how it answers a client without password
//! ```
//!
//! Such a host has no program but a fake systemctl, and no server: nothing of this machine is run or asked.
//! As an ordinary user root, redis and adm are all that user, so that owners agree.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "each test binary uses a part; tests make their hosts behind the door"
)]

use redis_harden::audit::{Judged, Selection, audit};
use redis_harden::control::{Control, Phase};
use redis_harden::facts::{Facts, View};
use redis_harden::host::{Host, Reach};
use redis_harden::journal::{self, Applied, Conflict, Force, Outcome, Run, Story, Terms};
use redis_harden::plan::{Change, plan};
use redis_harden::policy::Policies;
use redis_harden::redis::Told;
use redis_harden::redis::refusals::Refusal;
use redis_harden::redis::users::User;
use redis_harden::setting::Sight;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The phases that a fake host can go through: the others run programs, or a server.
pub const PHASES: [Phase; 5] = [
    Phase::Kernel,
    Phase::KernelAtBoot,
    Phase::Account,
    Phase::Ground,
    Phase::Files,
];

/// What apply leaves after a rollback on purpose: the journal, and passwords set aside.
const LEFT: &str = "/var/lib/redis-harden";

const SELECTED: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// As Debian 12 with the packages redis-server and nftables, and the kernel as the production policy wants it.
const BASE: &[(&str, &str)] = &[
    ("/etc/os-release", "@host/os-release"),
    (
        "/etc/shadow 0640 root:root",
        "root:*:19700:0:99999:7:::\nredis:!:19700::::::\n",
    ),
    (
        "/etc/sysctl.conf",
        "# /etc/sysctl.conf - Configuration file for setting system variables\n",
    ),
    ("/etc/sysctl.d/99-sysctl.conf -> ../sysctl.conf", ""),
    ("/etc/tmpfiles.d/", ""),
    ("/etc/systemd/system/multi-user.target.wants/", ""),
    ("/etc/redis/ 2770 redis:redis", ""),
    (
        "/etc/redis/redis.conf 0640 redis:redis",
        "bind 127.0.0.1 -::1\nport 6379\n",
    ),
    ("/usr/bin/", ""),
    ("/usr/sbin/", ""),
    ("/usr/local/sbin/", ""),
    ("/usr/lib/systemd/systemd 0755 root:root", ""),
    (
        "/usr/lib/systemd/system/redis-server.service",
        "@units/redis-server.service",
    ),
    (
        "/usr/lib/systemd/system/redis-server@.service",
        "@units/redis-server@.service",
    ),
    ("/lib -> usr/lib", ""),
    ("/run/systemd/system/", ""),
    ("/var/lib/dpkg/status", "@host/dpkg-status"),
    ("/var/lib/redis/ 0750 redis:redis", ""),
    ("/var/log/redis/ 2750 redis:adm", ""),
    (
        "/proc/meminfo",
        "MemTotal:        2097152 kB\nMemFree:         1048576 kB\n",
    ),
    (
        "/proc/swaps",
        "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
    ),
    (
        "/proc/self/status",
        "Name:\tredis-harden\nCapEff:\t000001ffffffffff\n",
    ),
    (
        "/proc/self/mountinfo",
        "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n",
    ),
    ("/proc/sys/fs/nr_open", "1048576\n"),
    ("/proc/sys/fs/protected_fifos", "1\n"),
    ("/proc/sys/fs/protected_hardlinks", "1\n"),
    ("/proc/sys/fs/protected_symlinks", "1\n"),
    ("/proc/sys/fs/suid_dumpable", "0\n"),
    ("/proc/sys/kernel/dmesg_restrict", "1\n"),
    ("/proc/sys/kernel/kptr_restrict", "1\n"),
    ("/proc/sys/kernel/randomize_va_space", "2\n"),
    ("/proc/sys/kernel/unprivileged_bpf_disabled", "2\n"),
    ("/proc/sys/kernel/yama/ptrace_scope", "1\n"),
    ("/proc/sys/net/core/somaxconn", "4096\n"),
    ("/proc/sys/net/ipv4/tcp_max_syn_backlog", "4096\n"),
    ("/proc/sys/net/ipv4/tcp_syncookies", "1\n"),
    ("/proc/sys/vm/max_map_count", "65530\n"),
    ("/proc/sys/vm/panic_on_oom", "0\n"),
    ("/proc/sys/vm/zone_reclaim_mode", "0\n"),
    ("/proc/sys/vm/overcommit_memory", "1\n"),
    ("/proc/sys/vm/swappiness", "10\n"),
    (SELECTED, "always [madvise] never\n"),
    (
        "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        "tsc\n",
    ),
];

/// Over the base: a kernel that nobody has tuned, as it boots on Debian 12, and no directory of Redis's yet.
pub const UNTUNED: &[(&str, &str)] = &[
    ("/proc/sys/net/core/somaxconn", "4096\n"),
    ("/proc/sys/net/ipv4/tcp_max_syn_backlog", "256\n"),
    ("/proc/sys/vm/overcommit_memory", "0\n"),
    ("/proc/sys/vm/swappiness", "60\n"),
    (SELECTED, "[always] madvise never\n"),
];

/// A fake host, and what its server tells.
pub struct Fake {
    dir: TempDir,
    host: Host,
    told: Told,
    runs: bool,
    anonymous: Option<bool>,
}

impl Fake {
    /// The base.
    pub fn new() -> Fake {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = dir.path().join("root");
        fs::create_dir(&root).expect("the fake root");
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755))
            .expect("the fake root's mode");
        let host = Host::at(&root, Reach::Running).expect("the fake root opens");
        let mut fake = Fake {
            dir,
            host,
            told: Told::default(),
            runs: false,
            anonymous: None,
        };
        let (redis, group) = (uid("redis"), gid("redis"));
        let passwd = format!(
            "root:x:{}:{}:root:/root:/bin/bash\nredis:x:{redis}:{group}::/var/lib/redis:/usr/sbin/nologin\n",
            uid("root"),
            gid("root")
        );
        let groups = format!(
            "root:x:{}:\nadm:x:{}:\nredis:x:{group}:\n",
            gid("root"),
            gid("adm")
        );
        fake.lay("/etc/passwd", &passwd);
        fake.lay("/etc/group", &groups);
        fake.lay(
            &format!(
                "/usr/bin/systemctl -> {}",
                fixture("bin/systemctl").display()
            ),
            "",
        );
        fake.lay_all(BASE);
        fake
    }

    /// Another host like this one.
    pub fn copy(&self) -> Fake {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .arg(self.dir.path().join("root"))
            .arg(dir.path())
            .status();
        assert!(copied.expect("cp runs").success());
        let host = Host::at(&dir.path().join("root"), Reach::Running).expect("the copy opens");
        Fake {
            dir,
            host,
            told: self.told.clone(),
            runs: self.runs,
            anonymous: self.anonymous,
        }
    }

    /// The base with something over it.
    pub fn with(files: &[(&str, &str)]) -> Fake {
        let mut fake = Fake::new();
        fake.lay_all(files);
        fake
    }

    /// Lays several things, in order.
    pub fn lay_all(&mut self, files: &[(&str, &str)]) {
        for (place, content) in files {
            self.lay(place, content);
        }
    }

    /// Lays one thing, in the notation above.
    pub fn lay(&mut self, place: &str, content: &str) {
        if let Some(name) = place.strip_prefix("CONFIG ") {
            self.runs = true;
            self.told
                .directives
                .insert(name.to_owned(), content.to_owned());
        } else if let Some(field) = place.strip_prefix("INFO ") {
            self.runs = true;
            self.told.info.insert(field.to_owned(), content.to_owned());
            if field == "process_id" {
                self.told.listener = content.parse().ok();
            }
        } else if let Some(field) = place.strip_prefix("CLUSTER ") {
            self.runs = true;
            let fields = self
                .told
                .cluster
                .0
                .as_mut()
                .expect("a fake server tells all");
            fields.insert(field.to_owned(), content.to_owned());
        } else if let Some(name) = place.strip_prefix("ACL ") {
            self.runs = true;
            let users = self.told.users.0.as_mut().expect("a fake server tells all");
            users.retain(|user| user.name != name);
            users.extend(User::parse(&format!("user {name} {content}")));
        } else if let Some(address) = place.strip_prefix("CLIENT ") {
            self.runs = true;
            let clients = self.told.of_default.0.as_mut();
            let clients = clients.expect("a fake server tells all");
            clients.extend((content == "default").then(|| address.to_owned()));
        } else if let Some(name) = place.strip_prefix("MODULE ") {
            self.runs = true;
            let modules = self
                .told
                .modules
                .0
                .as_mut()
                .expect("a fake server tells all");
            modules.push((name.to_owned(), content.to_owned()));
        } else if let Some(reason) = place.strip_prefix("REFUSED ") {
            self.runs = true;
            let refusals = self.told.refusals.0.as_mut();
            refusals.expect("a fake server tells all").push(Refusal {
                reason: reason.to_owned(),
                count: 1,
                age: content.parse().expect("seconds"),
            });
        } else if place == "ANONYMOUS" {
            self.anonymous = Some(content == "open");
        } else if let Some(path) = place.strip_suffix(" absent") {
            self.remove(path);
        } else if let Some((path, target)) = place.split_once(" -> ") {
            let path = self.place_for(path);
            // An empty directory of the fake host's own makes room.
            let _ = std::fs::remove_dir(&path);
            symlink(target, &path).unwrap_or_else(|e| panic!("{place}: {e}"));
        } else {
            let mut words = place.split_whitespace();
            let path = words.next().unwrap_or_default();
            let mode = words
                .next()
                .map(|m| u32::from_str_radix(m, 8).unwrap_or_else(|_| panic!("{place}: no mode")));
            let owner = words.next().map(|o| {
                o.split_once(':')
                    .unwrap_or_else(|| panic!("{place}: no owner"))
            });
            self.lay_inode(path, content, mode, owner.unwrap_or(("root", "root")));
        }
    }

    fn lay_inode(&self, path: &str, content: &str, mode: Option<u32>, owner: (&str, &str)) {
        let real = match path.strip_suffix('/') {
            Some(dir) => {
                let real = self.place_or_old(dir);
                if !real.is_dir() {
                    fs::create_dir(&real).unwrap_or_else(|e| panic!("{path}: {e}"));
                }
                set_access(&real, mode.unwrap_or(0o755), owner);
                return;
            }
            None => self.place_or_old(path),
        };
        fs::write(&real, content_of(content)).unwrap_or_else(|e| panic!("{path}: {e}"));
        set_access(&real, mode.unwrap_or(0o644), owner);
    }

    /// Takes a file, a link or a directory with all in it away.
    pub fn remove(&mut self, path: &str) {
        let real = self.real(path);
        let gone = if real.is_dir() && !real.is_symlink() {
            fs::remove_dir_all(&real)
        } else {
            fs::remove_file(&real)
        };
        gone.unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    /// Where a path is, with the directories above it made, and what is there taken away.
    fn place_for(&self, path: &str) -> PathBuf {
        let real = self.place_or_old(path);
        if real.is_symlink() || real.is_file() {
            fs::remove_file(&real).unwrap_or_else(|e| panic!("{path}: {e}"));
        }
        real
    }

    fn place_or_old(&self, path: &str) -> PathBuf {
        let real = self.real(path);
        let mut missing: Vec<&Path> = real
            .ancestors()
            .skip(1)
            .take_while(|dir| !dir.exists())
            .collect();
        missing.reverse();
        for dir in missing {
            fs::create_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
            set_access(dir, 0o755, ("root", "root"));
        }
        real
    }

    /// Where a host path is on this machine.
    pub fn real(&self, path: &str) -> PathBuf {
        self.host.real(Path::new(path))
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What the fake systemctl was asked for, a line each.
    pub fn systemctl(&self) -> String {
        // Nobody has asked it yet.
        fs::read_to_string(self.dir.path().join("systemctl.log")).unwrap_or_default()
    }

    /// What is known of the host, its server's words included.
    pub fn facts(&self, policies: &Policies) -> Facts {
        let mut facts = Facts::gather(&self.host, policies).expect("the facts of a fake host");
        if let Some(instance) = facts.instances.get_mut("default") {
            assert!(
                matches!(instance.view, View::NotRunning),
                "a fake host was told of a real server"
            );
            if self.runs {
                instance.view = View::Told(Box::new(self.told.clone()));
                instance.anonymous = Ok(false);
            }
            if let Some(open) = self.anonymous {
                instance.anonymous = Ok(open);
            }
        }
        facts
    }

    /// The verdicts on some controls.
    pub fn audit(&self, policies: &Policies, controls: &[&'static Control]) -> Vec<Judged> {
        let facts = self.facts(policies);
        let sight = Sight::new(&self.host, &facts);
        audit(sight, policies, controls, &Selection::default())
    }

    /// The verdict on one.
    pub fn judge(&self, policies: &Policies, control: &'static Control) -> Judged {
        self.audit(policies, &[control]).remove(0)
    }

    /// What an apply of these controls would change in the phases of a fake host.
    pub fn plan(&self, policies: &Policies, controls: &[&'static Control]) -> Vec<Change> {
        let mut changes = plan(&self.audit(policies, controls));
        changes.retain(|c| PHASES.contains(&c.group.phase));
        changes
    }

    /// Applies these controls, in the phases of a fake host.
    pub fn apply(&self, policies: &Policies, controls: &[&'static Control]) -> Applied {
        self.apply_as(policies, controls, Terms::default())
    }

    /// The same on other terms.
    pub fn apply_as(
        &self,
        policies: &Policies,
        controls: &[&'static Control],
        terms: Terms,
    ) -> Applied {
        let _lock =
            journal::lock(&self.host, "apply", std::time::Duration::ZERO).expect("the lock");
        let mut run =
            Run::prepare(&self.host, (&policies.name, &policies.sha256), terms).expect("a run");
        let every = Selection::default();
        let applied = journal::apply(
            &self.host,
            policies,
            controls,
            &every,
            &PHASES,
            &mut run,
            &mut |_| {},
        );
        applied.expect("an apply")
    }

    /// The runs in the journal.
    pub fn runs(&self) -> Vec<Story> {
        journal::runs(&self.host).expect("the journal")
    }

    /// Rolls the last run back.
    pub fn rollback(&self, policies: &Policies, force: bool) -> Result<(), Vec<Conflict>> {
        let force = match force {
            true => Force::Everything,
            false => Force::Named(Vec::new()),
        };
        self.rollback_with(policies, &force)
    }

    /// The same over what is named.
    pub fn rollback_with(&self, policies: &Policies, force: &Force) -> Result<(), Vec<Conflict>> {
        let runs = self.runs();
        let last = runs.last().expect("a run");
        let facts = self.facts(policies);
        let sight = Sight::new(&self.host, &facts);
        journal::rollback(sight, last, force, Outcome::RolledBack, &mut |_| {}).expect("a rollback")
    }

    /// All that is on the host, but what a rollback leaves on purpose.
    pub fn tree(&self) -> Tree {
        let mut tree = self.everything();
        tree.retain(|path, _| !path.starts_with(LEFT));
        tree
    }

    /// The same with the journal and the passwords set aside.
    pub fn everything(&self) -> Tree {
        let mut tree = Tree::new();
        walk(self.host.root(), "", &mut tree);
        tree
    }
}

/// Each path with what is there.
pub type Tree = BTreeMap<String, Node>;

/// A file, directory or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub kind: Kind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File(Vec<u8>),
    Link(PathBuf),
}

impl Node {
    /// `0640 root:redis`, and what it is.
    pub fn access(&self) -> String {
        let user = ["root", "redis"]
            .into_iter()
            .find(|n| uid(n) == self.uid)
            .map_or(self.uid.to_string(), str::to_owned);
        let group = ["root", "adm", "redis"]
            .into_iter()
            .find(|n| gid(n) == self.gid);
        let group = group.map_or(self.gid.to_string(), str::to_owned);
        format!("{:04o} {user}:{group}", self.mode)
    }

    fn summary(&self) -> String {
        let what = match &self.kind {
            Kind::Directory => "a directory".to_owned(),
            Kind::File(content) => format!("a file {:?}", String::from_utf8_lossy(content)),
            Kind::Link(target) => format!("a link to {}", target.display()),
        };
        format!("{} {what}", self.access())
    }
}

/// The differences of two trees, a paragraph each.
pub fn differences(before: &Tree, after: &Tree) -> Vec<String> {
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let side =
        |tree: &Tree, path: &String| tree.get(path).map_or("nothing".to_owned(), Node::summary);
    let differ = paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path));
    differ
        .map(|path| {
            format!(
                "{path}\n    was {}\n    is  {}",
                side(before, path),
                side(after, path)
            )
        })
        .collect()
}

fn walk(root: &Path, below: &str, tree: &mut Tree) {
    let dir = root.join(below.trim_start_matches('/'));
    for entry in fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let entry = entry.unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        let metadata = entry.metadata().unwrap_or_else(|e| panic!("{path}: {e}"));
        let kind = if metadata.is_dir() {
            walk(root, &path, tree);
            Kind::Directory
        } else if metadata.is_symlink() {
            Kind::Link(fs::read_link(entry.path()).unwrap_or_else(|e| panic!("{path}: {e}")))
        } else {
            let content = fs::read(entry.path()).unwrap_or_else(|e| panic!("{path}: {e}"));
            Kind::File(if path == SELECTED {
                selected(&content)
            } else {
                content
            })
        };
        let (mode, uid, gid) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
        tree.insert(
            path,
            Node {
                kind,
                mode,
                uid,
                gid,
            },
        );
    }
}

/// A kernel shows all modes and brackets the one that was written; a plain file holds what was written. It is the mode that counts.
fn selected(content: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(content);
    let bracketed = text
        .split_whitespace()
        .find_map(|w| w.strip_prefix('[')?.strip_suffix(']'));
    bracketed.unwrap_or(text.trim()).as_bytes().to_vec()
}

/// Whether owners are told apart.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The id of a user of the fake host: Debian gives redis the first free one; an ordinary user can give nothing away.
pub fn uid(name: &str) -> u32 {
    match name {
        "root" | "redis" if !is_root() => nix::unistd::geteuid().as_raw(),
        "root" => 0,
        "redis" => 998,
        other => panic!("a fake host has no user {other}"),
    }
}

/// The id of a group.
pub fn gid(name: &str) -> u32 {
    match name {
        "root" | "redis" | "adm" if !is_root() => nix::unistd::getegid().as_raw(),
        "root" => 0,
        "adm" => 4,
        "redis" => 998,
        other => panic!("a fake host has no group {other}"),
    }
}

/// A file of tests/fixtures.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn content_of(content: &str) -> Vec<u8> {
    match content.strip_prefix('@') {
        Some(name) => {
            fs::read(fixture(name)).unwrap_or_else(|e| panic!("tests/fixtures/{name}: {e}"))
        }
        None => content.as_bytes().to_vec(),
    }
}

fn set_access(path: &Path, mode: u32, (user, group): (&str, &str)) {
    // A chown clears the set-id bits, so the mode comes after.
    std::os::unix::fs::chown(path, Some(uid(user)), Some(gid(group)))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, mode).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
