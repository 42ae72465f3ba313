//! The supervisor against a real redis-server. Needs root and Debian's redis-server; it fails without them, it does not skip.
//! `cargo test --test supervise [PART OF A NAME]`. With `--as-supervisor DIR` this program is the supervisor under test.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

#[path = "supervise/instance.rs"]
mod instance;
#[path = "support/issued.rs"]
mod issued;
#[path = "supervise/lives.rs"]
mod lives;
#[path = "supervise/refusals.rs"]
mod refusals;
#[path = "supervise/stops.rs"]
mod stops;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

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
    assert!(nix::unistd::geteuid().is_root(), "run this as root");
    let wanted = args.iter().find(|arg| !arg.starts_with('-'));
    let chosen = lives::ALL
        .iter()
        .chain(&stops::ALL)
        .chain(&refusals::ALL)
        .filter(|(name, _)| wanted.is_none_or(|part| name.contains(part.as_str())));
    let failed: Vec<&str> = chosen
        .filter(|(name, test)| !passes(name, *test))
        .map(|(name, _)| *name)
        .collect();
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("failed: {}", failed.join(", "));
    ExitCode::FAILURE
}

fn passes(name: &str, test: fn()) -> bool {
    let start = Instant::now();
    let passed = catch_unwind(test).is_ok();
    let word = if passed { "ok" } else { "FAILED" };
    println!(
        "test {name} ... {word} ({} ms)",
        start.elapsed().as_millis()
    );
    passed
}
