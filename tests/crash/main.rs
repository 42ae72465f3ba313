//! A crash at every step: apply, rollback and recovery are killed, interrupted and told of errors at each system call that writes.
//!
//! Needs root (owners are what is written) and strace, which counts the calls and breaks them, on fake hosts and never on this machine's.
//! `cargo test` tries a sample; `tests/full crash` tries every call, and prints how many.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

#[path = "../support/fake.rs"]
mod fake;

mod driver;
mod errors;
mod host;
mod judge;
mod kill;
mod order;
mod sample;
mod signals;
mod strace;
mod together;
mod torn;
