//! `plan`: what apply would change, and nothing else.

use super::{Context, Outcome, print};
use crate::audit::{Judged, Selection, audit, ids};
use crate::cli::{Format, Plan};
use crate::plan::{Change, plan, render};
use crate::policy::Trust;
use crate::setting::Sight;

/// Shows the plan: 0 for an empty one, 1 for pending changes, 2 where something could not be judged.
pub fn run(context: &Context, args: &Plan) -> Outcome {
    let controls = crate::controls::all();
    let selection = Selection::new(&args.selected.only, &args.selected.skip, &controls)?;
    let (host, policies, facts) = context.look(Trust::Reader)?;
    policies.waivers_fit(&ids(&controls))?;
    let judged = audit(
        Sight {
            host: &host,
            facts: &facts,
        },
        &policies,
        &controls,
        &selection,
    );
    let changes = pending(&judged, host.is_running());
    match args.format {
        Format::Text => print(&text(&changes, &judged))?,
        Format::Json => print(&json(&changes)?)?,
    }
    let unknown = judged
        .iter()
        .flat_map(|j| &j.findings)
        .any(|f| f.status == crate::audit::Status::Unknown);
    Ok(match (unknown && changes.is_empty(), changes.is_empty()) {
        (true, _) => 2,
        (_, true) => 0,
        _ => 1,
    })
}

/// The changes that apply would make here, also those that only root can.
fn pending(judged: &[Judged], running: bool) -> Vec<Change> {
    plan(judged)
        .into_iter()
        .filter(|c| running || c.group.phase.writes_files_only())
        .collect()
}

fn text(changes: &[Change], judged: &[Judged]) -> String {
    if !changes.is_empty() {
        return format!(
            "{}{} changes; next: redis-harden apply\n",
            render(changes),
            changes.len()
        );
    }
    let left = judged
        .iter()
        .filter(|j| j.status == crate::audit::Status::Fail)
        .count();
    match left {
        0 => "nothing to change\n".to_owned(),
        n => format!(
            "nothing that apply can change; {n} controls need a person or the machine's owner: redis-harden check\n"
        ),
    }
}

/// What a program reads: the same lines, with the controls that want them.
fn json(changes: &[Change]) -> serde_json::Result<String> {
    let list: Vec<serde_json::Value> = changes
        .iter()
        .map(|c| {
            serde_json::json!({
                "setting": c.setting.to_string(),
                "before": c.before.as_ref().map(ToString::to_string),
                "after": c.target.to_string(),
                "group": c.group.name,
                "controls": c.controls,
                "text": c.describe(),
            })
        })
        .collect();
    serde_json::to_string_pretty(&serde_json::json!({"schema": 1, "changes": list}))
        .map(|t| t + "\n")
}
