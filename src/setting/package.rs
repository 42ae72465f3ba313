//! Packages of the host's package manager: what is installed, and installing what is missing without its services being started.
//! It never removes a package, and fetches nothing but through apt.

mod apt;
mod guard;
mod reading;
mod sources;
mod status;
mod trouble;
mod version;

pub use apt::{Patience, install, recover};
pub use guard::{Guard, GuardWrite, ORIGINAL, POLICY};
pub(super) use reading::known;
pub use reading::{install_guarded, obstacle, put_to_rest, read, read_held, read_version, save};
pub use sources::read_security_suite;
pub use status::Dpkg;
pub use status::{Installed, State, installed, unfinished};
pub use version::compare_versions;
