//! Passwords: `secret` and `cli`.

use crate::policy::scalar::{Duration, Name};
use clap::{Args, Subcommand};
use std::path::PathBuf;

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
    pub user: Option<Name>,
    /// The user's instance.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub instance: Name,
    /// How long the former password stays valid.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "24h",
        conflicts_with = "finish"
    )]
    pub overlap: Duration,
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
    pub lock_timeout: Duration,
}

#[derive(Debug, Args)]
pub struct ShowSecret {
    /// The user.
    #[arg(value_name = "NAME")]
    pub user: Name,
    /// The user's instance.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub instance: Name,
    /// Print the password, on a terminal only.
    #[arg(long)]
    pub reveal: bool,
}

#[derive(Debug, Args)]
pub struct RedisCli {
    /// As whom.
    #[arg(long, default_value = "admin", value_name = "NAME")]
    pub user: Name,
    /// Whose server.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub instance: Name,
    /// Print help.
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
    /// redis-cli's own options, and a command.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    pub args: Vec<String>,
}
