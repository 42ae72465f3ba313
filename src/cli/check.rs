//! `check`, and where its reports go.

use super::{Selected, With};
use crate::control::Severity;
use crate::report;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;

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
