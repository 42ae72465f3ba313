//! The command line as a user meets it: exit codes, messages, what is written and what is not.
//!
//! Needs root, on trees of its own and never on this machine's: owners, `setpriv` and `chroot` are what is tested.
//! Without root every test here fails and says so.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

#[path = "support/tree.rs"]
#[expect(dead_code, reason = "tests/systemd uses the rest")]
mod tree;

mod cli {
    mod bad_input;
    mod baseline;
    mod browser;
    mod caller;
    mod chroot;
    mod clock;
    mod consumers;
    mod container;
    mod documents;
    mod exit_codes;
    mod ground;
    mod harness;
    mod locking;
    mod offline;
    mod output;
    mod page;
    mod pages;
    mod reports;
    mod text;
    mod unprivileged;
    mod waivers;
}
