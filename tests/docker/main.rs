//! Docker itself: its builder makes the image of the shipped Dockerfile, its Compose runs the shipped file, and the ports that it
//! publishes are found and closed. The engine lives in a network namespace and a directory that are made here, as is what it leaves.
//!
//! Needs root and `tests/install-deps`; without them every test here fails and says so. No registry is asked for an image.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test drives this machine itself, the boundary is for src/; what a document lacks fails the test"
)]
#![allow(unsafe_code, reason = "a user of one thread's alone")]

mod compose;
mod engine;
#[path = "../firewall/network.rs"]
#[allow(dead_code, reason = "the firewall's tests use the rest")]
mod network;
mod published;
