//! `check`: audit, report, and say by the exit code what was found.

mod remote;

use super::outputs::Outputs;
use super::{Context, Outcome, Trouble};
use crate::audit::budget::Budget;
use crate::audit::{Baseline, Selection, audit_within, exit_code, ids, waivers};
use crate::cli::{Check, With};
use crate::controls::FIREWALL;
use crate::facts::Facts;
use crate::host::{Host, Reach};
use crate::policy::{Policies, Trust};
use crate::report::Report;
use crate::setting::Ahead;
use remote::Target;
use std::path::Path;
use std::time::Duration;

/// A dead file server, or a program that does not end, costs one control its verdict, not the run.
const BUDGET: Budget = Budget {
    piece: Duration::from_secs(5),
    whole: Duration::from_secs(30),
};

/// For the attempts of `prove`, where they are made as well.
const PROVE: Duration = Duration::from_secs(60);

/// Audits and reports.
pub fn run(context: &Context, args: &Check) -> Outcome {
    let outputs = Outputs::of(args.format, &args.report)?;
    let controls = match args.with {
        Some(With::Prove) => crate::controls::with_attempts(),
        None => crate::controls::all(),
    };
    let selection = Selection::new(&args.selected.only, &args.selected.skip, &controls)?;
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?;
    let target = Target::of(&args.remote)?;
    let mut ahead = Ahead::default();
    let (host, policies, mut facts) = match &target {
        Some(target) => target.look(context)?,
        None => {
            let host = context.host()?;
            if selection.has(FIREWALL) {
                ahead = Ahead::of_the_firewall(&host);
            }
            match args.with {
                Some(With::Prove) => context.look_as_root("check --with prove")?,
                None => context.look_at(host, Trust::Reader)?,
            }
        }
    };
    if target.is_none()
        && let Some(text) = super::history::remark(&host)
    {
        context.progress()(&text);
    }
    policies.waivers_fit(&ids(&crate::controls::with_attempts()))?;
    if args.with == Some(With::Prove) {
        let how = (PROVE, false);
        super::prove::make(context, &host, &policies, &mut facts, &selection, how)?;
    }
    let now = host.now();
    // A look that hangs outlives this function: what it looks at must too.
    let (host, facts, policies): (&'static Host, &'static Facts, &'static Policies) = (
        Box::leak(Box::new(host)),
        Box::leak(Box::new(facts)),
        Box::leak(Box::new(policies)),
    );
    let looked_at = (host, facts, policies);
    let mut judged = audit_within(looked_at, &controls, &selection, ahead, BUDGET);
    if let Some(baseline) = &baseline {
        baseline.mark(&mut judged);
    }
    let waivers = waivers(policies, facts, &controls, &selection, &judged, now);
    outputs.write(
        Report {
            facts,
            policies,
            judged: &judged,
            waivers: &waivers,
            baseline: baseline.as_ref(),
            now,
            root: host.root(),
            files_only: files_only(host),
        },
        context.style,
    )?;
    let code = exit_code(&judged, args.fail_on, args.allow_unknown);
    Ok(if args.exit_zero && code == 1 { 0 } else { code })
}

/// Why only files are judged, where that is so.
pub fn files_only(host: &Host) -> Option<&str> {
    match host.reach() {
        Reach::Running => None,
        Reach::FilesOnly(why) => Some(why),
    }
}

/// A former report, on this machine.
fn read_baseline(path: &Path) -> Result<Baseline, Trouble> {
    let path = super::absolute(path)?;
    let text = Host::live()?.read_text(&path)?.ok_or_else(|| {
        let shown = path.display();
        Trouble(format!("the baseline {shown} does not exist: make it with redis-harden check --report json={shown}"))
    })?;
    Baseline::parse(&text).map_err(|e| Trouble(format!("the baseline {}: {e}", path.display())))
}
