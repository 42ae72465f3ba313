//! What the benchmarks share: a clock, medians, a Redis to look at, and a plot.
#![allow(dead_code, reason = "no benchmark uses all of it")]

pub mod plot;
pub mod redis;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The program that is measured.
pub const BINARY: &str = env!("CARGO_BIN_EXE_redis-harden");

/// How long a program takes, as a whole process. What it says and how it exits is not the question here.
pub fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.expect("the program runs");
    start.elapsed()
}

/// The median, in milliseconds.
pub fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .map_or(f64::NAN, |t| t.as_secs_f64() * 1000.0)
}

/// The medians of several programs, in milliseconds; they take turns, so that a slow second of the machine is everybody's.
pub fn medians<const N: usize>(
    runs: usize,
    mut programs: [&mut dyn FnMut() -> Command; N],
) -> [f64; N] {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..runs {
        for (times, program) in times.iter_mut().zip(&mut programs) {
            times.push(time(&mut program()));
        }
    }
    times.map(median_ms)
}

/// Panics with the bars that were missed.
pub fn hold(bars: &[(bool, &str)]) {
    let missed: Vec<&str> = bars
        .iter()
        .filter(|(held, _)| !held)
        .map(|(_, bar)| *bar)
        .collect();
    assert!(missed.is_empty(), "missed: {}", missed.join("; "));
}
