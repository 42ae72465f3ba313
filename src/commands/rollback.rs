//! `rollback`: put back what a run changed.

use super::{Context, Outcome, Trouble, print};
use crate::cli::Rollback;
use crate::facts::Facts;
use crate::journal::{self, Force, Outcome as Ended, Story, runs};
use crate::rotation;
use crate::setting::Sight;

/// Undoes the newest run in force, or the one named. 1 when somebody has changed something since: nothing is touched then.
pub fn run(context: &Context, args: &Rollback) -> Outcome {
    let (host, policies, _) = context.look_as_root("rollback")?;
    let mut say = context.progress();
    let _lock = journal::lock(&host, "rollback", args.lock_timeout.std())?;
    // Looked at under the lock: an apply that we waited for has changed what there is.
    journal::recover(&host, &policies, &mut say)?;
    let facts = Facts::gather(&host, &policies)?;
    let sight = Sight::new(&host, &facts);
    let story = choose(runs(&host)?, args.run)?;
    let Some(story) = story else {
        print("nothing to roll back\n")?;
        return Ok(0);
    };
    match journal::rollback(sight, &story, &force(args), Ended::RolledBack, &mut say)? {
        Ok(()) => {
            print(&format!("run {} is rolled back\n", story.header.run))?;
            rotation::forget_gone(sight, &policies)?;
            Ok(0)
        }
        Err(conflicts) => {
            let mut text = format!(
                "run {} cannot be rolled back, and nothing was touched:\n",
                story.header.run
            );
            for conflict in conflicts {
                text.push_str(&format!("  {}: {}\n", conflict.setting, conflict.why));
            }
            text.push_str("next: look at what changed, then redis-harden rollback --force to put it back all the same, or --force=SETTING for one of them\n");
            print(&text)?;
            Ok(1)
        }
    }
}

/// `--force` alone means everything.
fn force(args: &Rollback) -> Force {
    match args.force.iter().any(String::is_empty) {
        true => Force::Everything,
        false => Force::Named(args.force.clone()),
    }
}

/// The run named, or the newest that is in force.
fn choose(stories: Vec<Story>, wanted: Option<u32>) -> Result<Option<Story>, Trouble> {
    let in_force = |s: &Story| {
        !matches!(s.outcome, Some(Ended::RolledBack | Ended::Unconfirmed))
            && !s.in_force().is_empty()
    };
    match wanted {
        None => Ok(stories.into_iter().rev().find(in_force)),
        Some(n) => match stories.into_iter().find(|s| s.header.run == n) {
            Some(story) if in_force(&story) => Ok(Some(story)),
            Some(_) => Err(Trouble(format!("run {n} is rolled back already"))),
            None => Err(Trouble(format!(
                "there is no run {n}: redis-harden history lists them"
            ))),
        },
    }
}
