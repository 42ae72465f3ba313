//! What holds for every control: its words, its cases, and that an apply of it converges and rolls back byte for byte, on fake hosts.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may panic, and reads its fixtures"
)]

#[path = "support/fake.rs"]
mod fake;

#[path = "controls/cases.rs"]
mod cases;
#[path = "controls/converge.rs"]
mod converge;
#[path = "controls/filter.rs"]
mod filter;
#[path = "controls/hosts.rs"]
mod hosts;
#[path = "controls/obstacles.rs"]
mod obstacles;
#[path = "controls/random.rs"]
mod random;
#[path = "controls/versions.rs"]
mod versions;
#[path = "controls/words.rs"]
mod words;
