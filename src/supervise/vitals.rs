//! What /proc says of a server that does not answer: whether it works, waits, or has stopped. Source: proc(5).

use super::machine::Pulse;
use crate::host::{Host, HostResult};
use nix::unistd::Pid;
use std::path::Path;

/// What is looked at again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    stopped: bool,
    /// A thread waits: see `is_waiting`.
    waits: bool,
    /// Ticks of the processor and bytes moved, which only grow.
    work: u64,
}

/// The looks at one process.
#[derive(Debug, Default)]
pub(super) struct Vitals {
    before: Option<Look>,
}

impl Vitals {
    /// Looks, and says what became of it since the last time.
    pub(super) fn look(&mut self, host: &Host, pid: Pid) -> Pulse {
        // What cannot be looked at has ended, or keeps it from us: no proof that it hangs.
        let now = look(host, pid.as_raw()).unwrap_or(None);
        let before = std::mem::replace(&mut self.before, now);
        judge(before, now)
    }

    /// It has answered: the next look is a first one.
    pub(super) fn forget(&mut self) {
        self.before = None;
    }
}

fn judge(before: Option<Look>, now: Option<Look>) -> Pulse {
    match (before, now) {
        (_, Some(now)) if now.stopped => Pulse::Stopped,
        (Some(before), Some(now)) if !now.waits && before.work == now.work => Pulse::Still,
        _ => Pulse::Works,
    }
}

fn look(host: &Host, pid: i32) -> HostResult<Option<Look>> {
    let of = |name: &str| host.read_text(Path::new(&format!("/proc/{pid}/{name}")));
    let Some((state, ticks)) = of("stat")?.as_deref().and_then(parse_stat) else {
        return Ok(None);
    };
    let mut waits = is_waiting(state);
    for thread in host.list(Path::new(&format!("/proc/{pid}/task")))? {
        let stat = of(&format!("task/{thread}/stat")).unwrap_or(None);
        let state = stat.as_deref().and_then(parse_stat).map(|(state, _)| state);
        waits |= state.is_some_and(is_waiting);
    }
    let moved = of("io")?.as_deref().map_or(0, parse_io);
    Ok(Some(Look {
        stopped: state == 'T',
        waits,
        work: ticks.wrapping_add(moved),
    }))
}

/// For a disk (D), for a debugger that holds it (t), or for a processor (R): one that is throttled, or starved by others, gets none for
/// seconds, and would go on if it did.
fn is_waiting(state: char) -> bool {
    matches!(state, 'D' | 't' | 'R')
}

/// The state, and the ticks of user and kernel time. The name before them may hold anything.
fn parse_stat(text: &str) -> Option<(char, u64)> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let state = fields.first()?.chars().next()?;
    Some((state, number(11)?.wrapping_add(number(12)?)))
}

/// The bytes that were read and written, by whatever means.
fn parse_io(text: &str) -> u64 {
    let values = text.lines().filter_map(|line| line.split_once(": "));
    let numbers = values.filter_map(|(_, value)| value.trim().parse::<u64>().ok());
    numbers.fold(0, u64::wrapping_add)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's own processes")]
mod tests {
    use super::*;
    use std::process::{Child, Command};
    use std::time::Duration;

    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn pulses(script: &str) -> (Pulse, Pulse) {
        let child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let child = Running(child);
        let (host, mut vitals) = (Host::live().unwrap(), Vitals::default());
        let pid = Pid::from_raw(child.0.id().cast_signed());
        std::thread::sleep(Duration::from_millis(300));
        let first = vitals.look(&host, pid);
        std::thread::sleep(Duration::from_millis(300));
        (first, vitals.look(&host, pid))
    }

    #[test]
    fn work_is_told_from_sleep_and_from_a_stop() {
        let (works, still, stopped) = (Pulse::Works, Pulse::Still, Pulse::Stopped);
        assert_eq!(pulses("while :; do :; done"), (works, works));
        assert_eq!(pulses("exec sleep 5"), (works, still));
        assert_eq!(pulses("kill -STOP $$; sleep 5"), (stopped, stopped));
    }

    #[test]
    fn one_that_waits_for_a_processor_does_not_hang() {
        let now = |waits| Look {
            stopped: false,
            waits,
            work: 7,
        };
        for (state, pulse) in [
            ('R', Pulse::Works),
            ('D', Pulse::Works),
            ('S', Pulse::Still),
        ] {
            let look = now(is_waiting(state));
            assert_eq!(judge(Some(now(false)), Some(look)), pulse, "{state}");
        }
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "77 (a) R 1 (b)) S 1 77 77 0 -1 4194560 1 0 0 0 12 30 0 0 20 0 1 0 5 6 7";
        assert_eq!(parse_stat(stat), Some(('S', 42)));
        assert_eq!(parse_stat("77 (x"), None);
    }
}
