//! `explain ID`: why a control exists, what it reads here and finds, how to fix it by hand, references.

use super::{Context, Outcome, print};
use crate::audit::{Selection, audit};
use crate::cli::Explain;
use crate::policy::Trust;
use crate::setting::Sight;

/// Explains one control under the present policy.
pub fn run(context: &Context, args: &Explain) -> Outcome {
    let controls = crate::controls::all();
    let selection = Selection::named(&args.id, &controls)?;
    let (host, policies, facts) = context.look(Trust::Reader)?;
    for judged in audit(Sight::new(&host, &facts), &policies, &controls, &selection) {
        let control = judged.control;
        let mut text = format!(
            "{} ({}): {}\n\n{}\n\nnow: {}\n",
            control.id,
            control.severity.word(),
            control.title,
            control.why,
            judged.status.word()
        );
        for finding in &judged.findings {
            let observed = finding
                .observed
                .as_ref()
                .map_or_else(|| "absent".to_owned(), ToString::to_string);
            text.push_str(&format!(
                "  {} is {observed}, wants {}",
                finding.setting, finding.rule
            ));
            text.push_str(
                &finding
                    .because
                    .as_ref()
                    .map_or(String::new(), |b| format!(" ({b})")),
            );
            text.push('\n');
        }
        text.push_str(&format!("\nby hand: {}\n\nreferences:\n", control.by_hand));
        for reference in control.references {
            text.push_str(&format!("  {reference}\n"));
        }
        print(&text)?;
    }
    Ok(0)
}
