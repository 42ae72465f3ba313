//! `prove`, also beside `check`.

use super::{ReportTo, Selected};
use crate::report;
use clap::{Args, ValueEnum};

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
