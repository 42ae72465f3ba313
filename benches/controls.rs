//! What `check` costs by the number of controls that it judges, as a whole process, while a Redis runs. Controls are taken evenly
//! from the whole list. With the name of a file it writes the figure there.
//!
//!     cargo bench --bench controls -- docs/figures/check-cost.svg
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark drives this machine itself; the boundary is for src/"
)]

mod measure;

use measure::plot::Plot;
use measure::redis::Redis;
use measure::{BINARY, median_ms, time};
use std::process::Command;
use std::time::Duration;

const RUNS: usize = 31;
const STEPS: usize = 8;

fn main() {
    let figure = std::env::args()
        .skip(1)
        .find(|argument| argument.ends_with(".svg"));
    let ids: Vec<&str> = redis_harden::controls::all().iter().map(|c| c.id).collect();
    let _redis = Redis::start();
    let steps: Vec<Vec<&str>> = (0..=STEPS)
        .map(|step| evenly(&ids, ids.len() * step / STEPS))
        .collect();
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); steps.len()];
    for _ in 0..RUNS {
        for (times, some) in times.iter_mut().zip(&steps) {
            times.push(time(&mut check(some)));
        }
    }
    let points: Vec<(f64, f64)> = steps
        .iter()
        .zip(times)
        .map(|(some, times)| (some.len() as f64, median_ms(times)))
        .collect();
    for (controls, ms) in &points {
        println!("{controls:>4} controls  {ms:6.2} ms");
    }
    if let Some(path) = figure {
        let plot = Plot {
            title: "redis-harden check, by the number of controls",
            across: "controls",
            up: "ms, whole process (median)",
            points: &points,
        };
        std::fs::write(&path, plot.svg()).expect("the figure can be written");
    }
}

/// `check` with some controls only; with none it is what a process of ours costs before it looks at anything.
fn check(ids: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    match ids {
        [] => command.arg("--version"),
        some => command.arg("check").arg("--only").arg(some.join(",")),
    };
    command
}

fn evenly<'a>(ids: &[&'a str], count: usize) -> Vec<&'a str> {
    let at = |n: usize| ids.get(n * ids.len() / count).copied();
    (0..count).filter_map(at).collect()
}
