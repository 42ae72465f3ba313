//! Certificates that this program makes: a private authority, what it issues and signs, and where that is kept.
//! Judging certificates, whoever made them, is `setting::tls`.

mod authority;
mod keep;
mod names;

pub use authority::{Authority, Pair, Signed, Uses, found, request};
pub use keep::{Place, check, fingerprint, parts, until};
pub use names::{is_name, of_server};

/// Where a host keeps an authority, its key included, that is its own.
pub const AUTHORITY: &str = "/etc/redis-harden/ca";

/// Where private keys are written: one that was cut off is not left lying there.
pub const DIRECTORIES: [&str; 3] = [AUTHORITY, crate::policy::tls::DIRECTORY, CLIENTS];

/// Where clients' certificates are put, unless it is said otherwise.
pub const CLIENTS: &str = "/etc/redis-harden/clients";

/// How long an authority lives, unless it is said otherwise.
pub const AUTHORITY_DAYS: u16 = 3650;

/// How long a certificate lives, unless it is said otherwise.
pub const DAYS: u16 = 365;
