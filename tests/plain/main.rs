//! The main job on a real Debian that no systemd runs: in a container whose first process only reaps.
//!
//! Needs root and `tests/install-deps`; without them every test here fails and says so.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

#[path = "../support"]
mod support {
    pub mod disk;
    pub mod issued;
    pub mod left;
    pub mod plain;
    pub mod tree;
}

mod acme;
mod busy;
mod certificate;
mod change;
mod clients;
mod confirm;
mod data;
mod encrypted;
mod install;
mod legacy;
mod logs;
mod machine;
mod processes;
mod replicas;
mod replication;
mod result;
mod rollback;
mod rotation;
mod trouble;
