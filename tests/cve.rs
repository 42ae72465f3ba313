//! The table of known holes: that the program has what `data/cve.toml` says, and that it says what Debian's own changelogs say.
//! The latter needs root, and on the first run mmdebstrap and the machine's package mirror, as tests/systemd does.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may panic, and reads its fixtures"
)]

#[path = "cve/changelogs.rs"]
mod changelogs;
#[path = "cve/generate.rs"]
mod generate;
