//! The command line: clap's types and one match, no logic.

pub mod tls;

use crate::commands::{self, Context};
use crate::control::Severity;
use crate::report;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

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

/// `--report FORMAT=PATH`.
#[derive(Clone, Debug)]
pub struct ReportTo {
    pub format: report::Format,
    /// `None` is standard output.
    pub path: Option<PathBuf>,
}

impl FromStr for ReportTo {
    type Err = String;

    fn from_str(text: &str) -> Result<ReportTo, String> {
        let formats = report::Format::value_variants().iter();
        let formats: Vec<String> = formats.map(|f| f.word()).collect();
        let wrong = || {
            format!(
                "write it as FORMAT=PATH, with {} for FORMAT",
                formats.join(", ")
            )
        };
        let (format, path) = text.split_once('=').ok_or_else(wrong)?;
        let format = <report::Format as ValueEnum>::from_str(format, false).map_err(|_| wrong())?;
        let path = match path {
            "" => return Err(wrong()),
            "-" => None,
            path => Some(path.into()),
        };
        Ok(ReportTo { format, path })
    }
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
    /// The exit code is redis-cli's own; 2 where it could not be started.
    #[command(
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
pub struct Check {
    #[command(flatten)]
    pub selected: Selected,
    #[command(flatten)]
    pub remote: Remote,
    /// What is made and judged besides.
    #[arg(long, value_enum, conflicts_with_all = ["url", "root"])]
    pub with: Option<With>,
    /// What is printed on standard output: text, unless a report goes there.
    #[arg(long, value_enum)]
    pub format: Option<report::Format>,
    /// Write a report to a file, or to standard output (`-`); may be repeated.
    ///
    /// The file is replaced whole. As root it is made readable by root only (0600), since it says what is weak here;
    /// prometheus, which the collector reads, 0644. One that is there already keeps its mode.
    #[arg(long, value_name = "FORMAT=PATH")]
    pub report: Vec<ReportTo>,
    /// Report only what is new since a former JSON report; the rest is counted as known.
    #[arg(long, value_name = "REPORT")]
    pub baseline: Option<PathBuf>,
    /// The least severity that makes the exit code 1.
    #[arg(long, value_enum, default_value_t = Severity::Medium, value_name = "SEVERITY")]
    pub fail_on: Severity,
    /// Exit with 0 whatever was found; trouble is still 2.
    #[arg(long)]
    pub exit_zero: bool,
    /// Do not let what could not be judged make the exit code 2.
    #[arg(long)]
    pub allow_unknown: bool,
}

/// A server whose host is elsewhere, or managed by somebody else.
#[derive(Debug, Default, Args)]
pub struct Remote {
    /// Judge a server by what it tells a client: redis[s]://[USER@]HOST[:PORT].
    #[arg(long, value_name = "URL", conflicts_with = "root")]
    pub url: Option<String>,
    /// The file with its password; else the environment's REDISCLI_AUTH.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub password_file: Option<PathBuf>,
    /// The authorities that may have issued its certificate, in PEM; by default those that the system trusts.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub cacert: Option<PathBuf>,
    /// The certificate to show to it, in PEM.
    #[arg(long, value_name = "FILE", requires = "url", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// The name that its certificate must be for, where that is not the URL's host.
    #[arg(long, value_name = "NAME", requires = "url")]
    pub sni: Option<String>,
    /// Go on where its certificate cannot be trusted, and make that a finding. The password goes to whoever answers.
    #[arg(long, requires = "url")]
    pub insecure: bool,
}

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub selected: Selected,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Do not let what could not be judged make the exit code 2.
    #[arg(long)]
    pub allow_unknown: bool,
}

#[derive(Debug, Args)]
pub struct Apply {
    #[command(flatten)]
    pub selected: Selected,
    /// Show the plan and stop.
    #[arg(long)]
    pub dry_run: bool,
    /// What is printed on standard output: for a program what was changed, what could not be, and what is left.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Why; history shows it.
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
    /// How long to wait for another apply, such as 30s.
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub lock_timeout: crate::policy::scalar::Duration,
    /// Whether Redis may be restarted: `auto`, `never`, or the name of an instance that may be although it has replicas.
    #[arg(long, default_value = "auto", value_name = "WHEN")]
    pub restart: Restart,
    /// Exit with 1 also for what only the machine's owner or a person can fix.
    #[arg(long)]
    pub strict: bool,
    /// Roll everything back unless `confirm` is run in this time after the apply has ended, such as 60s: for changes that may shut
    /// you out.
    #[arg(long, value_name = "TIME", conflicts_with = "dry_run")]
    pub confirm_within: Option<crate::policy::scalar::Duration>,
    /// All or nothing: where one group fails, undo the others too.
    #[arg(long)]
    pub atomic: bool,
    /// As the boot unit runs it: kernel values and files, no package and no restart.
    #[arg(long, hide = true)]
    pub boot: bool,
}

/// Whether Redis may be restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restart {
    Auto,
    Never,
    /// This instance, also where replicas depend on it.
    Named(crate::policy::scalar::Name),
}

impl FromStr for Restart {
    type Err = String;

    fn from_str(text: &str) -> Result<Restart, String> {
        match text {
            "auto" => Ok(Restart::Auto),
            "never" => Ok(Restart::Never),
            name => name
                .parse()
                .map(Restart::Named)
                .map_err(|e| format!("it is auto, never, or an instance: {e}")),
        }
    }
}

#[derive(Debug, Args)]
pub struct Rollback {
    /// The run's number, as history lists it; by default the newest that is in force.
    pub run: Option<u32>,
    /// Put back also what somebody has changed since: all of it, or only the settings named.
    #[arg(long, value_name = "SETTING", num_args = 0..=1, require_equals = true, default_missing_value = "", action = clap::ArgAction::Append)]
    pub force: Vec<String>,
    /// How long to wait for another apply.
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub lock_timeout: crate::policy::scalar::Duration,
}

#[derive(Debug, Args)]
pub struct Confirm {
    /// The run's number, as history lists it; by default the one that waits.
    pub run: Option<u32>,
    /// How long to wait for an apply that is at work.
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub lock_timeout: crate::policy::scalar::Duration,
    /// As `apply` starts it: wait so long for the word of somebody else, then roll the run back.
    #[arg(long, hide = true, value_name = "TIME", requires = "run")]
    pub or_roll_back_in: Option<crate::policy::scalar::Duration>,
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
pub struct Prove {
    #[command(flatten)]
    pub selected: Selected,
    /// What is printed on standard output: text, unless a report goes there.
    #[arg(long, value_enum)]
    pub format: Option<report::Format>,
    /// Write a report to a file, or to standard output (`-`); may be repeated.
    #[arg(long, value_name = "FORMAT=PATH")]
    pub report: Vec<ReportTo>,
    /// The time for all attempts; what is left then could not be tried.
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub budget: crate::policy::scalar::Duration,
    /// Say which attempts there are, and where each is made; make none.
    #[arg(long)]
    pub list: bool,
    /// Say what would be made on which twin; make none.
    #[arg(long, conflicts_with = "list")]
    pub dry_run: bool,
    /// Make what can be undone on the running server itself. Refused unless it holds no key and has no replica.
    #[arg(long, conflicts_with_all = ["list", "dry_run"])]
    pub live: bool,
    /// Do not let what could not be tried make the exit code 2.
    #[arg(long)]
    pub allow_unknown: bool,
    /// As `prove` starts it, in namespaces of its own: becomes the twin.
    #[arg(long, hide = true, exclusive = true)]
    pub as_twin: bool,
}

/// What `check` does besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum With {
    /// The attempts of `prove`, a control each. Root's to make, and seconds instead of milliseconds.
    Prove,
}

#[derive(Debug, Args)]
pub struct Render {
    /// For what.
    #[arg(value_enum)]
    pub target: RenderTarget,
    /// The instance; by default the policy's only one.
    #[arg(long, value_name = "NAME")]
    pub instance: Option<crate::policy::scalar::Name>,
    /// The image, as the Dockerfile builds it; by default redis-harden-redis with this version.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// The container's memory, from which `maxmemory = "auto"` is worked out at its start; by default 4gb, or what the policy's sizes need.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<crate::policy::scalar::Size>,
    /// The size of the volume; by default five times the memory. Kubernetes only.
    #[arg(long, value_name = "SIZE")]
    pub storage: Option<crate::policy::scalar::Size>,
}

/// For what `render` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RenderTarget {
    /// A Compose file: docker compose, podman compose.
    Compose,
    /// Manifests: a StatefulSet and what belongs to it, and a DaemonSet that prepares the nodes.
    Kubernetes,
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

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// The merged policy, with where each value came from.
    #[command(after_help = "Example:\n  redis-harden policy show")]
    Show,
    /// Whether a policy is valid; its errors with file, line and column.
    #[command(after_help = "Example:\n  redis-harden --policy ./policy.toml policy validate")]
    Validate,
    /// The JSON Schema of a policy, or the reference that is made from it.
    #[command(
        after_help = "Example:\n  redis-harden policy schema > policy.schema.json\n  redis-harden policy schema --format markdown"
    )]
    Schema(Schema),
    /// A commented starter file, or the policy of the Redis that is here.
    #[command(
        after_help = "Example:\n  redis-harden policy init > /etc/redis-harden/policy.toml\n  sudo redis-harden policy init --from-host > policy.toml"
    )]
    Init(Init),
}

#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Give a user a new password; the former one stays valid for a time.
    ///
    /// The server takes both before the password file has the new one, so that nobody who reads the file is refused. The former one
    /// ends by the timer redis-harden-rotation.timer where systemd runs, else by `--finish`; one that is overdue is a finding.
    #[command(
        after_help = "Example:\n  sudo redis-harden secret rotate app\n  sudo redis-harden secret rotate app --overlap 1h\n  sudo redis-harden secret rotate app --finish\n  sudo redis-harden secret rotate --finish"
    )]
    Rotate(Rotate),
    /// Where a user's password is, and since when; with --reveal, on a terminal, the password itself.
    #[command(
        after_help = "Example:\n  sudo redis-harden secret show app\n  sudo redis-harden secret show app --reveal"
    )]
    Show(ShowSecret),
}

#[derive(Debug, Args)]
pub struct Rotate {
    /// The user; with --finish by default all whose time is over.
    #[arg(required_unless_present = "finish", value_name = "NAME")]
    pub user: Option<crate::policy::scalar::Name>,
    /// The user's instance.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub instance: crate::policy::scalar::Name,
    /// How long the former password stays valid.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "24h",
        conflicts_with = "finish"
    )]
    pub overlap: crate::policy::scalar::Duration,
    /// The new password is the first line of this file (`-` is standard input), instead of a generated one.
    #[arg(long, value_name = "FILE", conflicts_with = "finish")]
    pub from: Option<PathBuf>,
    /// End the former password now.
    #[arg(long)]
    pub finish: bool,
    /// And end the user's connections, which may have been made with it.
    #[arg(long, requires = "finish", requires = "user")]
    pub disconnect: bool,
    /// How long to wait for another apply.
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub lock_timeout: crate::policy::scalar::Duration,
}

#[derive(Debug, Args)]
pub struct ShowSecret {
    /// The user.
    #[arg(value_name = "NAME")]
    pub user: crate::policy::scalar::Name,
    /// The user's instance.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub instance: crate::policy::scalar::Name,
    /// Print the password, on a terminal only.
    #[arg(long)]
    pub reveal: bool,
}

#[derive(Debug, Args)]
pub struct RedisCli {
    /// As whom.
    #[arg(long, default_value = "admin", value_name = "NAME")]
    pub user: crate::policy::scalar::Name,
    /// Whose server.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub instance: crate::policy::scalar::Name,
    /// redis-cli's own options, and a command.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    pub args: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Init {
    /// Take over what this host's redis.conf says: addresses, memory, persistence, users. No password is printed.
    #[arg(long)]
    pub from_host: bool,
}

/// What `policy schema` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaFormat {
    Json,
    Markdown,
}

#[derive(Debug, Args)]
pub struct Schema {
    #[arg(long, value_enum, default_value_t = SchemaFormat::Json)]
    pub format: SchemaFormat,
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
