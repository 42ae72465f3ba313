//! The guard that stands where no systemd runs: while packages are installed, their scripts must not start Redis with its stock configuration.
//!
//! It is a `/usr/sbin/policy-rc.d` of ours that denies Redis and asks the original for all else. The original keeps its
//! inode under a second name, so that putting it back is one rename. A `policy-rc.d` always stands, whenever we are killed.
//! It touches nothing that it does not know for its own or for the original.

use crate::host::{Host, HostError, HostResult, Image};
use sha2::{Digest, Sha256};
use std::path::Path;

/// What `invoke-rc.d` and `deb-systemd-invoke` ask.
pub const POLICY: &str = "/usr/sbin/policy-rc.d";

/// The original's second name while the guard stands.
pub const ORIGINAL: &str = "/usr/sbin/policy-rc.d.redis-harden-original";

/// The last line's beginning; after it, the SHA-256 of all lines before.
const SEAL: &str = "# redis-harden guard, sha256 ";

/// Stopping is asked of the original: only a start must not happen. Without an original we answer as `invoke-rc.d` does
/// when there is no policy: nothing starts out of its runlevel (the action is then in parentheses), nor where there is no init.
const SCRIPT: &str = include_str!("policy-rc.d");

/// The guard over one host's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    original: Image,
    script: Image,
}

/// One thing that the guard writes, for the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardWrite {
    pub path: &'static Path,
    pub before: Image,
    pub after: Image,
}

/// What stands on the host.
enum Standing {
    /// No guard; the policy as it is.
    Down(Image),
    /// The original has its second name already, or still.
    Half(Image),
    /// The guard, over this original.
    Up(Image),
}

impl Guard {
    /// The guard that this host needs, or the one that a crash left there. Writes nothing.
    pub fn plan(host: &Host) -> HostResult<Guard> {
        let (Standing::Down(original) | Standing::Half(original) | Standing::Up(original)) =
            look(host)?;
        if matches!(original, Image::Dir { .. }) {
            return Err(conflict("it is a directory", "remove it"));
        }
        Ok(Guard {
            original,
            script: script(host)?,
        })
    }

    /// The guard that a crash left, wholly or half put up.
    pub fn left_over(host: &Host) -> HostResult<Option<Guard>> {
        match look(host)? {
            Standing::Down(_) => Ok(None),
            Standing::Half(original) | Standing::Up(original) => Ok(Some(Guard {
                original,
                script: script(host)?,
            })),
        }
    }

    /// The policy that comes back when it is taken down: a journal compares it with the one that it recorded.
    pub fn original(&self) -> &Image {
        &self.original
    }

    /// What `put_up` writes, in its order, from a host where no guard stands.
    pub fn writes(&self) -> Vec<GuardWrite> {
        let keep = GuardWrite {
            path: Path::new(ORIGINAL),
            before: Image::Absent,
            after: self.original.clone(),
        };
        let deny = GuardWrite {
            path: Path::new(POLICY),
            before: self.original.clone(),
            after: self.script.clone(),
        };
        match self.original {
            Image::Absent => vec![deny],
            _ => vec![keep, deny],
        }
    }

    /// Puts it up; one that stands already stays.
    pub fn put_up(&self, host: &Host) -> HostResult<()> {
        match look(host)? {
            Standing::Up(original) => return self.check(&original),
            Standing::Half(original) => self.check(&original)?,
            Standing::Down(original) => {
                self.check(&original)?;
                self.keep_original(host)?;
            }
        }
        host.put(Path::new(POLICY), &self.script)
    }

    /// Takes it down and puts the original back; none that stands is no error.
    pub fn take_down(&self, host: &Host) -> HostResult<()> {
        match look(host)? {
            Standing::Down(_) => Ok(()),
            Standing::Half(original) => {
                self.check(&original)?;
                host.remove(Path::new(ORIGINAL))
            }
            Standing::Up(original) => {
                self.check(&original)?;
                match original {
                    Image::Absent => host.remove(Path::new(POLICY)),
                    _ => host.rename(Path::new(ORIGINAL), Path::new(POLICY)),
                }
            }
        }
    }

    fn keep_original(&self, host: &Host) -> HostResult<()> {
        let (policy, original) = (Path::new(POLICY), Path::new(ORIGINAL));
        if self.original == Image::Absent {
            return Ok(());
        }
        // A file system without hard links keeps a copy: all but its time stamp.
        host.hard_link(policy, original)
            .or_else(|_| host.put(original, &self.original))
    }

    fn check(&self, original: &Image) -> HostResult<()> {
        if *original == self.original {
            return Ok(());
        }
        Err(conflict(
            "it is not the one that we had seen",
            "run it again",
        ))
    }
}

fn look(host: &Host) -> HostResult<Standing> {
    let policy = host.image(Path::new(POLICY))?;
    let kept = host.image(Path::new(ORIGINAL))?;
    match (is_ours(&policy), kept) {
        (true, kept) => Ok(Standing::Up(kept)),
        (false, Image::Absent) => Ok(Standing::Down(policy)),
        (false, kept) if kept == policy => Ok(Standing::Half(kept)),
        (false, _) => Err(conflict(
            &format!(
                "somebody changed it while our guard stood; the one from before is {ORIGINAL}"
            ),
            "keep the right one of the two as policy-rc.d, remove the other, and run it again",
        )),
    }
}

fn conflict(cause: &str, next: &str) -> HostError {
    HostError::refused(format!("guarding {POLICY}"), format!("{cause}; {next}"))
}

fn script(host: &Host) -> HostResult<Image> {
    let dir = Path::new("/usr/sbin");
    let Some(stat) = host.stat(dir)? else {
        return Err(conflict(
            "/usr/sbin does not exist",
            "is this a Debian-based host?",
        ));
    };
    Ok(Image::File {
        content: format!("{SCRIPT}{SEAL}{}\n", digest(SCRIPT.as_bytes())).into_bytes(),
        mode: 0o755,
        // Root's; on a fake host, its owner's.
        uid: stat.uid,
        gid: stat.gid,
    })
}

/// Whether a file is a guard of ours, of this version or another, and unchanged.
fn is_ours(image: &Image) -> bool {
    let Image::File { content, .. } = image else {
        return false;
    };
    let Some(start) = memchr::memmem::rfind(content, SEAL.as_bytes()) else {
        return false;
    };
    let (body, seal) = content.split_at(start);
    seal == format!("{SEAL}{}\n", digest(body)).as_bytes()
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Reach, Run};
    use std::path::PathBuf;
    use tempfile::TempDir;

    /// A host whose `policy-rc.d` is `original`.
    fn host_with(original: &Image) -> (TempDir, Host) {
        let root = tempfile::tempdir().expect("a directory");
        let host = Host::at(root.path(), Reach::Running).expect("a host");
        let (uid, gid) = owner(&host);
        for dir in ["/usr", "/usr/sbin"] {
            host.make_dir(Path::new(dir), 0o755, uid, gid)
                .expect("made");
        }
        host.put(Path::new(POLICY), original).expect("put");
        (root, host)
    }

    fn owner(host: &Host) -> (u32, u32) {
        let root = host.stat(Path::new("/")).expect("seen").expect("there");
        (root.uid, root.gid)
    }

    fn originals() -> Vec<Image> {
        let root = tempfile::tempdir().expect("a directory");
        let host = Host::at(root.path(), Reach::Running).expect("a host");
        let (uid, gid) = owner(&host);
        let file = |content: &str, mode| Image::File {
            content: content.into(),
            mode,
            uid,
            gid,
        };
        vec![
            Image::Absent,
            file("#!/bin/sh\nexit 0\n", 0o755),
            file("#!/bin/sh\nexit 101\n", 0o700),
            file("", 0o644),
            Image::Link("/etc/alternatives/policy-rc.d".into()),
            Image::Link("elsewhere".into()),
        ]
    }

    /// All that is in `/usr/sbin`.
    fn tree(host: &Host) -> Vec<(String, Image)> {
        let dir = Path::new("/usr/sbin");
        let names = host.list(dir).expect("listed");
        let image = |name: String| {
            let image = host.image(&dir.join(&name)).expect("read");
            (name, image)
        };
        names.into_iter().map(image).collect()
    }

    #[test]
    fn taking_down_leaves_the_tree_as_it_was() {
        for original in originals() {
            let (_root, host) = host_with(&original);
            let before = tree(&host);
            let guard = Guard::plan(&host).expect("planned");
            guard.put_up(&host).expect("put up");
            guard.put_up(&host).expect("and again");
            for write in guard.writes() {
                assert_eq!(host.image(write.path).expect("read"), write.after);
            }
            guard.take_down(&host).expect("taken down");
            guard.take_down(&host).expect("and again");
            assert_eq!(tree(&host), before);
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "Host has no inode numbers")]
    fn the_original_comes_back_as_the_same_inode() {
        use std::os::unix::fs::MetadataExt;
        let (root, host) = host_with(&originals().remove(1));
        let inode = || {
            let path: PathBuf = root.path().join("usr/sbin/policy-rc.d");
            let file = std::fs::symlink_metadata(path);
            file.map(|m| (m.ino(), m.mtime_nsec(), m.nlink()))
                .expect("there")
        };
        let before = inode();
        let guard = Guard::plan(&host).expect("planned");
        guard.put_up(&host).expect("put up");
        guard.take_down(&host).expect("taken down");
        assert_eq!(inode(), before);
    }

    #[test]
    fn a_crash_after_any_write_is_found_and_taken_back() {
        for original in originals() {
            for crash_after in 0..=2 {
                let (_root, host) = host_with(&original);
                let before = tree(&host);
                let writes = Guard::plan(&host).expect("planned").writes();
                for write in writes.iter().take(crash_after) {
                    host.put(write.path, &write.after).expect("put");
                }
                let left = Guard::left_over(&host).expect("looked");
                assert_eq!(left.is_some(), crash_after > 0);
                if let Some(guard) = left {
                    guard.take_down(&host).expect("taken down");
                }
                assert_eq!(tree(&host), before);
                assert_eq!(Guard::left_over(&host), Ok(None));
            }
        }
    }

    #[test]
    fn a_half_put_up_guard_is_completed() {
        for original in originals() {
            let (_root, host) = host_with(&original);
            let guard = Guard::plan(&host).expect("planned");
            let writes = guard.writes();
            let first = writes.first().expect("it writes something");
            host.put(first.path, &first.after).expect("put");
            let again = Guard::plan(&host).expect("planned");
            assert_eq!(again, guard);
            again.put_up(&host).expect("put up");
            let policy = host.image(Path::new(POLICY)).expect("read");
            assert!(is_ours(&policy));
        }
    }

    #[test]
    fn what_somebody_else_put_in_its_place_is_not_touched() {
        for original in originals() {
            let (_root, host) = host_with(&original);
            let guard = Guard::plan(&host).expect("planned");
            guard.put_up(&host).expect("put up");
            let (uid, gid) = owner(&host);
            let edited = b"#!/bin/sh\nexit 104\n";
            host.write_file(Path::new(POLICY), edited, 0o755, uid, gid)
                .expect("written");
            let before = tree(&host);
            // Without an original to put back, there is nothing left of ours.
            assert_eq!(guard.take_down(&host).is_err(), original != Image::Absent);
            assert_eq!(tree(&host), before);
        }
    }

    #[test]
    fn a_policy_that_changed_since_the_plan_is_not_replaced() {
        let (_root, host) = host_with(&Image::Absent);
        let guard = Guard::plan(&host).expect("planned");
        let link = Image::Link("/bin/true".into());
        host.put(Path::new(POLICY), &link).expect("put");
        assert!(guard.put_up(&host).is_err());
        assert_eq!(host.image(Path::new(POLICY)), Ok(link));
    }

    #[test]
    fn a_guard_that_was_edited_is_not_ours() {
        let (_root, host) = host_with(&Image::Absent);
        let Image::File {
            mut content,
            mode,
            uid,
            gid,
        } = script(&host).expect("a script")
        else {
            panic!("it is a file");
        };
        content.insert(11, b'#');
        assert!(!is_ours(&Image::File {
            content,
            mode,
            uid,
            gid
        }));
    }

    #[test]
    fn the_script_denies_starts_of_redis_and_asks_the_original_for_the_rest() {
        let table = [
            (&["redis-server", "start"][..], Some(101)),
            (&["--quiet", "redis-server", "restart", "2"], Some(101)),
            (&["redis-server", "(start)"], Some(101)),
            (&["redis-server@six.service", "start"], Some(101)),
            (&["valkey-sentinel.service", "try-restart"], Some(101)),
            (&["redis-server", "reload"], Some(101)),
            (&["redis-server", "stop", "2"], Some(42)),
            (&["--list", "redis-server"], Some(42)),
            (&["redis-exporter", "start"], Some(42)),
            (&["nftables", "start", ""], Some(42)),
            (&[], Some(42)),
        ];
        let root = tempfile::tempdir().expect("a directory");
        let original = Image::File {
            content: b"#!/bin/sh\nexit 42\n".to_vec(),
            mode: 0o755,
            uid: 0,
            gid: 0,
        };
        let (_guarded, host) = host_with(&Image::Absent);
        let live = Host::live().expect("the root opens");
        // The script asks below DPKG_ROOT, as invoke-rc.d does.
        let chroot = Host::at(root.path(), Reach::Running).expect("a host");
        let (uid, gid) = owner(&chroot);
        for dir in ["/usr", "/usr/sbin"] {
            chroot
                .make_dir(Path::new(dir), 0o755, uid, gid)
                .expect("made");
        }
        let Image::File { content, mode, .. } = original else {
            return;
        };
        chroot
            .write_file(Path::new(ORIGINAL), &content, mode, uid, gid)
            .expect("written");
        Guard::plan(&host)
            .and_then(|g| g.put_up(&host))
            .expect("put up");
        let script = host.real(Path::new(POLICY)).display().to_string();
        for (args, code) in table {
            let run = Run::new("sh")
                .arg(&script)
                .args(args)
                .env("DPKG_ROOT", &chroot.root().display().to_string());
            assert_eq!(live.run(&run).expect("it runs").code, code, "{args:?}");
        }
    }

    #[test]
    fn without_an_original_the_script_answers_as_invoke_rc_d_without_a_policy() {
        let (_root, host) = host_with(&Image::Absent);
        Guard::plan(&host)
            .and_then(|g| g.put_up(&host))
            .expect("put up");
        let live = Host::live().expect("the root opens");
        let script = host.real(Path::new(POLICY)).display().to_string();
        let has_init = live.stat(Path::new("/sbin/init")).expect("seen").is_some();
        let table = [
            ("redis-server", "start", 101),
            ("cron", "(start)", 101),
            ("cron", "start", if has_init { 0 } else { 101 }),
        ];
        for (name, action, code) in table {
            let run = Run::new("sh")
                .arg(&script)
                .args(&[name, action])
                .env("DPKG_ROOT", "/nowhere");
            assert_eq!(
                live.run(&run).expect("it runs").code,
                Some(code),
                "{name} {action}"
            );
        }
    }
}
