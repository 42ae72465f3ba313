//! `prove`: attacks this host's own Redis, and says by the exit code whether all was refused.

use super::outputs::Outputs;
use super::{Context, Outcome, Trouble, print};
use crate::audit::{Selection, Status, audit, exit_code, ids, waivers};
use crate::cli::Prove;
use crate::control::Severity;
use crate::facts::Facts;
use crate::host::Host;
use crate::policy::Policies;
use crate::prove::{self, Attempt, How, Rehearsal};
use crate::report::Report;
use crate::setting::Sight;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Makes the attempts, and reports.
pub fn run(context: &Context, args: &Prove) -> Outcome {
    if args.as_twin {
        let code = crate::supervise::twin::play(&Host::live()?)?;
        return Ok(u8::try_from(code).unwrap_or(1));
    }
    let controls = prove::controls();
    let selection = Selection::new(&args.selected.only, &args.selected.skip, &controls)?;
    if args.list {
        print(&list(&selection))?;
        return Ok(0);
    }
    let outputs = Outputs::of(args.format, &args.report)?;
    let (host, policies, mut facts) = context.look_as_root("prove")?;
    policies.waivers_fit(&ids(&crate::controls::with_attempts()))?;
    if args.dry_run {
        print(&intended(&host, &policies, &facts, &selection))?;
        return Ok(0);
    }
    make(
        context,
        &host,
        &policies,
        &mut facts,
        &selection,
        (args.budget.std(), args.live),
    )?;
    let now = host.now();
    let judged = audit(Sight::new(&host, &facts), &policies, &controls, &selection);
    let waivers = waivers(&policies, &facts, &controls, &selection, &judged, now);
    outputs.write(
        Report {
            facts: &facts,
            policies: &policies,
            judged: &judged,
            waivers: &waivers,
            baseline: None,
            now,
            root: host.root(),
            files_only: None,
        },
        context.style,
    )?;
    let was_tried = |status| matches!(status, Status::Pass | Status::Fail | Status::Waived);
    match judged.iter().any(|j| was_tried(j.status)) {
        true => Ok(exit_code(&judged, Severity::Low, args.allow_unknown)),
        // Nothing tried is no proof.
        false => Ok(2),
    }
}

/// Makes the selected attempts; what became of them is a fact from then on.
pub fn make(
    context: &Context,
    host: &Host,
    policies: &Policies,
    facts: &mut Facts,
    selection: &Selection,
    (budget, live): (Duration, bool),
) -> Result<(), Trouble> {
    let rehearsal = Rehearsal {
        host,
        policies,
        facts,
        until: Instant::now() + budget,
        live,
    };
    if live {
        rehearsal.obstacle()?;
    }
    let mut progress = context.progress();
    let outcomes = rehearsal.run(selection, &mut |text| {
        if context.is_verbose() {
            progress(text);
        }
    });
    facts.attempts = outcomes;
    Ok(())
}

fn selected(selection: &Selection) -> impl Iterator<Item = &'static Attempt> {
    prove::all().filter(|attempt| selection.has(attempt.control.id))
}

fn list(selection: &Selection) -> String {
    let width = selected(selection).map(|a| a.control.id.len()).max();
    let mut text = String::new();
    for attempt in selected(selection) {
        let (control, place) = (&attempt.control, place(attempt.how));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:width$}  {:<8}  {place:<4}  {}",
            control.id,
            control.severity.word(),
            control.title,
            width = width.unwrap_or(0),
        );
    }
    text
}

fn place(how: How) -> &'static str {
    match how {
        How::Live(_) => "live",
        How::Each(..) | How::Twin(_) | How::Inside(_) => "twin",
    }
}

fn intended(host: &Host, policies: &Policies, facts: &Facts, selection: &Selection) -> String {
    let mut text = String::new();
    for policy in &policies.instances {
        let twin = prove::describe(host, facts, policy);
        let _ = writeln!(text, "{}: {twin}", policy.redis.name);
    }
    text + &list(selection)
}
