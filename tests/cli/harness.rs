//! Runs the binary, and builds small trees for it: a Debian with redis-server installed, as far as redis-harden looks.

use crate::tree::{Allowed, Tree, What};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Ids of `redis` in the trees.
pub const REDIS: u32 = 998;
const ADM: u32 = 4;
pub const NOBODY: u32 = 65_534;

/// A policy whose redis.conf holds nothing of this machine.
pub const FIXED: &str = "[redis]\nmaxmemory = \"64mb\"\n";

/// What a run said.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
    command: String,
}

impl Ran {
    pub fn of(command: &mut Command) -> Ran {
        let shown = format!("{command:?}");
        let Output {
            status,
            stdout,
            stderr,
        } = command
            .output()
            .unwrap_or_else(|e| panic!("running {shown}: {e}"));
        Ran {
            // A signal is no exit code that a test asks for.
            code: status.code().unwrap_or(-1),
            out: String::from_utf8(stdout).expect("UTF-8 on standard output"),
            err: String::from_utf8(stderr).expect("UTF-8 on standard error"),
            command: shown,
        }
    }

    /// The standard output, when the exit code is this one and nothing panicked.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "exit code of {self}");
        assert!(!self.err.contains("panicked"), "{self}");
        &self.out
    }

    /// An error: exit 2, nothing on standard output, and this on standard error.
    #[track_caller]
    pub fn refuses(&self, message: &str) {
        assert_eq!(self.exits(2), "", "{self}");
        assert_eq!(self.err.trim_end(), message.trim_end(), "{self}");
    }

    /// Exit 2 with all of these on standard error.
    #[track_caller]
    pub fn refuses_with(&self, parts: &[&str]) {
        self.exits(2);
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in {self}");
        }
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ran {
            command,
            code,
            out,
            err,
        } = self;
        write!(
            f,
            "{command}: exit {code}\n--- stdout\n{out}--- stderr\n{err}---"
        )
    }
}

/// The binary.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_redis-harden")
}

/// The binary with these arguments and without what the caller's environment says about colour or dpkg.
pub fn command(args: &[&str]) -> Command {
    clean(Command::new(binary()), args)
}

/// The same for another program in front of it.
pub fn clean(mut command: Command, args: &[&str]) -> Command {
    command.args(args).env_remove("NO_COLOR");
    command
        .env_remove("DPKG_ROOT")
        .env_remove("DPKG_MAINTSCRIPT_NAME");
    command
}

pub fn run(args: &[&str]) -> Ran {
    Ran::of(&mut command(args))
}

/// A directory that everybody may enter, gone after the test.
pub fn scratch() -> TempDir {
    let dir = directory_in(&std::env::temp_dir());
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("our own");
    dir
}

/// A directory in which nobody but root could have written: root trusts a policy there.
pub fn of_root() -> TempDir {
    directory_in(Path::new("/root"))
}

fn directory_in(parent: &Path) -> TempDir {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test needs root: run tests/run, or cargo test as root"
    );
    let named = tempfile::Builder::new()
        .prefix("redis-harden-cli-")
        .tempdir_in(parent);
    named.expect("a directory of the test's own")
}

/// A tree with a Debian in it, as far as redis-harden looks.
pub struct Fake {
    dir: TempDir,
}

impl Fake {
    /// redis-server and nftables are installed, and nothing of ours.
    pub fn debian() -> Fake {
        let fake = Fake { dir: scratch() };
        for dir in ["etc", "etc/systemd", "usr", "var", "var/lib"] {
            fake.dir(dir, 0o755, 0, 0);
        }
        fake.file(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\nredis:x:998:998::/var/lib/redis:/usr/sbin/nologin\n",
        );
        fake.file("etc/group", "root:x:0:\nadm:x:4:\nredis:x:998:\n");
        fake.file("etc/shadow", "root:*:19000::::::\nredis:!:19000::::::\n");
        fake.mode("etc/shadow", 0o640);
        fake.file("etc/hostname", "image\n");
        fake.file(
            "etc/os-release",
            "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n",
        );
        fake.file("usr/lib/systemd/systemd", "");
        fake.file("lib/systemd/system/redis-server.service", UNIT);
        fake.file("var/lib/dpkg/status", STATUS);
        fake.dir("var/lib/redis", 0o750, REDIS, REDIS);
        fake.dir("var/log/redis", 0o2750, REDIS, ADM);
        fake.dir("etc/redis", 0o2770, REDIS, REDIS);
        fake.file("etc/redis/redis.conf", "port 6379\n");
        fake.mode("etc/redis/redis.conf", 0o640);
        fake.dir("etc/systemd/system/multi-user.target.wants", 0o755, 0, 0);
        symlink(
            "/lib/systemd/system/redis-server.service",
            fake.at("etc/systemd/system/multi-user.target.wants/redis-server.service"),
        )
        .expect("a link");
        fake
    }

    /// The same without the packages and what they make.
    pub fn bare() -> Fake {
        let fake = Fake::debian();
        fake.file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
        fake.file("etc/group", "root:x:0:\nadm:x:4:\n");
        fake.file("var/lib/dpkg/status", "");
        for dir in ["var/lib/redis", "var/log/redis", "etc/redis", "lib"] {
            fs::remove_dir_all(fake.at(dir)).expect("made above");
        }
        fs::remove_dir_all(fake.at("etc/systemd/system")).expect("made above");
        fake
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    pub fn has(&self, path: &str) -> bool {
        fs::symlink_metadata(self.at(path)).is_ok()
    }

    /// A file of root's, 0644, with the directories above it.
    pub fn file(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("our own tree");
        fs::write(&path, text).unwrap_or_else(|e| panic!("writing {}: {e}", path.display()));
    }

    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|e| panic!("reading {path}: {e}"))
    }

    pub fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).expect("our own tree");
    }

    pub fn dir(&self, path: &str, mode: u32, uid: u32, gid: u32) {
        fs::create_dir_all(self.at(path)).expect("our own tree");
        chown(self.at(path), Some(uid), Some(gid)).expect("root may");
        self.mode(path, mode);
    }

    /// Runs the binary on it.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let root = self.root().to_str().expect("UTF-8");
        command(&[&["--root", root], args].concat())
    }

    pub fn snapshot(&self) -> Tree {
        Tree::of(self.root())
    }

    /// Nothing differs from `before`.
    #[track_caller]
    pub fn is_untouched(&self, before: &Tree) {
        same(before, &self.snapshot(), &[]);
    }

    /// Nothing but the lock, which says who held it last, differs.
    #[track_caller]
    pub fn is_untouched_but_the_lock(&self, before: &Tree) {
        let lock = [Allowed {
            glob: "/var/lib/redis-harden/lock",
            what: What::Anything,
            because: "it says who held it",
        }];
        same(before, &self.snapshot(), &lock);
    }

    /// Nothing but our own journal differs.
    #[track_caller]
    pub fn is_as_before_but_the_journal(&self, before: &Tree) {
        same(before, &self.snapshot(), &JOURNAL);
    }
}

/// The journal of a run stays after its rollback.
const JOURNAL: [Allowed; 2] = [
    Allowed {
        glob: "/var/lib/redis-harden",
        what: What::Creation,
        because: "the journal stays, so that history can show the run",
    },
    Allowed {
        glob: "/var/lib/redis-harden/**",
        what: What::Creation,
        because: "the journal stays, so that history can show the run",
    },
];

#[track_caller]
pub fn same(before: &Tree, after: &Tree, allowed: &[Allowed]) {
    let differences = before.unexplained(after, allowed, &BTreeSet::new());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

const STATUS: &str = "Package: redis-server\nStatus: install ok installed\nVersion: 5:7.0.15-1~deb12u10\n\n\
                      Package: nftables\nStatus: install ok installed\nVersion: 1.0.6-2+deb12u2\n\n";

/// The directives of Debian 12's redis-server.service.
const UNIT: &str = "[Service]
Type=notify
ExecStart=/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd --daemonize no
User=redis
Group=redis
UMask=007
PrivateTmp=yes
LimitNOFILE=65535
PrivateDevices=yes
ProtectHome=yes
ProtectSystem=strict
ReadWritePaths=-/var/lib/redis
ReadWritePaths=-/var/log/redis
ReadWritePaths=-/var/run/redis
CapabilityBoundingSet=
LockPersonality=true
MemoryDenyWriteExecute=true
NoNewPrivileges=true
PrivateUsers=true
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
RemoveIPC=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~ @privileged @resources
ReadWriteDirectories=-/etc/redis
NoExecPaths=/
ExecPaths=/usr/bin/redis-server /usr/lib /lib
";

/// The binary again, elsewhere. By a program: while this process has the copy open for writing, a child that another test forks
/// has it too, and the kernel then refuses to run it (ETXTBSY).
pub fn copy_binary(to: &Path) {
    let copied = Command::new("cp").arg(binary()).arg(to).status();
    assert!(
        copied.expect("coreutils").success(),
        "copying to {}",
        to.display()
    );
}
