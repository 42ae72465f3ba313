//! An instance's unit, started by systemd and waited for by us: a load may take longer than any limit, and a failure is told
//! at once, with the unit's last lines.

use crate::facts::Instance;
use crate::host::{Host, HostError, HostResult, Run};
use crate::supervise::{Places, detach, state};
use std::time::{Duration, Instant};

/// How often systemd is asked what became of the unit.
const ASK: Duration = Duration::from_millis(250);

/// So many starts by systemd itself, and the unit will not come up while we wait.
const TRIES: u32 = 3;

/// Restarts the unit on the files that are there now.
pub(super) fn restart(host: &Host, known: &Instance, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    let unit = known.policy.unit();
    reload(host)?;
    // A state that cannot be read is not ready either, which is all that matters of a former one.
    let former = state::read(host, known.policy.redis.name.as_str()).unwrap_or(None);
    say(&format!("restarting {unit}"));
    enqueue(host, "restart", &unit)?;
    wait(host, known, former.map(|report| report.supervisor_pid), say)
}

/// Restarts a unit that runs the package's own server, which tells systemd itself when it is ready.
pub(super) fn restart_stock(
    host: &Host,
    known: &Instance,
    say: &mut dyn FnMut(&str),
) -> HostResult<()> {
    let unit = known.policy.unit();
    reload(host)?;
    say(&format!("restarting {unit}"));
    let service = &known.policy.service;
    let limit = service.start_timeout.std() + service.stop_timeout.std();
    // A unit that failed before may have used up its starts.
    let _ = host.run(&Run::new("systemctl").args(&["reset-failed", &unit]));
    systemctl(host, &["restart", &unit], limit).map_err(|e| with_journal(host, &unit, e))
}

/// Starts the unit, unless it runs.
pub(super) fn start(host: &Host, known: &Instance, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    enqueue(host, "start", &known.policy.unit())?;
    wait(host, known, None, say)
}

/// Tells systemd that units have changed.
pub(super) fn reload(host: &Host) -> HostResult<()> {
    systemctl(host, &["daemon-reload"], Duration::from_secs(90))
}

pub(super) fn systemctl(host: &Host, args: &[&str], limit: Duration) -> HostResult<()> {
    host.run_ok(&Run::new("systemctl").args(args).limit(limit))
        .map(|_| ())
}

/// Waits until the server answers, or the unit has failed. What `former`, the supervisor before, says is not listened to.
pub(super) fn wait(
    host: &Host,
    known: &Instance,
    former: Option<i32>,
    say: &mut dyn FnMut(&str),
) -> HostResult<()> {
    let policy = &known.policy;
    let unit = policy.unit();
    let wait = detach::Wait {
        host,
        places: &Places::of(policy.redis.name.as_str()),
        // The former one has to end first.
        timeout: policy.service.start_timeout.std()
            + former.map_or(Duration::ZERO, |_| policy.service.stop_timeout.std()),
        former,
    };
    let mut asked = Instant::now();
    let mut before: Option<u32> = None;
    let mut may_come_up = || {
        if asked.elapsed() < ASK {
            return Ok(());
        }
        asked = Instant::now();
        let now = Unit::ask(host, &unit)?;
        // systemd counts over the unit's life, and begins anew at a start that somebody asked for.
        let known = before.map_or(now.restarts, |before| before.min(now.restarts));
        before = Some(known);
        now.may_come_up(&unit, known)
    };
    wait.run(&mut may_come_up, say)
        .map(drop)
        .map_err(|e| with_journal(host, &unit, e))
}

/// Begins a job. Without waiting for its end: a load would outlast the wait, and the unit with it.
fn enqueue(host: &Host, verb: &str, unit: &str) -> HostResult<()> {
    // A unit that failed before may have used up its starts.
    let _ = host.run(&Run::new("systemctl").args(&["reset-failed", unit]));
    systemctl(host, &["--no-block", verb, unit], Duration::from_secs(90))
}

/// What systemd says of a unit.
#[derive(Debug, Default, PartialEq, Eq)]
struct Unit {
    active: String,
    result: String,
    /// A job of it that waits or runs.
    has_job: bool,
    /// How many times systemd has started it again by itself.
    restarts: u32,
}

impl Unit {
    fn ask(host: &Host, unit: &str) -> HostResult<Unit> {
        let run = Run::new("systemctl").args(&[
            "show",
            "--property=ActiveState,Result,Job,NRestarts",
            unit,
        ]);
        host.run_ok(&run).map(|output| Unit::parse(&output.stdout))
    }

    /// `Key=value` lines; a systemd that leaves one out has nothing to say about it.
    fn parse(text: &str) -> Unit {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .unwrap_or_default()
        };
        Unit {
            active: field("ActiveState").to_owned(),
            result: field("Result").to_owned(),
            has_job: !["", "0"].contains(&field("Job")),
            restarts: field("NRestarts").parse().unwrap_or(0),
        }
    }

    /// An error when it is down and nothing brings it up, or it goes down again and again.
    fn may_come_up(&self, unit: &str, restarts_before: u32) -> HostResult<()> {
        let fail = |cause: String| Err(HostError::refused(format!("starting {unit}"), cause));
        let again = self.restarts.saturating_sub(restarts_before);
        match self.active.as_str() {
            "failed" | "inactive" if !self.has_job => {
                fail(format!("the unit is {} ({})", self.active, self.result))
            }
            _ if again >= TRIES => fail(format!(
                "systemd has started it again {again} times ({})",
                self.result
            )),
            _ => Ok(()),
        }
    }
}

/// A failed start's last words are in the journal, not in systemctl's answer.
fn with_journal(host: &Host, unit: &str, error: HostError) -> HostError {
    let run =
        Run::new("journalctl").args(&["--no-pager", "-q", "-o", "cat", "-n", "12", "-u", unit]);
    match host.run(&run) {
        Ok(output) if output.ok() => HostError {
            cause: format!(
                "{}\nthe unit's last lines:\n{}",
                error.cause,
                output.stdout.trim_end()
            ),
            ..error
        },
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_is_down_without_a_job_does_not_come_up() {
        for (text, comes) in [
            (
                "Result=success\nNRestarts=0\nActiveState=activating\nJob=812\n",
                true,
            ),
            ("Result=success\nNRestarts=0\nActiveState=active\n", true),
            // Between the stop and the start of a restart.
            (
                "Result=success\nNRestarts=0\nActiveState=inactive\nJob=812\n",
                true,
            ),
            ("Result=exit-code\nNRestarts=0\nActiveState=failed\n", false),
            (
                "Result=exit-code\nNRestarts=0\nActiveState=failed\nJob=0\n",
                false,
            ),
            ("Result=success\nNRestarts=0\nActiveState=inactive\n", false),
            (
                "Result=exit-code\nNRestarts=3\nActiveState=activating\n",
                false,
            ),
        ] {
            let answer = Unit::parse(text).may_come_up("redis-server.service", 0);
            assert_eq!(answer.is_ok(), comes, "{text}");
        }
    }
}
