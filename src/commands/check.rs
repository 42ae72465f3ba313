//! `check`: audit, report, and say by the exit code what was found.

mod remote;

use super::{Context, Outcome, Trouble, print};
use crate::audit::{Selection, audit, exit_code, ids};
use crate::cli::{Check, Format, ReportTo};
use crate::host::{Host, Reach};
use crate::policy::Trust;
use crate::report::{Report, json, text};
use crate::setting::Sight;
use remote::Target;

/// Audits and reports.
pub fn run(context: &Context, args: &Check) -> Outcome {
    let controls = crate::controls::all();
    let selection = Selection::new(&args.selected.only, &args.selected.skip, &controls)?;
    let (host, policies, facts) = match Target::of(&args.remote)? {
        Some(target) => target.look(context)?,
        None => context.look(Trust::Reader)?,
    };
    policies.waivers_fit(&ids(&controls))?;
    let judged = audit(Sight::new(&host, &facts), &policies, &controls, &selection);
    let report = Report {
        facts: &facts,
        policies: &policies,
        judged: &judged,
        root: host.root(),
        files_only: files_only(&host),
    };
    print(&render(report, args.format, context.style)?)?;
    for to in &args.report {
        save(report, to, context)?;
    }
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

fn render(report: Report, format: Format, style: text::Style) -> Result<String, Trouble> {
    Ok(match format {
        Format::Text => text::render(report, style),
        Format::Json => json::render(report)?,
    })
}

/// `--report FORMAT=PATH`, written on this machine, whole or not at all.
fn save(report: Report, to: &ReportTo, context: &Context) -> Result<(), Trouble> {
    let content = render(
        report,
        to.format,
        text::Style {
            colour: false,
            ..context.style
        },
    )?;
    let path = super::absolute(&to.path)?;
    let (uid, gid) = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    );
    Ok(Host::live()?.write_file(&path, content.as_bytes(), 0o644, uid, gid)?)
}
