//! The command line: clap's types and one match, no logic.

mod apply;
mod check;
mod policy;
mod prove;
mod render;
mod secret;
pub mod tls;

pub use apply::{Apply, Confirm, Plan, Restart, Rollback};
pub use check::{Check, Remote, ReportTo};
pub use policy::{Init, PolicyCommand, Schema, SchemaFormat};
pub use prove::{Prove, With};
pub use render::{Render, RenderTarget};
pub use secret::{RedisCli, Rotate, SecretCommand, ShowSecret};

use crate::commands::{self, Context};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// `VERSION (COMMIT, DATE)` where whoever built it said so: of the source, never of the machine or the hour.
const BUILD: &str = match option_env!("REDIS_HARDEN_BUILD") {
    Some(build) => build,
    None => env!("CARGO_PKG_VERSION"),
};

/// Audits and applies what Redis needs of a host, and runs a hardened redis-server.
#[derive(Debug, Parser)]
#[command(
    name = "redis-harden",
    version,
    long_version = BUILD,
    max_term_width = 100,
    propagate_version = true
)]
#[command(
    after_help = "Exit codes: 0 fine, 1 findings or pending changes, 2 trouble (bad usage, invalid policy, something that could not be judged).\n\nExample:\n  redis-harden check\n  redis-harden plan\n  sudo redis-harden apply --message 'first hardening'\n  sudo redis-harden rollback"
)]
pub struct Cli {
    /// The policy; by default /etc/redis-harden/policy.toml with policy.d over it, else the embedded `production`.
    #[arg(long, global = true, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Judge or prepare the tree below DIR instead of this machine: its files only.
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
    /// Say more: passing controls, then the log.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say less: no progress.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    Auto,
    Always,
    Never,
}

/// Which controls.
#[derive(Clone, Debug, Default, Args)]
pub struct Selected {
    /// Only the controls whose id matches, such as 'kernel.*'; may be repeated, or hold several with commas between.
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Not the controls whose id matches; likewise.
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub skip: Vec<String>,
}

/// What the other commands print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// What `controls` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    Text,
    Json,
    Markdown,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Audit the host and its Redis against the policy; changes nothing.
    #[command(
        after_help = "Example:\n  redis-harden check --format json --only 'kernel.*'\n  redis-harden check --report html=report.html --report sarif=report.sarif\n  redis-harden check --report json=- > baseline.json\n  redis-harden check --baseline baseline.json\n  redis-harden check --url rediss://auditor@cache.example:6379 --password-file ./password"
    )]
    Check(Check),
    /// Show what apply would change, as a diff; changes nothing.
    #[command(after_help = "Example:\n  redis-harden plan --policy ./policy.toml")]
    Plan(Plan),
    /// Make it so, then audit again.
    #[command(after_help = "Example:\n  sudo redis-harden apply --message 'ticket 42'")]
    Apply(Apply),
    /// Put back what an apply changed: the newest run, or the one named.
    #[command(
        after_help = "Example:\n  sudo redis-harden rollback\n  sudo redis-harden rollback 3 --force"
    )]
    Rollback(Rollback),
    /// Keep what an `apply --confirm-within` did: you can still reach this host.
    #[command(
        after_help = "Example:\n  sudo redis-harden apply --confirm-within 60s\n  sudo redis-harden confirm"
    )]
    Confirm(Confirm),
    /// List the runs of apply: who, when, why, and what they changed (-v).
    #[command(after_help = "Example:\n  sudo redis-harden history -v")]
    History,
    /// Run redis-server in the foreground: systemd's main process, or PID 1 of a container.
    #[command(after_help = "Example:\n  redis-harden supervise default")]
    Supervise(Supervise),
    /// Run a command in the server's sandbox, as the server's user: what it cannot do, Redis cannot either.
    #[command(
        after_help = "Example:\n  sudo redis-harden contain -- cat /etc/passwd\n  sudo redis-harden -v contain -- true"
    )]
    Contain(Contain),
    /// Attack this host's own Redis as exposed servers are attacked, and tell what is refused, and by which layer.
    ///
    /// What changes or exhausts something is tried on a throw-away twin: the same program, configuration, users and sandbox, in
    /// namespaces of its own and on memory. The running server is only asked what changes nothing there.
    #[command(
        after_help = "Exit codes: 0 all refused, 1 something succeeded, 2 trouble, such as an attempt that could not be made.\n\nExample:\n  sudo redis-harden prove\n  sudo redis-harden prove --list\n  sudo redis-harden prove --only 'prove.write-*,prove.rogue-*' --format json\n  sudo redis-harden prove --budget 2m --report sarif=prove.sarif\n  sudo redis-harden check --with prove"
    )]
    Prove(Prove),
    /// Print what runs the policy's server in containers: compose or kubernetes. The image is built by packaging/container/Dockerfile.
    #[command(
        after_help = "Example:\n  redis-harden --policy ./policy.toml render compose > compose.yaml\n  redis-harden --policy ./policy.toml render kubernetes --memory 8gb | kubectl apply -f -"
    )]
    Render(Render),
    /// Whether the server runs, and how.
    #[command(after_help = "Example:\n  redis-harden status --format json")]
    Status(Status),
    /// Start the server.
    #[command(after_help = "Example:\n  sudo redis-harden start")]
    Start(Service),
    /// Stop the server.
    #[command(after_help = "Example:\n  sudo redis-harden stop")]
    Stop(Service),
    /// Restart the server.
    #[command(after_help = "Example:\n  sudo redis-harden restart")]
    Restart(Service),
    /// Why a control exists, what it reads, what it found, and how to fix it by hand.
    #[command(after_help = "Example:\n  redis-harden explain kernel.overcommit-memory")]
    Explain(Explain),
    /// The list of all controls.
    #[command(after_help = "Example:\n  redis-harden controls --format json")]
    Controls(Controls),
    /// The policy: show, validate, schema, init.
    #[command(
        subcommand,
        after_help = "Example:\n  redis-harden policy init > policy.toml"
    )]
    Policy(PolicyCommand),
    /// Certificates: a private authority, the server's, clients', and their renewal.
    #[command(
        subcommand,
        after_help = "Example:\n  sudo redis-harden tls init\n  sudo redis-harden apply\n  sudo redis-harden tls issue app"
    )]
    Tls(tls::TlsCommand),
    /// Passwords: rotate, show.
    #[command(
        subcommand,
        after_help = "Example:\n  sudo redis-harden secret rotate app\n  sudo redis-harden secret rotate app --finish"
    )]
    Secret(SecretCommand),
    /// Open redis-cli on this host's server, as a user of the policy; the password is in no command line.
    ///
    /// It runs as whoever calls it, so that its environment, where redis-cli expects the password, is his and root's to read alone.
    /// Everything from the first word on that is no option of ours is redis-cli's, `-h` too: as of all options that say where to connect it is
    /// told why not. `--help` in front is this text; redis-cli's own is `cli -- --help`.
    /// The exit code is redis-cli's own; 2 where it could not be started.
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  sudo redis-harden cli\n  sudo redis-harden cli --user app GET greeting\n  sudo redis-harden cli --instance jobs --user agent INFO server"
    )]
    Cli(RedisCli),
    /// Print the completions of a shell.
    #[command(
        after_help = "Example:\n  redis-harden completions bash > /etc/bash_completion.d/redis-harden"
    )]
    Completions(Completions),
    /// Write the manual pages into a directory.
    #[command(after_help = "Example:\n  redis-harden man /usr/local/share/man/man1")]
    Man(Man),
}

#[derive(Debug, Args)]
pub struct Supervise {
    /// The instance.
    #[arg(default_value = "default")]
    pub instance: crate::policy::scalar::Name,
    /// As a container's entrypoint: first write the configuration and the users from the policy and the mounted passwords.
    #[arg(long)]
    pub render: bool,
}

#[derive(Debug, Args)]
pub struct Contain {
    /// Whose sandbox.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub instance: crate::policy::scalar::Name,
    /// The command and its arguments.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct Status {
    /// The instance; by default all of the policy.
    pub instance: Option<String>,
    /// Exit with 0 only where the server serves: it lets us in by a password of ours and has loaded its data.
    #[arg(long)]
    pub ready: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Service {
    /// The instance; by default all of the policy.
    pub instance: Option<String>,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// The control's id.
    pub id: String,
}

#[derive(Debug, Args)]
pub struct Controls {
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    pub format: ListFormat,
}

#[derive(Debug, Args)]
pub struct Completions {
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct Man {
    /// A directory that exists.
    pub dir: PathBuf,
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return commands::usage(&error),
    };
    crate::host::usual_umask();
    let context = Context::new(&cli);
    let code = match &cli.command {
        Command::Check(args) => commands::check::run(&context, args),
        Command::Plan(args) => commands::plan::run(&context, args),
        Command::Apply(args) => commands::apply::run(&context, args),
        Command::Confirm(args) => commands::confirm::run(&context, args),
        Command::Rollback(args) => commands::rollback::run(&context, args),
        Command::History => commands::history::run(&context),
        Command::Supervise(args) => commands::supervise::run(&context, args),
        Command::Contain(args) => commands::contain::run(&context, args),
        Command::Prove(args) => commands::prove::run(&context, args),
        Command::Render(args) => commands::render::run(&context, args),
        Command::Status(args) => commands::status::run(&context, args),
        Command::Start(args) => commands::service::start(&context, args),
        Command::Stop(args) => commands::service::stop(&context, args),
        Command::Restart(args) => commands::service::restart(&context, args),
        Command::Explain(args) => commands::explain::run(&context, args),
        Command::Controls(args) => commands::controls::run(&context, args),
        Command::Policy(args) => commands::policy::run(&context, args),
        Command::Tls(command) => commands::tls::run(&context, command),
        Command::Secret(args) => commands::secret::run(&context, args),
        Command::Cli(args) => commands::shell::run(&context, args),
        Command::Completions(args) => commands::generated::completions(args),
        Command::Man(args) => commands::generated::man(&context, args),
    };
    commands::finish(code)
}
