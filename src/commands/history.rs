//! `history`: the runs of apply, newest last.

use super::{Context, Outcome, count, print};
use crate::host::Host;
use crate::journal::{Outcome as Ended, Story, Who, is_watched, open, runs, waiting};

/// Lists the runs; with -v what each changed.
pub fn run(context: &Context) -> Outcome {
    let stories = runs(&context.host()?)?;
    if stories.is_empty() {
        print("no run has changed anything yet\n")?;
    }
    for story in &stories {
        print(&line(story))?;
        for entry in story.entries.iter().filter(|_| context.is_verbose()) {
            let mark = if entry.undone { "undone  " } else { "" };
            print(&format!(
                "      {mark}{}\n",
                entry.text.replace('\n', "\n      ")
            ))?;
        }
    }
    Ok(0)
}

/// What whoever reads verdicts should know of the journal: a run that has not ended, or that it cannot be read.
pub fn remark(host: &Host) -> Option<String> {
    if let Ok(Some(story)) = waiting(host) {
        let number = story.header.run;
        return Some(match is_watched(host) {
            Ok(false) => format!(
                "run {number} waits to be confirmed, and nobody is left who would roll it back: redis-harden confirm, or redis-harden rollback"
            ),
            _ => format!(
                "run {number} waits to be confirmed, and is rolled back otherwise: redis-harden confirm"
            ),
        });
    }
    match open(host) {
        Ok(run) => run.map(|run| {
            format!("run {run} is at work, or it or its rollback was interrupted: the next apply or rollback puts that right")
        }),
        // The journal is root's own: an ordinary user judges without it.
        Err(error) if error.is_denied() => None,
        Err(error) => Some(error.to_string()),
    }
}

fn line(story: &Story) -> String {
    let header = &story.header;
    let how = match story.outcome {
        _ if story.is_unconfirmed() => "waits to be confirmed",
        Some(Ended::Complete) => "complete",
        Some(Ended::Failed) => "partly failed",
        Some(Ended::Recovered) => "interrupted, recovered",
        Some(Ended::RolledBack) => "rolled back",
        Some(Ended::Unconfirmed) => "not confirmed in time, rolled back",
        None => "interrupted",
    };
    let how = format!("{how}{}", put_back_by(story));
    let who = shown(Who {
        uid: header.uid,
        login_uid: header.login_uid,
    });
    let policy = header.policy_sha256.get(..12).unwrap_or_default();
    let message = header
        .message
        .as_ref()
        .map_or(String::new(), |m| format!("  {m:?}"));
    let changes = count(story.entries.len(), "change");
    format!(
        "{:>4}  {}  {who}  policy {} {policy}  {changes}, {how}{message}\n",
        header.run, header.at, header.policy
    )
}

/// Another may have rolled it back, and later.
fn put_back_by(story: &Story) -> String {
    match (story.outcome, &story.end) {
        (Some(Ended::RolledBack), Some((at, Some(by)))) => format!(" {at} by {}", shown(*by)),
        _ => String::new(),
    }
}

fn shown(who: Who) -> String {
    match who.login_uid {
        Some(login) if login != who.uid => format!("uid {} (login {login})", who.uid),
        _ => format!("uid {}", who.uid),
    }
}
