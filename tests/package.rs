//! Installing packages for real: as root, each in its own Debian root (`tests/package/root.rs`).
//! A test named `inside_…` runs in such a root, started by the test that needs it.
#![expect(
    clippy::disallowed_methods,
    reason = "tests look at the system themselves"
)]

#[path = "package/root.rs"]
mod root;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis_harden::host::Host;
use redis_harden::setting::account::create_service_user;
use redis_harden::setting::package::{self, Guard, Patience, State};
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ALLOW: &str =
    "printf '#!/bin/sh\\nexit 0\\n' > usr/sbin/policy-rc.d; chmod 755 usr/sbin/policy-rc.d";
const DENY: &str =
    "printf '#!/bin/sh\\nexit 101\\n' > usr/sbin/policy-rc.d; chmod 750 usr/sbin/policy-rc.d";
const LINK: &str = "printf '#!/bin/sh\\nexit 0\\n' > etc/policy; chmod 755 etc/policy
    ln -s /etc/policy etc/alternatives/policy-rc.d; ln -s /etc/alternatives/policy-rc.d usr/sbin/policy-rc.d";
const NONE: &str = "rm -f usr/sbin/policy-rc.d";

#[test]
fn without_the_guard_the_package_starts_redis() {
    root::run("inside_unguarded", NONE, &[]).passed();
    root::run("inside_unguarded", LINK, &[]).passed();
}

#[test]
fn under_the_guard_redis_is_not_started_where_there_is_no_policy() {
    root::run("inside_guarded", NONE, &[]).passed();
}

#[test]
fn under_the_guard_redis_is_not_started_where_the_policy_allows() {
    root::run("inside_guarded", ALLOW, &[]).passed();
}

#[test]
fn under_the_guard_redis_is_not_started_where_the_policy_denies() {
    root::run("inside_guarded", DENY, &[]).passed();
}

#[test]
fn under_the_guard_redis_is_not_started_where_the_policy_is_a_link() {
    root::run("inside_guarded", LINK, &[]).passed();
}

#[test]
fn a_package_manager_that_was_killed_is_recovered() {
    root::run("inside_killed", ALLOW, &[]).passed();
}

#[test]
fn a_package_whose_unpacking_was_cut_off_is_unpacked_anew() {
    let unpack = "chroot . sh -ec '
        cd /var/cache/apt/archives; dpkg --unpack libatomic1_* libssl3_* libjemalloc2_* liblzf1_* redis-tools_*'
        sed -i '/^Package: redis-tools$/,/^$/s/^Status: .*/Status: install reinstreq unpacked/' var/lib/dpkg/status";
    root::run("inside_recovered", &format!("{DENY}; {unpack}"), &[]).passed();
}

#[test]
fn a_held_lock_is_waited_for_and_its_holder_named() {
    root::run("inside_lock_held", NONE, &[]).passed();
}

#[test]
fn an_unreachable_mirror_is_one_clear_error() {
    let no_packages = "rm -f var/cache/apt/archives/*.deb";
    root::run("inside_unreachable", no_packages, &["--net"]).passed();
    let no_index = "rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/*";
    root::run("inside_unreachable", no_index, &["--net"]).passed();
}

#[test]
fn a_package_that_the_index_lacks_is_found_after_an_update() {
    root::run("inside_install", "rm -rf var/lib/apt/lists/*", &[]).passed();
}

#[test]
fn the_service_user_is_the_one_that_the_package_makes() {
    let theirs = root::run("inside_user_of_package", DENY, &[]).passed();
    assert!(theirs.contains("redis:x:"), "{theirs}");
    assert_eq!(root::run("inside_user_first", DENY, &[]).passed(), theirs);
    let no_adduser = &format!("{DENY}; mv usr/sbin/adduser usr/sbin/adduser.hidden");
    assert_eq!(
        root::run("inside_user_first", no_adduser, &[]).passed(),
        theirs
    );
}

#[test]
#[ignore = "runs inside the root that another test makes"]
fn inside_unguarded() {
    install(&["redis-server"]);
    wait_for("a redis-server", || process("redis-server"));
}

#[test]
#[ignore = "runs inside the root that another test makes"]
fn inside_guarded() {
    let host = Host::live().expect("a host");
    let before = names("/usr/sbin");
    let policy = look("/usr/sbin/policy-rc.d");
    let guard = Guard::plan(&host).expect("planned");
    guard.put_up(&host).expect("put up");
    let said = install(&["redis-server"]);
    guard.take_down(&host).expect("taken down");
    assert_redis_never_ran();
    assert_eq!(look("/usr/sbin/policy-rc.d"), policy);
    let added: Vec<String> = names("/usr/sbin")
        .into_iter()
        .filter(|n| !before.contains(n))
        .collect();
    assert!(added.is_empty(), "{added:?}");
    assert!(said.contains("configuring redis-server"), "{said}");
    assert!(said.lines().count() < 30, "{said}");
    let started = Instant::now();
    assert_eq!(install(&["redis-server"]), "", "nothing is left to do");
    println!("{said}\nagain: {:?}", started.elapsed());
}

#[test]
#[ignore = "runs inside the root that another test makes"]
fn inside_install() {
    let said = install(&["nftables"]);
    assert!(said.contains("fetching the package index"), "{said}");
}

/// Kills everything at several stages, and apt alone at one: its dpkg lives on.
#[test]
#[ignore = "runs inside the root that another test makes"]
fn inside_killed() {
    let host = Host::live().expect("a host");
    let guard = Guard::plan(&host).expect("planned");
    guard.put_up(&host).expect("put up");
    let stages = [
        (State::HalfInstalled, true),
        (State::Unpacked, true),
        (State::Unpacked, false),
        (State::HalfConfigured, true),
    ];
    for (stage, all) in stages {
        let reached = || {
            let package = package::installed(&host, "redis-tools").ok().flatten();
            package.is_some_and(|p| p.state == stage)
        };
        let mut apt = Command::new("apt-get")
            .args(["-qqy", "--no-install-recommends", "install", "redis-server"])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null())
            .spawn()
            .expect("apt-get starts");
        let pid = Pid::from_raw(apt.id() as i32);
        while apt.try_wait().expect("waited").is_none() && !reached() {}
        // This process is the first of its namespace: -1 is all others.
        let victims = if all { Pid::from_raw(-1) } else { pid };
        kill(victims, Signal::SIGKILL).expect("killed");
        let status = apt.wait().expect("waited");
        println!(
            "{stage:?}, all {all}: {status}, unfinished {:?}",
            package::unfinished(&host)
        );
        let started = Instant::now();
        println!("{}{:?}", install(&["redis-server"]), started.elapsed());
        assert_eq!(package::unfinished(&host), Ok(vec![]));
        assert_eq!(output("dpkg", &["--audit"]), "");
        assert_redis_never_ran();
        output(
            "apt-get",
            &[
                "-qqy",
                "purge",
                "redis-server",
                "redis-tools",
                "libjemalloc2",
            ],
        );
    }
    guard.take_down(&host).expect("taken down");
}

#[test]
#[ignore = "runs inside the root that another test makes"]
fn inside_recovered() {
    let host = Host::live().expect("a host");
    assert_ne!(package::unfinished(&host), Ok(vec![]));
    println!("{}", install(&["redis-server"]));
    assert_eq!(package::unfinished(&host), Ok(vec![]));
    assert_eq!(output("dpkg", &["--audit"]), "");
}

#[test]
#[ignore = "runs inside the root that another test makes"]
fn inside_lock_held() {
    let host = Host::live().expect("a host");
    let mut holder = Command::new("/test-binary")
        .args(["--exact", "inside_hold", "--ignored"])
        .spawn()
        .expect("it starts");
    wait_for("the lock", || {
        host.lock_holder(Path::new("/var/lib/dpkg/lock-frontend"))
            .expect("looked")
            .is_some()
    });
    let short = Patience {
        lock: Duration::from_millis(300),
        ..Patience::default()
    };
    let error = package::install(&host, &["nftables"], short, &mut |_| {}).expect_err("it is held");
    let name = format!("test-binary (pid {}) has held it", holder.id());
    assert!(error.to_string().contains(&name), "{error}");
    println!("{error}");
    let said = install(&["nftables"]);
    assert!(
        said.contains(&format!("waiting for test-binary (pid {})", holder.id())),
        "{said}"
    );
    holder.wait().expect("waited");
}

/// Holds dpkg's lock for a while, as apt does.
#[test]
#[ignore = "runs inside the root that another test makes"]
fn inside_hold() {
    let file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open("/var/lib/dpkg/lock-frontend")
        .expect("opened");
    let lock = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: 0,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_SETLK(&lock)).expect("locked");
    std::thread::sleep(Duration::from_secs(3));
}

#[test]
#[ignore = "runs inside the root that another test makes"]
fn inside_unreachable() {
    let host = Host::live().expect("a host");
    let started = Instant::now();
    let error = package::install(&host, &["nftables"], Patience::default(), &mut |_| {})
        .expect_err("there is no network");
    println!("{error}\n{:?}", started.elapsed());
    assert!(
        error
            .to_string()
            .contains("the package mirror cannot be reached"),
        "{error}"
    );
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[test]
#[ignore = "runs inside the root that another test makes"]
fn inside_user_of_package() {
    install(&["redis-server"]);
    write_account();
}

#[test]
#[ignore = "runs inside the root that another test makes"]
fn inside_user_first() {
    let host = Host::live().expect("a host");
    for _ in 0..2 {
        create_service_user(&host, "redis", Path::new("/var/lib/redis")).expect("created");
    }
    println!("before the package: {}", account());
    if Path::new("/usr/sbin/adduser.hidden").exists() {
        std::fs::rename("/usr/sbin/adduser.hidden", "/usr/sbin/adduser").expect("renamed");
    }
    install(&["redis-server"]);
    write_account();
}

/// Installs them; what was said meanwhile.
fn install(packages: &[&str]) -> String {
    let host = Host::live().expect("a host");
    let mut said = String::new();
    let done = package::install(&host, packages, Patience::default(), &mut |line| {
        writeln!(said, "{line}").expect("a string grows");
    });
    done.unwrap_or_else(|e| panic!("{e}\n{said}"));
    said
}

/// Its log is made when it starts first.
fn assert_redis_never_ran() {
    assert!(!process("redis-server"), "redis-server runs");
    assert!(
        !Path::new("/var/log/redis/redis-server.log").exists(),
        "redis-server has run"
    );
}

fn process(name: &str) -> bool {
    let pids = names("/proc")
        .into_iter()
        .filter(|pid| pid.parse::<u32>().is_ok());
    pids.filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok())
        .any(|comm| comm.trim() == name)
}

fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{what} did not appear"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn names(dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Mode, owner, inode, time, target and content.
fn look(path: &str) -> Option<String> {
    let m = std::fs::symlink_metadata(path).ok()?;
    let link = std::fs::read_link(path).ok();
    let content = std::fs::read(path).ok();
    Some(format!(
        "{:o} {}:{} {} {} {link:?} {content:?}",
        m.mode(),
        m.uid(),
        m.gid(),
        m.nlink(),
        m.mtime()
    ))
}

fn account() -> String {
    let mut text = String::new();
    for file in ["passwd", "group", "shadow", "gshadow"] {
        let content = std::fs::read_to_string(format!("/etc/{file}")).expect("read");
        text.extend(
            content
                .lines()
                .filter(|line| line.starts_with("redis:"))
                .map(|line| format!("{file} {line}\n")),
        );
    }
    for dir in ["/var/lib/redis", "/var/log/redis", "/etc/redis"] {
        let stat = std::fs::symlink_metadata(dir)
            .map(|m| format!("{:o} {}:{}", m.mode(), m.uid(), m.gid()));
        writeln!(text, "{dir} {stat:?} {:?}", names(dir).len()).expect("a string grows");
    }
    text
}

fn write_account() {
    std::fs::write("/result", account()).expect("written");
    print!("{}", account());
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
