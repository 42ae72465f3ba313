//! The ready-made roles, held against real servers: every command of each version, and the work that each role is there for.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

#[path = "../support"]
mod support {
    pub mod server;
}

mod table;
mod users;
mod work;
