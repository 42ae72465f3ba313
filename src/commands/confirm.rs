//! `confirm`: say that the host can still be reached after an `apply --confirm-within`, and keep what it did.

use super::{Context, Outcome, Trouble, print};
use crate::cli::Confirm;
use crate::facts::Facts;
use crate::host::Host;
use crate::journal::{self, Outcome as Ended, runs};
use crate::policy::Policies;
use crate::setting::Sight;
use std::path::Path;
use std::time::{Duration, Instant};

/// An apply may take as long as its packages.
const LONGEST_APPLY: Duration = Duration::from_secs(24 * 3600);

/// How often the one who waits looks for the word.
const LOOK: Duration = Duration::from_millis(200);

/// How long until a rollback that failed is tried again: a disk is emptied, a server can save again.
const AGAIN: Duration = Duration::from_secs(5);

/// Confirms the run that waits for it. 1 when there is none, or it has been rolled back.
pub fn run(context: &Context, args: &Confirm) -> Outcome {
    if let (Some(number), Some(within)) = (args.run, &args.or_roll_back_in) {
        return stand_by(context, number, within.std());
    }
    let host = context.host()?;
    super::must_be_root(&host, "confirm")?;
    let _lock = journal::lock(&host, "confirm", args.lock_timeout.std())?;
    match journal::waiting(&host)? {
        Some(story) if args.run.is_none_or(|run| run == story.header.run) => {
            journal::confirm(&host, &story)?;
            print(&format!("run {} is confirmed\n", story.header.run))?;
            Ok(0)
        }
        _ => {
            print(&nothing_waits(&host)?)?;
            Ok(1)
        }
    }
}

fn nothing_waits(host: &Host) -> Result<String, Trouble> {
    let last = runs(host)?
        .into_iter()
        .rev()
        .find(|s| s.header.confirm_within.is_some());
    Ok(match last {
        Some(story) if story.outcome == Some(Ended::Unconfirmed) => format!(
            "run {} was not confirmed in time, and has been rolled back: apply it again\n",
            story.header.run
        ),
        _ => "no run waits to be confirmed\n".to_owned(),
    })
}

/// Has somebody wait for the word on a run of these policies, who rolls it back without.
pub fn arm(host: &Host, policies: &Policies, number: u32, within: Duration) -> Result<(), Trouble> {
    if !host.is_live_root() || !host.is_running() {
        return Err(Trouble(
            "--confirm-within is for the running host: nothing waits in a tree".into(),
        ));
    }
    policies.keep(host, Path::new(journal::POLICIES))?;
    let facts = Facts::gather(host, policies)?;
    Ok(journal::stand_by(host, &facts, number, within)?)
}

/// Whoever waited is gone with the boot before: another takes his place, and does not wait any longer. Nothing of the policy's files
/// is read for it, which may have been spoiled since.
pub fn arm_anew(host: &Host) -> Result<(), Trouble> {
    let Some(story) = journal::waiting(host)? else {
        return Ok(());
    };
    let policies = Policies::kept(host, Path::new(journal::POLICIES))?;
    let facts = Facts::gather(host, &policies)?;
    Ok(journal::stand_by(
        host,
        &facts,
        story.header.run,
        Duration::ZERO,
    )?)
}

/// Waits until the apply has ended, then for the word; without it the run is rolled back, also over what somebody has changed since,
/// and by the policy that it was applied with, whatever becomes of its file. What fails is tried until it succeeds, or the word comes.
fn stand_by(context: &Context, number: u32, within: Duration) -> Outcome {
    let host = context.host()?;
    super::must_be_root(&host, "confirm")?;
    let policies = Policies::kept(&host, Path::new(journal::POLICIES))?;
    let _watch = journal::watch(&host)?;
    // The apply holds it until it has ended, however it ends.
    drop(journal::lock(
        &host,
        "waiting for a confirmation",
        LONGEST_APPLY,
    )?);
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if !waits(&host, number)? {
            return Ok(0);
        }
        std::thread::sleep(LOOK);
    }
    let mut told = String::new();
    while let Err(Trouble(why)) = roll_back(&host, &policies, number) {
        if why != told {
            say(&format!("run {number} is not rolled back yet: {why}"));
            told = why;
        }
        std::thread::sleep(AGAIN);
    }
    Ok(0)
}

fn waits(host: &Host, number: u32) -> Result<bool, Trouble> {
    let story = journal::waiting(host)?;
    Ok(story.is_some_and(|story| story.header.run == number))
}

/// Rolls the run back, unless it waits no more.
fn roll_back(host: &Host, policies: &Policies, number: u32) -> Result<(), Trouble> {
    let _lock = journal::lock(host, "rolling back what nobody confirmed", LONGEST_APPLY)?;
    if !waits(host, number)? {
        return Ok(());
    }
    let mut say = |text: &str| say(text);
    say(&format!(
        "run {number} was not confirmed in time: rolling it back"
    ));
    journal::recover(host, policies, &mut say)?;
    let facts = Facts::gather(host, policies)?;
    let sight = Sight::new(host, &facts);
    let story = runs(host)?.into_iter().find(|s| s.header.run == number);
    let Some(story) = story.filter(|story| !story.in_force().is_empty()) else {
        return Ok(());
    };
    let ended = Ended::Unconfirmed;
    match journal::rollback(sight, &story, &journal::Force::Everything, ended, &mut say)? {
        Ok(()) => Ok(()),
        Err(_) => Err(Trouble("somebody has changed it since".into())),
    }
}

/// Into systemd's journal, or the log.
fn say(text: &str) {
    use std::io::Write;
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "{text}");
}
