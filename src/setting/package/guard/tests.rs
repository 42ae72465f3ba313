//! Tests of `guard`.

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
        attributes: Default::default(),
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
        ..
    } = script(&host).expect("a script")
    else {
        panic!("it is a file");
    };
    content.insert(11, b'#');
    assert!(!is_ours(&Image::File {
        attributes: Default::default(),
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
        attributes: Default::default(),
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
