//! A fake host that is applied to and rolled back in processes of their own, and what is on it.

use crate::driver;
use crate::fake::{Fake, Kind as Inode, Tree, UNTUNED};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A tree that does not run, prepared by the binary.
    Offline,
    /// A host that runs, with kernel values and passwords, by the library.
    Running,
    /// The tree, to which the binary copies itself as well.
    Copying,
}

/// Those on which all is tried: a copy of the binary is written as every other file is, and takes long.
pub const KINDS: [Kind; 2] = [Kind::Offline, Kind::Running];

/// What is there before: something of every kind to make, to change and to put back.
const THERE: &[(&str, &str)] = &[
    ("/etc/redis-harden/ 0755 root:root", ""),
    (
        "/etc/redis-harden/policy.toml",
        "[redis]\nmaxmemory = \"64mb\"\n",
    ),
    ("/etc/redis-harden/secrets/ 0755 root:root", ""),
    (
        "/etc/redis-harden/secrets/app 0644 root:root",
        "somebody's\n",
    ),
    (
        "/etc/sysctl.d/99-zz-redis-harden.conf 0600 root:root",
        "net.core.somaxconn = 128\n",
    ),
    (
        "/etc/systemd/system/redis-server.service.d/50-redis-harden.conf 0600 root:root",
        "# somebody's\n",
    ),
];

pub struct Host {
    fake: Fake,
    kind: Kind,
}

/// What a process said, and how it ended.
pub struct Ran {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(command: &mut Command) -> Ran {
        let ran = command.output();
        Ran::ended(
            ran.unwrap_or_else(|e| panic!("running {command:?}: {e} (run tests/install-deps?)")),
        )
    }

    pub fn ended(output: Output) -> Ran {
        let Output {
            status,
            stdout,
            stderr,
        } = output;
        Ran {
            code: status.code(),
            signal: status.signal(),
            out: String::from_utf8_lossy(&stdout).into_owned(),
            err: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ran {
            code,
            signal,
            out,
            err,
        } = self;
        // Progress is no finding.
        let said = out
            .lines()
            .chain(err.lines().filter(|l| !l.starts_with("· ")));
        let said: Vec<&str> = said.filter(|l| !l.starts_with("  ")).collect();
        write!(f, "exit {code:?}, signal {signal:?}\n{}", said.join("\n"))
    }
}

impl Host {
    pub fn new(kind: Kind) -> Host {
        assert!(crate::fake::is_root(), "owners are told apart only as root");
        let mut fake = Fake::with(UNTUNED);
        fake.lay_all(THERE);
        Host { fake, kind }
    }

    pub fn copy(&self) -> Host {
        Host {
            fake: self.fake.copy(),
            kind: self.kind,
        }
    }

    pub fn real(&self, path: &str) -> PathBuf {
        self.fake.real(path)
    }

    /// `apply` or `rollback`, behind `front` (strace and its options).
    pub fn command(&self, front: &[String], command: &str) -> Command {
        let root = self.fake.host().root();
        let (program, arguments) = match self.kind {
            Kind::Offline | Kind::Copying => {
                let root = root.to_str().expect("UTF-8");
                let mut arguments = vec!["--root", root, command];
                if (self.kind, command) == (Kind::Offline, "apply") {
                    arguments.extend(["--skip", "service.binary"]);
                }
                (stripped(), arguments)
            }
            Kind::Running => {
                let this = std::env::current_exe().expect("this program");
                (this, driver::ARGUMENTS.to_vec())
            }
        };
        let mut built = match front.split_first() {
            Some((first, rest)) => {
                // Tests that run under nohup, or in a shell's background, would hand on what is ignored there.
                let mut built = Command::new("env");
                built.args(["--default-signal=HUP,INT,TERM", first]);
                built.args(rest).arg(program);
                built
            }
            None => Command::new(program),
        };
        built
            .args(arguments)
            .env(driver::ROOT, root)
            .env(driver::COMMAND, command)
            .env_remove("DPKG_ROOT")
            .env_remove("DPKG_MAINTSCRIPT_NAME");
        built
    }

    pub fn run(&self, command: &str) -> Ran {
        Ran::of(&mut self.command(&[], command))
    }

    /// All but the journal. What is drawn by lot, passwords and their digests, differs from run to run: that it is there is compared.
    pub fn tree(&self) -> Tree {
        let mut tree = self.fake.tree();
        for node in tree.values_mut() {
            if let Inode::File(content) = &mut node.kind
                && content.len() < 100_000
            {
                *content = without_lots(content);
            }
        }
        tree
    }

    /// The journal too.
    pub fn everything(&self) -> Tree {
        self.fake.everything()
    }

    /// Temporary files, wherever they are.
    pub fn litter(&self) -> Vec<String> {
        let all = self.fake.everything().into_keys();
        let unfinished = |path: &String| {
            let number = path.rsplit_once(".redis-harden.").map(|(_, pid)| pid);
            number.is_some_and(|pid| pid.parse::<u32>().is_ok())
        };
        all.filter(unfinished).collect()
    }
}

/// 64 hexadecimal digits become one `#`.
fn without_lots(content: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    for run in content.chunk_by(|a, b| a.is_ascii_hexdigit() == b.is_ascii_hexdigit()) {
        match run {
            digits if digits.len() == 64 && digits.iter().all(u8::is_ascii_hexdigit) => {
                kept.push(b'#')
            }
            other => kept.extend_from_slice(other),
        }
    }
    kept
}

/// The binary without its symbols: it copies itself to the host in every apply.
fn stripped() -> PathBuf {
    static STRIPPED: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = STRIPPED.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let stripped = Command::new("strip")
            .arg("-o")
            .arg(dir.path().join("redis-harden"))
            .arg(env!("CARGO_BIN_EXE_redis-harden"))
            .status();
        assert!(stripped.expect("strip, of the linker's package").success());
        dir
    });
    dir.path().join("redis-harden")
}
