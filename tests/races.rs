//! The service user is compromised and races root in every directory that it may write: names become links, hard links, FIFOs and
//! directories and back while root reads, writes, changes modes and removes there. Root never touches what lies elsewhere, and waits
//! for nothing. Needs root and perl, which every Debian has.
//!
//! REDIS_HARDEN_RACES is how often root comes by; 10,000 by default, `tests/full races` takes more.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

use redis_harden::host::{Host, Reach, Trust};
use redis_harden::policy::Policies;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `nobody`: no file of this machine is its own.
const ATTACKER: u32 = 65534;

/// What the attacker may write: as the redis user, its own directories and all below.
const HIS: [&str; 3] = ["var/lib/redis", "var/log/redis", "run/redis"];

/// Swaps the names below his directory, without pause, until he is killed.
const ATTACK: &str = r#"
use POSIX qw(mkfifo);
chdir $ARGV[0] or die; my $victim = $ARGV[1]; my $elsewhere = $ARGV[2];
sub gone { unlink "sub/x", "x"; rmdir "x"; unlink "sub"; rename "sub", "sub.$$"; unlink "sub.$$/x"; rmdir "sub.$$"; }
open(F, ">mine"); print F "mine"; close F;
while (1) {
    symlink $victim, "x"; unlink "x";
    symlink $elsewhere, "sub"; unlink "sub";
    link "mine", "x"; unlink "x";
    link $victim, "x"; unlink "x";
    mkfifo("x", 0666); unlink "x";
    mkdir "x"; rmdir "x";
    mkdir "sub"; symlink $victim, "sub/x"; rename "sub", "gone"; symlink $elsewhere, "sub"; unlink "sub"; unlink "gone/x"; rmdir "gone";
    open(F, ">x"); truncate F, 1 << 34; close F; unlink "x";
    symlink "/dev/zero", "x"; unlink "x";
    mkdir "sub"; rename "sub", "other"; symlink "other", "sub"; unlink "sub"; rmdir "other";
    symlink "../redis", "sub"; unlink "sub"; symlink "x", "x"; unlink "x";
    gone();
}
"#;

struct Attacker(Child);

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A root with something to lose, and his directories in it.
struct Tree {
    root: tempfile::TempDir,
}

impl Tree {
    fn new() -> Tree {
        let root = tempfile::tempdir().expect("a directory");
        let mode = |path: &Path, mode: u32| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
        };
        mode(root.path(), 0o755);
        for dir in HIS {
            let dir = root.path().join(dir);
            fs::create_dir_all(&dir).expect("made");
            chown(&dir, Some(ATTACKER), Some(ATTACKER)).expect("root may");
            mode(&dir, 0o750);
        }
        let elsewhere = root.path().join("etc/elsewhere");
        fs::create_dir_all(&elsewhere).expect("made");
        for (name, bits) in [("etc/shadow", 0o600), ("etc/elsewhere/x", 0o640)] {
            fs::write(root.path().join(name), "root's own").expect("written");
            mode(&root.path().join(name), bits);
        }
        Tree { root }
    }

    fn attack(&self) -> Vec<Attacker> {
        let of = |dir: &str| self.root.path().join(dir).display().to_string();
        let start = |dir: &&str| {
            let child = Command::new("setpriv")
                .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
                .args(["perl", "-e", ATTACK])
                .args([of(dir), of("etc/shadow"), of("etc/elsewhere")])
                .stderr(Stdio::null())
                .spawn();
            Attacker(child.expect("setpriv and perl are installed"))
        };
        HIS.iter().map(start).collect()
    }

    /// Each name outside of his directories, with its owner, mode and content.
    fn elsewhere(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut todo = vec![self.root.path().to_path_buf()];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(&dir).expect("listed") {
                let path = entry.expect("listed").path();
                let below = path.strip_prefix(self.root.path()).expect("below it");
                let meta = fs::symlink_metadata(&path).expect("there");
                let is_his = HIS.iter().any(|his| below == Path::new(his));
                let content = if meta.is_file() {
                    fs::read(&path).expect("read")
                } else {
                    Vec::new()
                };
                found.push(format!(
                    "{} {:o} {} {} {}",
                    below.display(),
                    meta.mode(),
                    meta.uid(),
                    meta.gid(),
                    String::from_utf8_lossy(&content)
                ));
                if meta.is_dir() && !is_his {
                    todo.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

fn times() -> u32 {
    let asked = std::env::var("REDIS_HARDEN_RACES").ok();
    asked.map_or(10_000, |n| n.parse().expect("a number"))
}

#[test]
fn root_touches_nothing_elsewhere_and_waits_for_nothing() {
    let tree = Tree::new();
    let before = tree.elsewhere();
    let host = Host::at(tree.root.path(), Reach::Running).expect("a host");
    let attackers = tree.attack();
    let (mut done, mut refused, mut longest) = (0_u32, 0_u32, Duration::ZERO);
    for n in 0..times() {
        let his = Path::new("/").join(HIS[n as usize % HIS.len()]);
        for path in [his.join("x"), his.join("sub/x"), his.join("sub")] {
            let start = Instant::now();
            let results = visit(&host, &path, n);
            longest = longest.max(start.elapsed());
            done += results.iter().filter(|ok| **ok).count() as u32;
            refused += results.iter().filter(|ok| !**ok).count() as u32;
        }
    }
    drop(attackers);
    println!(
        "{} visits: {done} calls went through, {refused} were refused, the longest visit took {longest:?}",
        times() * 3
    );
    assert!(done > 0 && refused > 0, "he was there, and so were we");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    assert_eq!(tree.elsewhere(), before);
}

/// What apply, rollback, the supervisor and check do in such a directory.
fn visit(host: &Host, path: &Path, n: u32) -> Vec<bool> {
    let (uid, gid) = (ATTACKER, ATTACKER);
    match n % 8 {
        0 => vec![host.write_file(path, b"ours", 0o640, uid, gid).is_ok()],
        1 => vec![host.make_dir(path, 0o750, uid, gid).is_ok()],
        2 => vec![host.set_access(path, 0o640, uid, gid).is_ok()],
        3 => vec![host.remove(path).is_ok()],
        4 => vec![
            host.read_untrusted_below(path, 1 << 20).is_ok(),
            host.read_head(path, 8).is_ok(),
            host.stat(path).is_ok(),
        ],
        5 => vec![host.make_link(path, Path::new("../etc")).is_ok()],
        6 => match host.image(path) {
            Ok(image) => vec![host.put(path, &image).is_ok()],
            Err(_) => vec![false],
        },
        _ => vec![
            host.rename(path, &path.with_extension("aside")).is_ok(),
            host.list(path).is_ok(),
        ],
    }
}

/// Swaps what `policy.toml` is: a link to root's own, and his, with the access that root's would have.
const SWAP: &str = r#"
chdir $ARGV[0] or die; my $good = $ARGV[1];
open(F, ">his"); print F "[redis]\nmaxclients = 666\n"; close F; chmod 0644, "his";
while (1) {
    symlink $good, "policy.toml"; unlink "policy.toml";
    link "his", "policy.toml"; unlink "policy.toml";
    symlink $good, "tmp"; rename "tmp", "policy.toml"; link "his", "tmp"; rename "tmp", "policy.toml"; unlink "policy.toml", "tmp";
}
"#;

/// A policy that is replaced between the look at whose it is and its being read: what is read is what was looked at.
#[test]
fn a_policy_that_is_swapped_is_never_his() {
    let tree = Tree::new();
    let good = tree.root.path().join("etc/policy.toml");
    fs::write(&good, "[redis]\nmaxclients = 5000\n").expect("written");
    let dir = tree.root.path().join(HIS[0]);
    let child = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .args(["perl", "-e", SWAP])
        .args([&dir, &good])
        .stderr(Stdio::null())
        .spawn();
    let attacker = Attacker(child.expect("setpriv and perl are installed"));
    let host = Host::live().expect("a host");
    let (mut links, mut files) = (0, 0);
    for _ in 0..times() {
        let path = dir.join("policy.toml");
        let loaded = Policies::load(&host, Some(&path), Trust::Root);
        let why = loaded.expect_err("his directory is not root's").to_string();
        links += u32::from(why.contains("it is a link"));
        files += u32::from(why.contains("owned by uid"));
    }
    drop(attacker);
    println!(
        "{} loads: {links} links and {files} files of his were refused",
        times()
    );
    assert!(links > 0 && files > 0, "he was there, with both");
}

/// The program itself, over and over, in a tree where he is at work.
#[test]
fn applies_and_rollbacks_touch_nothing_of_his_choosing() {
    let tree = Tree::new();
    let root = tree.root.path();
    for (name, text) in [
        (
            "etc/passwd",
            "root:x:0:0::/root:/bin/bash\nredis:x:65534:65534::/var/lib/redis:/usr/sbin/nologin\n",
        ),
        ("etc/group", "root:x:0:\nredis:x:65534:\n"),
        ("etc/shadow", "redis:!:1::::::\n"),
    ] {
        fs::write(root.join(name), text).expect("written");
    }
    let run = |command: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_redis-harden"))
            .arg("--root")
            .arg(root)
            .arg(command)
            .stdin(Stdio::null())
            .output();
        output.expect("it starts")
    };
    let attackers = tree.attack();
    let keep = |line: &&String| {
        ["etc/shadow", "etc/elsewhere"]
            .iter()
            .any(|kept| line.starts_with(kept))
    };
    let before: Vec<String> = tree.elsewhere().iter().filter(keep).cloned().collect();
    let mut changed = 0;
    for _ in 0..(times() / 1000).max(1) {
        for command in ["apply", "rollback"] {
            let start = Instant::now();
            let output = run(command);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.code().is_some_and(|code| code < 3),
                "{command}: {output:?}"
            );
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{command}: {said}"
            );
            changed += u32::from(said.contains("change") || said.contains("rolled back"));
        }
        let now: Vec<String> = tree.elsewhere().iter().filter(keep).cloned().collect();
        assert_eq!(now, before);
    }
    drop(attackers);
    assert!(changed > 0, "it did something");
    let left: Vec<PathBuf> = HIS.iter().map(|dir| root.join(dir)).collect();
    assert!(
        left.iter()
            .all(|dir| fs::metadata(dir).is_ok_and(|m| m.is_dir()))
    );
}
