//! `prove` on real Debians: what an open stock Redis lets happen, what a hardened one refuses, and that nothing is left behind.
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
    pub mod tree;
}

mod contrast;
mod hostile;
mod machine;
mod twin;
mod variants;
