//! TLS, held against others: each certificate against openssl, and a real redis-server against what its own client says of it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may panic, and starts a server of its own"
)]

#[path = "support/issued.rs"]
mod issued;

#[path = "tls/authority.rs"]
mod authority;
#[path = "tls/certificates.rs"]
mod certificates;
#[path = "tls/server.rs"]
mod server;
#[path = "tls/sight.rs"]
mod sight;
#[path = "tls/together.rs"]
mod together;
