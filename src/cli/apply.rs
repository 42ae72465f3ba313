//! `plan`, `apply`, and what undoes or keeps a run.

use super::{Format, Selected};
use clap::Args;
use std::str::FromStr;

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
    /// As redis-harden.service runs it at each boot, beside Redis: what the running kernel has, and nothing else.
    #[arg(long, hide = true, conflicts_with_all = ["only", "skip", "dry_run"])]
    pub boot: bool,
    /// As redis-harden-first-boot.service runs it, before a Redis that cannot start yet: kernel values and files, no package and no
    /// restart.
    #[arg(long, hide = true, conflicts_with_all = ["boot", "dry_run"])]
    pub first_boot: bool,
}

impl Apply {
    /// Whether a unit of ours runs it while the machine boots.
    pub fn boots(&self) -> bool {
        self.boot || self.first_boot
    }
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
