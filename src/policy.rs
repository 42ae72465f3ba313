//! What a host and its Redis must be: read from TOML, merged, validated. A policy that cannot be trusted is an error, never a default.
//!
//! The story reads: `load` reads each file and has it checked alone (`source` parses it, `shape` holds it against the
//! schema, `typed` against the model's types, `check` against what a type cannot say), `merge` lays one over another,
//! `whole` judges the result, `together` several instances of one host.

pub mod adopt;
mod check;
mod directive;
mod error;
mod extends;
mod inherited;
mod load;
mod merge;
pub mod model;
mod password;
mod places;
pub mod ports;
pub mod profile;
pub mod rate;
mod reference;
pub mod scalar;
pub mod scheduling;
mod schema;
mod shape;
mod show;
mod source;
mod starter;
#[cfg(test)]
mod tests;
pub mod tls;
mod together;
mod typed;
mod waiver;
mod whole;

pub use crate::host::Trust;
pub use error::PolicyError;
pub use inherited::{Hidden, is_taken_from};
pub use model::*;
pub use password::PasswordSource;
pub use rate::{ConnectionRate, Per, Rate};
pub use reference::reference;
pub use scalar::*;
pub use scheduling::Scheduling;
pub use schema::schema;
pub use show::show;
pub use starter::starter;
pub use tls::{ClientCertificates, Protocol, Tls};
pub use waiver::{Pattern, selection};

/// The policy of the next boot, which must be this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtBoot {
    /// The host's own, or the embedded one: what a run without `--policy` finds.
    Found,
    /// A file on the host that `--policy` named.
    Named(std::path::PathBuf),
    /// The text of a file elsewhere: a tree that is prepared needs it as its own.
    Copied(String),
}

/// All that a run judges: one policy an instance, in order.
#[derive(Clone, Debug)]
pub struct Policies {
    /// What the run calls itself: the profile's name, or the file's.
    pub name: String,
    /// The files read, in the order in which they were.
    pub files: Vec<std::path::PathBuf>,
    /// SHA-256 over what was read, in hexadecimal: the files and the profiles that they extend.
    pub sha256: String,
    /// What was understood, and should be written otherwise.
    pub warnings: Vec<PolicyError>,
    /// At least one, the default one first; host-wide settings are merged to the strictest.
    pub instances: Vec<Policy>,
    /// Which policy the boot unit is to use.
    pub at_boot: AtBoot,
    kernel: Kernel,
    /// Where each instance's values came from.
    trees: Vec<source::Node>,
}
