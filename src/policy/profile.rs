//! The profiles that are part of this program.

use super::source::Source;
use std::sync::Arc;

/// The profile that every policy stands on which does not name another.
pub const DEFAULT: &str = "production";

/// Names and texts, the default first.
pub const PROFILES: [(&str, &str); 5] = [
    (DEFAULT, include_str!("../../policies/production.toml")),
    ("cache", include_str!("../../policies/cache.toml")),
    ("durable", include_str!("../../policies/durable.toml")),
    ("strict", include_str!("../../policies/strict.toml")),
    ("container", include_str!("../../policies/container.toml")),
];

/// A profile by name.
pub(super) fn source(name: &str) -> Option<Arc<Source>> {
    let (name, text) = PROFILES.iter().find(|(profile, _)| *profile == name)?;
    Some(Arc::new(Source {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
        embedded: true,
    }))
}
