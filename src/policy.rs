//! What a host and its Redis must be: read from TOML, merged, validated. A policy that cannot be trusted is an error, never a default.

pub mod model;
pub mod scalar;

pub use model::*;

/// All that a run judges: one policy an instance, in order.
#[derive(Clone, Debug)]
pub struct Policies {
    /// What the run calls itself: the profile's name, or the file's.
    pub name: String,
    /// The files read, in the order in which later ones win.
    pub files: Vec<std::path::PathBuf>,
    /// SHA-256 over what was read, in hexadecimal.
    pub sha256: String,
    /// At least one; host-wide settings are merged to the strictest.
    pub instances: Vec<Policy>,
}
