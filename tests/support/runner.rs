//! Runs the tests of a program that cannot use the usual harness, and counts them as that does.

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

/// A test by its name.
pub type Test = (&'static str, fn());

/// One after the other, those whose name holds the first argument that is no flag.
pub fn run<'a>(all: impl Iterator<Item = &'a Test>) -> ExitCode {
    assert!(nix::unistd::geteuid().is_root(), "run this as root");
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let (chosen, others): (Vec<&Test>, Vec<&Test>) =
        all.partition(|(name, _)| wanted.as_ref().is_none_or(|part| name.contains(part)));
    println!("running {} tests", chosen.len());
    let start = Instant::now();
    let failed: Vec<&str> = chosen
        .iter()
        .filter(|(name, test)| !passes(name, *test))
        .map(|(name, _)| *name)
        .collect();
    let (word, code) = match failed.is_empty() {
        true => ("ok", ExitCode::SUCCESS),
        false => ("FAILED", ExitCode::FAILURE),
    };
    for name in &failed {
        println!("    {name}");
    }
    println!(
        "test result: {word}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s",
        chosen.len() - failed.len(),
        failed.len(),
        others.len(),
        start.elapsed().as_secs_f64()
    );
    code
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
