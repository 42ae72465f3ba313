//! The supervisor against a real redis-server. Needs root and Debian's redis-server; it fails without them, it does not skip.
//! `cargo test --test supervise [PART OF A NAME]`. With `--as-supervisor DIR` this program is the supervisor under test.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

#[path = "supervise/apart.rs"]
mod apart;
#[path = "supervise/endings.rs"]
mod endings;
#[path = "supervise/faults.rs"]
mod faults;
#[path = "supervise/held.rs"]
mod held;
#[path = "supervise/instance.rs"]
mod instance;
#[path = "support/issued.rs"]
mod issued;
#[path = "supervise/kills.rs"]
mod kills;
#[path = "supervise/lives.rs"]
mod lives;
#[path = "supervise/long.rs"]
mod long;
#[path = "supervise/manager.rs"]
mod manager;
#[path = "supervise/refusals.rs"]
mod refusals;
#[path = "supervise/renewals.rs"]
mod renewals;
#[path = "supervise/resources.rs"]
mod resources;
#[path = "support/runner.rs"]
mod runner;
#[path = "supervise/stops.rs"]
mod stops;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, dir] = args.as_slice()
        && flag == "--as-supervisor"
    {
        return instance::supervise(dir.as_ref());
    }
    if args.first().is_some_and(|arg| arg.ends_with("/test.conf")) {
        return lives::tell_environment();
    }
    let all = [
        &lives::ALL[..],
        &stops::ALL[..],
        &refusals::ALL[..],
        &resources::ALL[..],
        &manager::ALL[..],
        &apart::ALL[..],
        &kills::ALL[..],
        &held::ALL[..],
        &faults::ALL[..],
        &endings::ALL[..],
        &renewals::ALL[..],
    ];
    runner::run(all.into_iter().flatten())
}
