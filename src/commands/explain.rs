//! `explain ID`: why a control exists, what it reads here and finds, how that is judged, how to fix it by hand, references.

use super::{Context, Outcome, print};
use crate::audit::{Finding, Judged, Selection, Status, audit};
use crate::cli::Explain;
use crate::policy::{Policies, Trust};
use crate::report;
use crate::setting::Sight;
use std::fmt::Write;

/// Explains one control, or those of a glob, under the present policy.
pub fn run(context: &Context, args: &Explain) -> Outcome {
    let controls = crate::controls::with_attempts();
    let selection = Selection::named(&args.id, &controls)?;
    let (host, policies, facts) = context.look(Trust::Reader)?;
    let sight = Sight::new(&host, &facts);
    let judged = audit(sight, &policies, &controls, &selection);
    let texts: Vec<String> = judged.iter().map(|j| text(j, sight, &policies)).collect();
    print(&texts.join("\n"))?;
    Ok(0)
}

fn text(judged: &Judged, sight: Sight, policies: &Policies) -> String {
    let control = judged.control;
    let mut text = format!(
        "{} ({}): {}\n\n{}\n\nnow: {}\njudged by the policy {}\n",
        control.id,
        control.severity.word(),
        control.title,
        control.why,
        judged.status.word(),
        policies.name
    );
    for finding in &judged.findings {
        details(&mut text, finding, sight);
    }
    if judged.findings.is_empty() {
        text.push_str("  nothing here that it is about\n");
    }
    let _ = write!(text, "\nby hand: {}\n\nreferences:\n", control.by_hand);
    for reference in control.references {
        let _ = writeln!(text, "  {reference}");
    }
    text
}

fn details(text: &mut String, finding: &Finding, sight: Sight) {
    let status = finding.status.word();
    let _ = write!(text, "  {status:<14}  ");
    let mut indent = 0;
    let mut say = |what: &str| {
        for line in what.lines() {
            let _ = writeln!(text, "{:indent$}{}", "", report::printable(line));
            indent = 18;
        }
    };
    say(&report::sentence(finding));
    say(&format!("read from {}", finding.setting.read_from(sight)));
    if matches!(finding.status, Status::Unknown | Status::NotApplicable) {
        say(&format!("wants {}", finding.rule));
    }
    if let Some(because) = &finding.because {
        say(because);
    }
    if finding.status == Status::Fail {
        say(&report::text::remedy(finding));
    }
}
