//! The Debian package as its users install it: apt and dpkg on a Debian under its systemd, and in a chroot without one.
//!
//! Needs root and `tests/install-deps`; without them every test here fails and says so. `tests/full packaging` also runs the ignored ones.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

#[allow(dead_code, reason = "shared with tests/systemd")]
#[path = "../support"]
mod support {
    pub mod disk;
    pub mod left;
    pub mod nspawn;
    pub mod tree;
}

mod ansible;
mod chroot;
mod decision;
mod drift;
mod files;
mod host;
mod life;
mod package;
mod scripts;
mod upgrades;
