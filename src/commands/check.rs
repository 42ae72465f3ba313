//! `check`: audit, report, and say by the exit code what was found.

mod remote;

use super::{Context, Outcome, Trouble, print};
use crate::audit::{Baseline, Selection, audit, exit_code, ids, waivers};
use crate::cli::Check;
use crate::host::{Host, Reach};
use crate::policy::Trust;
use crate::report::text::Style;
use crate::report::{self, Format, Report};
use crate::setting::Sight;
use remote::Target;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Audits and reports.
pub fn run(context: &Context, args: &Check) -> Outcome {
    let outputs = Outputs::of(args)?;
    let controls = crate::controls::all();
    let selection = Selection::new(&args.selected.only, &args.selected.skip, &controls)?;
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?;
    let (host, policies, facts) = match Target::of(&args.remote)? {
        Some(target) => target.look(context)?,
        None => context.look(Trust::Reader)?,
    };
    policies.waivers_fit(&ids(&controls))?;
    let now = host.now();
    let mut judged = audit(Sight::new(&host, &facts), &policies, &controls, &selection);
    if let Some(baseline) = &baseline {
        baseline.mark(&mut judged);
    }
    let waivers = waivers(&policies, &facts, &controls, &selection, &judged, now);
    outputs.write(
        Report {
            facts: &facts,
            policies: &policies,
            judged: &judged,
            waivers: &waivers,
            baseline: baseline.as_ref(),
            now,
            root: host.root(),
            files_only: files_only(&host),
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
