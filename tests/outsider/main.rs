//! Attacks from outside, by somebody who knows the address, or that and an application's password: each attempt with the refusal that is
//! expected, counted, and afterwards nothing may have changed. What was found on the way is in docs/attack.md.
//!
//! Needs root and `tests/install-deps`; without them every test here fails and says so.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "../support"]
mod support {
    pub mod disk;
    pub mod plain;
    pub mod server;
    pub mod tree;
}

mod attempts;
mod host;
mod outside;
mod table;
mod wire;
