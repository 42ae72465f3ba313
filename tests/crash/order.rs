//! Power loss: what a disk keeps is what was synced. Read from one list of calls a host: nothing is renamed into place, told done or
//! begun before all that it stands on is synced, directories included.

use crate::host::{KINDS, Kind};
use crate::judge::known;
use crate::strace::{Call, calls};
use std::collections::BTreeSet;

const STATE: &str = "/var/lib/redis-harden";

/// What a power loss would take back, and what is wrong with the order so far.
#[derive(Default)]
struct Disk {
    /// Files and directories whose content, owner or mode is not synced.
    unsynced: BTreeSet<String>,
    /// Directories in which a name has come or gone, not synced.
    names: BTreeSet<String>,
    created: BTreeSet<String>,
    /// Records since the last file came into place.
    records: usize,
    /// How many there must be: an apply says what it is to do and what it did, a rollback what it did.
    owed: usize,
    renames: usize,
    wrong: Vec<String>,
}

impl Disk {
    fn see(&mut self, call: &Call, root: &str) {
        let paths: Vec<String> = paths(&call.line, root);
        let failed = call.line.contains(" = -1 ");
        let (Some(path), false) = (paths.first(), failed) else {
            return;
        };
        // Of the kernel, or a courtesy to the next who waits.
        if ["/proc/", "/sys/", "/dev/", "/run/"]
            .iter()
            .any(|top| path.starts_with(top))
            || path == "/var/lib/redis-harden/lock"
        {
            return;
        }
        match call.name.as_str() {
            "fsync" | "fdatasync" => {
                self.unsynced.remove(path);
                self.names.remove(path);
            }
            "write" | "fchmod" | "fchown" | "ftruncate" => {
                if is_log(path) {
                    self.records += 1;
                    self.nothing_is_lost(call, |unsynced| !is_log(unsynced));
                } else if !is_temporary(path) {
                    self.the_journal_has_it(call, path);
                }
                self.unsynced.insert(path.clone());
            }
            "openat"
                if call.line.contains("O_CREAT")
                    && !is_temporary(path)
                    && self.created.insert(path.clone()) =>
            {
                self.names.insert(parent(path));
            }
            "renameat" => self.rename(call, path, paths.get(1).expect("two names")),
            "mkdirat" | "unlinkat" if !is_temporary(path) => {
                self.the_journal_has_it(call, path);
                self.names.insert(parent(path));
            }
            _ => {}
        }
    }

    fn rename(&mut self, call: &Call, from: &str, to: &str) {
        if self.unsynced.contains(from) {
            self.wrong
                .push(format!("renamed before it is synced: {}", call.line));
        }
        self.names.insert(parent(to));
        if to.starts_with(STATE) {
            return;
        }
        self.the_journal_has_it(call, to);
        if self.renames > 0 && self.records < self.owed {
            self.wrong
                .push(format!("not in the journal: {}", call.line));
        }
        (self.records, self.renames) = (0, self.renames + 1);
    }

    /// A record says that all before it is so.
    fn nothing_is_lost(&mut self, call: &Call, counts: impl Fn(&String) -> bool) {
        // The journal's own beginning is synced with its first record.
        let names = self.names.iter().filter(|dir| !dir.contains("/runs/"));
        let lost: Vec<&String> = self
            .unsynced
            .iter()
            .chain(names)
            .filter(|p| counts(p))
            .collect();
        if !lost.is_empty() {
            self.wrong
                .push(format!("{lost:?} is not synced before {}", call.line));
        }
    }

    /// Before something outside is changed, the journal that tells of it is on the disk.
    fn the_journal_has_it(&mut self, call: &Call, path: &str) {
        if path.starts_with(STATE) {
            return;
        }
        let journal = |p: &&String| p.starts_with(STATE);
        let lost: Vec<&String> = self
            .unsynced
            .iter()
            .chain(&self.names)
            .filter(journal)
            .collect();
        if !lost.is_empty() || !self.created.iter().any(|p| is_log(p)) {
            self.wrong.push(format!(
                "the journal ({lost:?}) is not synced before {}",
                call.line
            ));
        }
    }
}

fn is_log(path: &str) -> bool {
    path.starts_with(STATE) && path.ends_with("/log")
}

fn is_temporary(path: &str) -> bool {
    path.contains(".redis-harden.")
        && path
            .rsplit('.')
            .next()
            .is_some_and(|pid| pid.parse::<u32>().is_ok())
}

fn parent(path: &str) -> String {
    path.rsplit_once('/').expect("absolute").0.to_owned()
}

/// The paths that a call names, as the host has them: `7</root/etc>, "x"` is /etc/x, `5</root/etc/x>` too.
fn paths(line: &str, root: &str) -> Vec<String> {
    let arguments = line.rsplit_once(" = ").map_or(line, |(call, _)| call);
    let mut paths = Vec::new();
    for described in arguments.split('<').skip(1) {
        let Some((dir, rest)) = described.split_once('>') else {
            continue;
        };
        let below = dir.strip_prefix(root).unwrap_or(dir);
        let name = rest.strip_prefix(", \"").and_then(|r| r.split('"').next());
        paths.push(match name {
            // What is written is not shown.
            Some("") | None => below.to_owned(),
            Some(name) => format!("{below}/{name}"),
        });
    }
    paths
}

fn looked_at(kind: Kind) -> Vec<String> {
    let host = known(kind).first.copy();
    let root = host
        .real("/")
        .to_string_lossy()
        .trim_end_matches('/')
        .to_owned();
    let mut disk = Disk::default();
    for (command, owed) in [("apply", 2), ("rollback", 1)] {
        disk.owed = owed;
        let (ran, calls) = calls(&host, command);
        assert_eq!(ran.code, Some(0), "{ran}");
        for call in &calls {
            disk.see(call, &root);
        }
        let left: Vec<&String> = disk.unsynced.iter().chain(&disk.names).collect();
        if !left.is_empty() {
            disk.wrong
                .push(format!("{left:?} is not synced at the end of {command}"));
        }
    }
    println!(
        "crash: order, {kind:?}: {} files came into place",
        disk.renames
    );
    assert!(disk.renames > 10, "{}", disk.renames);
    disk.wrong
}

#[test]
fn what_is_told_done_would_survive_a_power_loss() {
    let wrong = KINDS.map(looked_at).concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_path_is_read_from_a_call() {
    let line = r#"renameat(7</r/etc>, ".x.redis-harden.12", 7</r/etc>, "x") = 0"#;
    assert_eq!(paths(line, "/r"), ["/etc/.x.redis-harden.12", "/etc/x"]);
    assert_eq!(paths("fsync(5</r/etc/x>) = 0", "/r"), ["/etc/x"]);
    assert!(is_temporary("/etc/.x.redis-harden.12") && !is_temporary("/etc/redis-harden.service"));
}
