//! The directories of memory under a twin, and what lies in them when it starts.

use super::Directives;
use crate::contain::ground::{Copied, Scratch};
use crate::facts::Facts;
use crate::host::{Host, Kind};
use crate::supervise::settings::Settings;
use std::path::{Path, PathBuf};

/// Larger than any honest configuration.
const MOST: u64 = 1 << 20;
/// More files than any honest directory of one has.
const FILES: usize = 64;

/// Where anybody may write.
const OPEN: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// Where known malware wrote to: its own start, a key to come back by, a page with a program in it.
pub const TARGETS: [&str; 5] = [
    "/etc/cron.d",
    "/var/spool/cron/crontabs",
    "/root/.ssh",
    "/var/www",
    "/var/www/html",
];

/// Directives that would reach for other hosts, or have no part in an attack.
const LEFT_OUT: [&str; 4] = ["replicaof", "slaveof", "daemonize", "supervised"];

/// And the password for the primary, which redis.conf of ours includes: no twin needs it.
const OF_THE_PRIMARY: &str = "include /etc/redis-harden/redis/";
const OURS: &str = "/etc/redis-harden/redis";

/// What nothing is laid over: programs and what they need to start.
const NEVER: [Never; 10] = [
    Never::Tree("/usr"),
    Never::Tree("/bin"),
    Never::Tree("/sbin"),
    Never::Tree("/lib"),
    Never::Tree("/lib64"),
    Never::Tree("/proc"),
    Never::Tree("/sys"),
    Never::Itself("/etc"),
    Never::Itself("/dev"),
    Never::Itself("/var"),
];

/// A directory and what is in it, or the directory alone.
enum Never {
    Tree(&'static str),
    Itself(&'static str),
}

impl Never {
    fn is_hidden_by(&self, path: &Path) -> bool {
        match self {
            Never::Tree(tree) => path.starts_with(tree) || Path::new(tree).starts_with(path),
            Never::Itself(dir) => Path::new(dir).starts_with(path),
        }
    }
}

/// The directories, parents before what lies in them.
pub struct Ground<'a> {
    host: &'a Host,
    all: Vec<Scratch>,
}

/// Of an instance that apply has rendered: its files are root's.
pub fn ours(host: &Host, settings: Settings) -> Result<(Settings, String), String> {
    let conf = host
        .read_text(&settings.config)
        .map_err(|e| e.to_string())?;
    match conf {
        Some(conf) => Ok((settings, conf)),
        None => Err(format!(
            "there is no {} (run `redis-harden apply`)",
            settings.config.display()
        )),
    }
}

impl<'a> Ground<'a> {
    pub fn of(host: &'a Host, facts: &Facts, settings: &Settings) -> Result<Ground<'a>, String> {
        let ids = (
            facts.accounts.uid(&settings.user),
            facts.accounts.gid(&settings.group),
        );
        let (Some(uid), Some(gid)) = ids else {
            return Err(format!("there is no user {}", settings.user));
        };
        if uid == 0 {
            return Err("its server runs as root, and a twin does not".to_owned());
        }
        let mut ground = Ground {
            host,
            all: vec![empty("/run", 0o755, 0, 0)],
        };
        ground.all.extend(OPEN.map(|dir| empty(dir, 0o1777, 0, 0)));
        for dir in TARGETS {
            ground.add_like(Path::new(dir))?;
        }
        let data = settings.data_dir.as_path();
        ground.all.push(empty(data, 0o750, uid, gid));
        let own = [&settings.unix_socket, &settings.log_file];
        for file in own.into_iter().flatten() {
            let Some(dir) = file.parent() else { continue };
            ground.all.push(empty(dir, 0o2755, uid, gid));
        }
        Ok(ground)
    }

    /// One with the owner and mode of the host's, where it has one.
    fn add_like(&mut self, dir: &Path) -> Result<(), String> {
        let stat = self.host.stat(dir).map_err(|e| e.to_string())?;
        if let Some(stat) = stat.filter(|stat| stat.kind == Kind::Dir) {
            self.all.push(empty(dir, stat.mode, stat.uid, stat.gid));
        }
        Ok(())
    }

    /// The configuration as it is, with one user more, beside the other files of its directory.
    pub fn add_configuration(
        &mut self,
        settings: &Settings,
        conf: &str,
        directives: &Directives,
        user: &str,
    ) -> Result<(), String> {
        let mut dirs: Vec<&Path> = [&settings.config, &settings.acl_file]
            .into_iter()
            .filter_map(|file| file.parent())
            .filter(|dir| *dir != Path::new("/") && *dir != Path::new(""))
            .collect();
        dirs.dedup();
        for dir in dirs {
            self.add_like(dir)?;
            let files = self.files_of(dir)?;
            if let Some(scratch) = self.all.last_mut().filter(|s| s.path == dir) {
                scratch.files = files;
            }
        }
        let line = format!("{user}\n");
        match directives.has_acl_file {
            true => {
                self.change(&settings.config, |_| within(conf))?;
                self.change(&settings.acl_file, |text| ended(text) + &line)
            }
            false => self.change(&settings.config, |_| ended(&within(conf)) + &line),
        }
    }

    fn files_of(&self, dir: &Path) -> Result<Vec<Copied>, String> {
        let names = self.host.list(dir).map_err(|e| e.to_string())?;
        let mut files = Vec::new();
        for name in names.into_iter().take(FILES) {
            let path = dir.join(&name);
            let stat = self.host.stat(&path).map_err(|e| e.to_string())?;
            let Some(stat) = stat.filter(|s| s.kind == Kind::File && s.size <= MOST) else {
                continue;
            };
            if path.extension().is_some_and(|e| e == "auth") && dir.starts_with(OURS) {
                continue;
            }
            let bytes = self.host.read_untrusted_below(&path, MOST);
            files.extend(bytes.map_err(|e| e.to_string())?.map(|bytes| Copied {
                name: name.into(),
                mode: stat.mode,
                uid: stat.uid,
                gid: stat.gid,
                bytes,
            }));
        }
        Ok(files)
    }

    fn change(&mut self, path: &Path, change: impl Fn(&str) -> String) -> Result<(), String> {
        let mut files = self.all.iter_mut().flat_map(|scratch| {
            let dir = scratch.path.clone();
            let files = scratch.files.iter_mut();
            files.map(move |file| (dir.join(&file.name), file))
        });
        let found = files.find(|(name, _)| name == path);
        let (_, file) = found.ok_or_else(|| format!("there is no {}", path.display()))?;
        file.bytes = change(&String::from_utf8_lossy(&file.bytes)).into_bytes();
        Ok(())
    }

    /// What lies in another is made in it; only the others are mounted, and only where that hides nothing that a twin needs.
    pub fn nested(self) -> Result<Vec<Scratch>, String> {
        let host = self.host;
        let roots = self.sorted();
        for root in &roots {
            let path = root.path.as_path();
            let shown = path.display();
            if NEVER.iter().any(|never| never.is_hidden_by(path)) {
                return Err(format!(
                    "its configuration has {shown} as a directory of its own"
                ));
            }
            let stat = host.stat(path).map_err(|e| e.to_string())?;
            if stat.is_none_or(|stat| stat.kind != Kind::Dir) {
                return Err(format!("{shown} is no directory here"));
            }
        }
        Ok(roots)
    }

    fn sorted(mut self) -> Vec<Scratch> {
        self.all.sort_by(|a, b| a.path.cmp(&b.path));
        // Of two of one path the one that something was put into is the one that is meant.
        self.all.dedup_by(|later, earlier| {
            let same = later.path == earlier.path;
            if same && !later.files.is_empty() {
                std::mem::swap(later, earlier);
            }
            same
        });
        let mut roots: Vec<Scratch> = Vec::new();
        for scratch in self.all {
            match roots.last_mut() {
                Some(root) if scratch.path.starts_with(&root.path) => below(root, scratch),
                _ => roots.push(scratch),
            }
        }
        roots
    }
}

/// With the directories on the way, which are root's.
fn below(root: &mut Scratch, scratch: Scratch) {
    let mut way: Vec<PathBuf> = scratch
        .path
        .ancestors()
        .skip(1)
        .take_while(|dir| *dir != root.path)
        .map(Path::to_path_buf)
        .collect();
    way.reverse();
    let is_there = |root: &Scratch, dir: &Path| root.below.iter().any(|s| s.path == dir);
    for dir in way {
        if !is_there(root, &dir) {
            root.below.push(empty(dir, 0o755, 0, 0));
        }
    }
    root.below.push(scratch);
}

fn empty(path: impl Into<PathBuf>, mode: u32, uid: u32, gid: u32) -> Scratch {
    Scratch {
        path: path.into(),
        mode,
        uid,
        gid,
        below: Vec::new(),
        files: Vec::new(),
    }
}

/// The configuration without what would reach for other hosts.
fn within(conf: &str) -> String {
    let left_out = |line: &&str| {
        let name = line.split_whitespace().next().unwrap_or_default();
        LEFT_OUT.contains(&name.to_ascii_lowercase().as_str()) || line.starts_with(OF_THE_PRIMARY)
    };
    let kept: Vec<&str> = conf.lines().filter(|line| !left_out(line)).collect();
    kept.join("\n") + "\n"
}

fn ended(text: &str) -> String {
    match text.is_empty() || text.ends_with('\n') {
        true => text.to_owned(),
        false => format!("{text}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Reach;

    #[test]
    fn what_lies_in_another_is_made_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::at(dir.path(), Reach::Running).unwrap();
        let all = ["/var/lib/redis", "/run", "/run/redis/a", "/tmp"];
        let ground = Ground {
            host: &host,
            all: all.map(|path| empty(path, 0o700, 1, 1)).to_vec(),
        };
        let nested = ground.sorted();
        let paths: Vec<&Path> = nested.iter().map(|s| s.path.as_path()).collect();
        assert_eq!(paths, ["/run", "/tmp", "/var/lib/redis"].map(Path::new));
        let made: Vec<(&Path, u32)> = nested[0]
            .below
            .iter()
            .map(|s| (s.path.as_path(), s.uid))
            .collect();
        assert_eq!(
            made,
            [(Path::new("/run/redis"), 0), (Path::new("/run/redis/a"), 1)]
        );
    }

    #[test]
    fn nothing_is_laid_over_programs_links_or_what_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::at(dir.path(), Reach::Running).unwrap();
        let refused = |path: &str| {
            let all = vec![empty(path, 0o700, 1, 1)];
            Ground { host: &host, all }.nested().is_err()
        };
        for path in ["/", "/usr", "/usr/bin", "/etc", "/dev", "/proc/1", "/var"] {
            assert!(refused(path), "{path}");
        }
        assert!(refused("/srv/redis"), "not there");
        host.make_dir(Path::new("/srv"), 0o755, host.euid(), 0)
            .unwrap();
        host.make_link(Path::new("/srv/redis"), Path::new("/srv"))
            .unwrap();
        assert!(refused("/srv/redis"), "a link");
        assert!(!refused("/srv"));
    }

    #[test]
    fn a_twin_reaches_for_no_primary() {
        assert_eq!(within("port 1\n ReplicaOf a 1\nhz 10"), "port 1\nhz 10\n");
    }
}
