//! Our reading of a redis.conf held against the servers that read it: Redis 7.0 of this machine, and with `tests/full effective`
//! Redis 8.0 and Valkey 8.1 of a Debian 13 tree. Real servers, without TCP, each in a directory of its own.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may panic, and starts its servers behind the door"
)]

mod drift;
mod files;
mod random;
mod server;
mod table;
mod values;
