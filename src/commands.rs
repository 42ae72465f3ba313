//! One file a subcommand, one public function each. What they share stands here: the host, the policy, where output goes.

pub mod apply;
pub mod check;
pub mod confirm;
pub mod contain;
pub mod controls;
pub mod explain;
pub mod generated;
pub mod history;
mod outputs;
pub mod plan;
pub mod policy;
pub mod prove;
pub mod render;
pub mod rollback;
pub mod secret;
pub mod service;
pub mod shell;
pub mod status;
pub mod supervise;
pub mod tls;

use crate::cli::{Cli, Colour};
use crate::facts::Facts;
use crate::host::{Host, HostError, Reach};
use crate::policy::{Policies, PolicyError, Trust};
use crate::report::text::Style;
use nix::errno::Errno;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What kept a command from doing its work: exit code 2.
#[derive(Debug)]
pub struct Trouble(String);

/// A command's exit code, or its trouble.
pub type Outcome = Result<u8, Trouble>;

/// The errors that are trouble as they stand.
macro_rules! trouble_from {
    ($($error:ty),*) => {
        $(impl From<$error> for Trouble {
            fn from(error: $error) -> Trouble {
                Trouble(error.to_string())
            }
        })*
    };
}

trouble_from!(HostError, PolicyError, serde_json::Error, String);

/// The options that all commands share.
pub struct Context {
    policy: Option<PathBuf>,
    root: Option<PathBuf>,
    pub style: Style,
    verbose: u8,
    quiet: bool,
    colour: Colour,
}

impl Context {
    /// From the command line.
    pub fn new(cli: &Cli) -> Context {
        log(cli);
        let colour = wants_colour(cli.color, std::io::stdout().is_terminal());
        Context {
            policy: cli.policy.clone(),
            root: cli.root.clone(),
            style: Style {
                colour,
                verbose: cli.verbose > 0,
            },
            verbose: cli.verbose,
            quiet: cli.quiet,
            colour: cli.color,
        }
    }

    /// The host that is asked about.
    pub fn host(&self) -> Result<Host, Trouble> {
        match &self.root {
            Some(dir) => {
                let why = format!("{} is a tree that does not run", dir.display());
                Host::at(dir, Reach::FilesOnly(why)).map_err(|e| {
                    Trouble(format!(
                        "{e}\n  = --root names a directory with a system's files"
                    ))
                })
            }
            None => Ok(live()?),
        }
    }

    /// The policy. To change something it must be root's; to look, one's own will do.
    pub fn policies(&self, host: &Host, trust: Trust) -> Result<Policies, Trouble> {
        let given = self.policy.as_deref().map(absolute).transpose()?;
        let policies = Policies::load(host, given.as_deref(), trust)?;
        for warning in policies.warnings.iter().filter(|_| !self.quiet) {
            // A courtesy, as progress is.
            let _ = writeln!(std::io::stderr(), "redis-harden: warning: {warning}");
        }
        Ok(policies)
    }

    /// The policy and the facts: what nearly every command begins with.
    pub fn look(&self, trust: Trust) -> Result<(Host, Policies, Facts), Trouble> {
        self.look_at(self.host()?, trust)
    }

    /// The same for a command that changes the host: not root, that is the first thing to say.
    pub fn look_as_root(&self, command: &str) -> Result<(Host, Policies, Facts), Trouble> {
        let host = self.host()?;
        must_be_root(&host, command)?;
        self.look_at(host, Trust::Root)
    }

    fn look_at(&self, host: Host, trust: Trust) -> Result<(Host, Policies, Facts), Trouble> {
        let policies = self.policies(&host, trust)?;
        let facts = Facts::gather(&host, &policies)?;
        Ok((host, policies, facts))
    }

    /// Says what is being done: a line each, on standard error, unless `--quiet`.
    pub fn progress(&self) -> impl FnMut(&str) + use<> {
        let quiet = self.quiet;
        let colour = wants_colour(self.colour, std::io::stderr().is_terminal());
        move |text: &str| {
            if quiet {
                return;
            }
            let mark = if colour { "\x1b[36m·\x1b[0m" } else { "·" };
            // What it tells of may be another's word.
            let text = crate::report::printable(text);
            // Progress is a courtesy: a closed standard error must not stop an apply half-way.
            let _ = writeln!(std::io::stderr(), "{mark} {text}");
        }
    }

    /// Whether more than the findings is wanted.
    pub fn is_verbose(&self) -> bool {
        self.verbose > 0
    }
}

/// This machine, or only its files where nothing runs on it that we could change: a chroot, `DPKG_ROOT`, a maintainer script without systemd.
fn live() -> Result<Host, HostError> {
    let host = Host::live()?;
    let without_systemd = host.stat(Path::new("/run/systemd/system"))?.is_none();
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    if set("DPKG_ROOT") {
        let root = PathBuf::from(std::env::var_os("DPKG_ROOT").unwrap_or_default());
        return Host::at(
            &root,
            Reach::FilesOnly(format!("DPKG_ROOT is {}", root.display())),
        );
    }
    if let Some(why) = chroot(&host) {
        return Host::at(Path::new("/"), Reach::FilesOnly(why.into()));
    }
    if set("DPKG_MAINTSCRIPT_NAME") && without_systemd {
        return Host::at(
            Path::new("/"),
            Reach::FilesOnly("a maintainer script without a running systemd".into()),
        );
    }
    Ok(host)
}

const CHROOT: &str = "this is a chroot: the system that runs has another root";

/// Why only files are reached, where this is a chroot: PID 1 has another root than we, or there is no /proc at all.
/// Where PID 1 may not be looked at (not root, or a root with fewer rights than it), a root that is no mount is one.
fn chroot(host: &Host) -> Option<&'static str> {
    match host.same_inode(Path::new("/proc/1/root/."), Path::new("/")) {
        Ok(true) => None,
        Ok(false) => Some(CHROOT),
        Err(e) if e.errno == Some(Errno::ENOENT) => {
            Some("this is a chroot, or half a system: no /proc is mounted")
        }
        Err(_) => (!is_mount(host)).then_some(CHROOT),
    }
}

/// Whether our root is a mount, as that of a machine or a container is. Source: proc_pid_mountinfo(5), field 5.
fn is_mount(host: &Host) -> bool {
    match host.read_text(Path::new("/proc/self/mountinfo")) {
        Ok(Some(mounts)) => mounts.lines().any(|l| l.split(' ').nth(4) == Some("/")),
        // Without that file there is no evidence of a chroot.
        _ => true,
    }
}

/// A path that means the same wherever we are.
fn absolute(path: &Path) -> Result<PathBuf, Trouble> {
    std::path::absolute(path).map_err(|e| Trouble(format!("{}: {e}", path.display())))
}

/// `NO_COLOR` (set, not empty), a terminal that says it has none, and a pipe mean no colour, unless it is asked for.
fn wants_colour(colour: Colour, terminal: bool) -> bool {
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            let has_some = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
            let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
            terminal && has_some && !refused
        }
    }
}

/// The log of the program itself goes to standard error: what changed, and with -vv why.
fn log(cli: &Cli) {
    let level = match (cli.quiet, cli.verbose) {
        (true, _) => tracing::Level::ERROR,
        (_, 0) => tracing::Level::WARN,
        (_, 1) => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    let supervises = matches!(cli.command, crate::cli::Command::Supervise(_));
    let level = if supervises {
        level.max(tracing::Level::INFO)
    } else {
        level
    };
    let colour = wants_colour(cli.color, std::io::stderr().is_terminal());
    let writer = move || -> Box<dyn Write> {
        match supervises {
            true => Box::new(crate::supervise::voice::Voice),
            false => Box::new(std::io::stderr()),
        }
    };
    let log = tracing_subscriber::fmt()
        .with_writer(writer)
        .with_ansi(colour)
        .with_target(false)
        .with_max_level(level);
    // A second initialisation in one process is a test's, and the first one's log is good enough.
    let _ = if std::io::stderr().is_terminal() {
        log.without_time().try_init()
    } else {
        log.try_init()
    };
}

/// Writes to standard output; a reader that went away (`| head`) ends the program quietly, as other tools do.
pub fn print(text: &str) -> Result<(), Trouble> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(Trouble(format!("writing to standard output: {e}"))),
        Ok(()) => Ok(()),
    }
}

/// `1 change`, `2 changes`.
pub fn count(n: usize, thing: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {thing}{s}")
}

/// clap's errors: help and version are 0, a wrong use is 2.
pub fn usage(error: &clap::Error) -> ExitCode {
    // There is nowhere else to say that standard error is closed.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// The exit code; trouble is printed here, and nowhere else.
pub fn finish(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(Trouble(text)) => {
            complain(&text);
            ExitCode::from(2)
        }
    }
}

/// The one way in which trouble is told. It may quote a host or a server.
fn complain(text: &str) {
    let lines: Vec<String> = text.lines().map(crate::report::printable).collect();
    let text = lines.join("\n");
    // There is nowhere else to say that standard error is closed.
    let _ = writeln!(std::io::stderr(), "redis-harden: {text}");
}

/// Root, or a clear word. A tree of one's own may be prepared by its owner.
fn must_be_root(host: &Host, command: &str) -> Result<(), Trouble> {
    if crate::facts::is_root(host)? {
        return Ok(());
    }
    let instead = match command {
        "apply" => ", or try `redis-harden plan`",
        _ => "",
    };
    Err(Trouble(format!(
        "{command} changes {}: run it as root (this is uid {}){instead}",
        host.root().display(),
        host.euid()
    )))
}
