//! `check`: audit, report, and say by the exit code what was found.

mod remote;

use super::{Context, Outcome, Trouble, print};
use crate::audit::budget::Budget;
use crate::audit::{Baseline, Selection, audit_within, exit_code, ids, waivers};
use crate::cli::Check;
use crate::controls::FIREWALL;
use crate::facts::Facts;
use crate::host::{Host, Reach};
use crate::policy::{Policies, Trust};
use crate::report::text::Style;
use crate::report::{self, Format, Report};
use crate::setting::Ahead;
use remote::Target;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A dead file server, or a program that does not end, costs one control its verdict, not the run.
const BUDGET: Budget = Budget {
    piece: Duration::from_secs(5),
    whole: Duration::from_secs(30),
};

/// Audits and reports.
pub fn run(context: &Context, args: &Check) -> Outcome {
    let outputs = Outputs::of(args)?;
    let controls = crate::controls::all();
    let selection = Selection::new(&args.selected.only, &args.selected.skip, &controls)?;
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?;
    let target = Target::of(&args.remote)?;
    let mut ahead = Ahead::default();
    let (host, policies, facts) = match &target {
        Some(target) => target.look(context)?,
        None => {
            let host = context.host()?;
            if selection.has(FIREWALL) {
                ahead = Ahead::of_the_firewall(&host);
            }
            context.look_at(host, Trust::Reader)?
        }
    };
    if target.is_none()
        && let Some(text) = super::history::remark(&host)
    {
        context.progress()(&text);
    }
    policies.waivers_fit(&ids(&controls))?;
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

/// What is written where.
struct Outputs {
    printed: Format,
    files: Vec<(Format, PathBuf)>,
}

impl Outputs {
    /// Two reports in one place would leave none.
    fn of(args: &Check) -> Result<Outputs, Trouble> {
        let to_stdout = args.report.iter().filter(|to| to.path.is_none());
        let mut printed = args.format.into_iter().chain(to_stdout.map(|to| to.format));
        let first = printed.next().unwrap_or(Format::Text);
        if let Some(second) = printed.next() {
            return Err(Trouble(format!(
                "{} and {} cannot both go to standard output: give one of them a file",
                first.word(),
                second.word()
            )));
        }
        let mut seen = BTreeSet::new();
        let mut files = Vec::new();
        for to in &args.report {
            let Some(path) = &to.path else { continue };
            let path = super::absolute(path)?;
            if !seen.insert(path.clone()) {
                let shown = path.display();
                return Err(Trouble(format!("two reports cannot both be {shown}")));
            }
            files.push((to.format, path));
        }
        Ok(Outputs {
            printed: first,
            files,
        })
    }

    /// All of them are tried, whichever fails.
    fn write(&self, report: Report, style: Style) -> Result<(), Trouble> {
        let mut troubles = Vec::new();
        let mut attempt = |result: Result<(), Trouble>| {
            if let Err(Trouble(text)) = result {
                troubles.push(text);
            }
        };
        attempt(self.print(report, style));
        for (format, path) in &self.files {
            attempt(save(report, *format, path, style));
        }
        match troubles.is_empty() {
            true => Ok(()),
            false => Err(Trouble(troubles.join("\nredis-harden: "))),
        }
    }

    fn print(&self, report: Report, style: Style) -> Result<(), Trouble> {
        print(&report.render(self.printed, style)?)
    }
}

fn save(report: Report, format: Format, path: &Path, style: Style) -> Result<(), Trouble> {
    let style = Style {
        colour: false,
        ..style
    };
    let content = report.render(format, style)?;
    report::save(&Host::live()?, path, format, &content)
        .map_err(|e| Trouble(format!("the {} report: {e}", format.word())))
}
