//! Things that are measured or counted on the host rather than set.

use super::{Reading, Sight};
use crate::host::Host;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// The kernel's clock source. Text.
    ClockSource,
    /// Nanoseconds that reading the monotonic clock takes, the best of several short runs.
    ClockCost,
    /// Bytes of swap space.
    Swap,
    /// The hard limit of open files that this process has and may not raise; `i64::MAX` where it may.
    ReachableNofile,
    /// `fs.nr_open`, the most that any process may ask for.
    NrOpen,
    /// Bytes: the least of the RAM and the memory limits of the control groups around us.
    MemoryLimit,
    /// Bytes that the maxmemory of all instances of the policy adds up to.
    MaxmemorySum,
    /// Days since the table of known holes was held against its sources.
    CveTableAge,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Measure::ClockSource => "clock source",
            Measure::ClockCost => "time to read the clock (ns)",
            Measure::Swap => "swap space (bytes)",
            Measure::ReachableNofile => "open files that can be had here",
            Measure::NrOpen => "fs.nr_open",
            Measure::MemoryLimit => "memory limit (bytes)",
            Measure::MaxmemorySum => "maxmemory of all instances (bytes)",
            Measure::CveTableAge => "age of the table of known holes (days)",
        })
    }
}

/// Measures it.
pub fn read(sight: Sight, what: Measure) -> Reading {
    match what {
        Measure::ClockSource => clock_source(sight.host),
        Measure::ClockCost => Reading::Value(Value::Int(clock_cost()), None),
        Measure::Swap => swap(sight.host),
        Measure::ReachableNofile => {
            Reading::Value(Value::Int(sight.facts.reachable_nofile()), None)
        }
        Measure::NrOpen => super::kernel::read(sight.host, "fs.nr_open").into(),
        Measure::MemoryLimit => Reading::Value(Value::Int(whole(sight.facts.memory_limit)), None),
        Measure::MaxmemorySum => Reading::Value(Value::Int(whole(sight.facts.maxmemory_sum)), None),
        Measure::CveTableAge => super::holes::read_age(sight),
    }
}

fn whole(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn clock_source(host: &Host) -> Reading {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    match host.read_text(Path::new(path)) {
        Ok(Some(text)) => Reading::Value(Value::text(text.trim()), None),
        Ok(None) => Reading::NotApplicable(format!("{path} does not exist")),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// A clock read through the vDSO takes some 20 to 60 ns, one that enters the kernel some hundreds:
/// what `redis-server --check-system` spends 50 ms on, a few hundred reads tell. The best of the runs is taken, so that a
/// busy machine is not mistaken for a slow clock.
fn clock_cost() -> i64 {
    const RUNS: usize = 8;
    const READS: u32 = 64;
    let mut best = i64::MAX;
    for _ in 0..RUNS {
        let start = std::time::Instant::now();
        for _ in 0..READS {
            std::hint::black_box(std::time::Instant::now());
        }
        let each = start.elapsed().as_nanos() / u128::from(READS);
        best = best.min(i64::try_from(each).unwrap_or(i64::MAX));
    }
    best
}

fn swap(host: &Host) -> Reading {
    let text = match host.read_text(Path::new("/proc/swaps")) {
        Ok(Some(text)) => text,
        Ok(None) => return Reading::Value(Value::Int(0), Some("this kernel has no swap".into())),
        Err(e) => return Reading::Unknown(e.to_string()),
    };
    let kib: i64 = text
        .lines()
        .skip(1)
        .filter_map(|l| l.split_whitespace().nth(2)?.parse::<i64>().ok())
        .sum();
    Reading::Value(Value::Int(kib * 1024), None)
}
