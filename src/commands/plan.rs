//! `plan`: what apply would change, and nothing else.

use super::{Context, Outcome, count, print};
use crate::audit::{Finding, Judged, Selection, Status, audit, ids};
use crate::cli::{Format, Plan};
use crate::host::Host;
use crate::plan::{Change, Effect, Effects, plan, render, with_parents};
use crate::policy::Trust;
use crate::setting::Sight;
use crate::value::Value;

/// Shows the plan: 0 for an empty one, 1 for pending changes, 2 where something could not be judged.
pub fn run(context: &Context, args: &Plan) -> Outcome {
    let controls = crate::controls::all();
    let selection = Selection::new(&args.selected.only, &args.selected.skip, &controls)?;
    let (host, policies, facts) = context.look(Trust::Reader)?;
    if let Some(text) = super::history::remark(&host) {
        context.progress()(&text);
    }
    policies.waivers_fit(&ids(&crate::controls::with_attempts()))?;
    let judged = audit(Sight::new(&host, &facts), &policies, &controls, &selection);
    let changes = with_parents(&host, pending(&judged, host.is_running()))?;
    let effects = Effects::of(&judged, host.is_running());
    match args.format {
        Format::Text => print(&text(&host, &changes, &effects, &judged))?,
        Format::Json => print(&json(&changes, &effects)?)?,
    }
    let evaluated = judged.iter().any(|j| j.status != Status::NotApplicable);
    let unknown = !args.allow_unknown && findings(&judged, |f| f.status == Status::Unknown) > 0;
    Ok(match (evaluated && !unknown, changes.is_empty()) {
        (false, _) => 2,
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

fn text(host: &Host, changes: &[Change], effects: &Effects, judged: &[Judged]) -> String {
    let mut text = String::new();
    if let Some(why) = super::check::files_only(host) {
        text.push_str(&format!("files only: {why}\n"));
    }
    text.push_str(&render(changes, effects));
    text.push_str(&first_boot(judged));
    let unknown = findings(judged, |f| f.status == Status::Unknown);
    if unknown > 0 {
        text.push_str(&format!(
            "{} could not be read: redis-harden check\n",
            count(unknown, "setting")
        ));
    }
    text + &legend(changes, effects) + &summary(changes, judged)
}

/// What the words at the end of the lines mean, where one of them is not of the usual kind.
fn legend(changes: &[Change], effects: &Effects) -> String {
    let mut present: Vec<Effect> = changes.iter().map(|c| effects.on(c)).collect();
    present.sort();
    present.dedup();
    let words = present.iter().map(|effect| match effect {
        Effect::Live => "live: at once, nothing is interrupted\n",
        Effect::Restart => {
            "restart: when Redis is restarted, which apply does unless --restart never\n"
        }
        Effect::Reboot => "reboot: from the next boot on; nothing has to be rebooted now\n",
    });
    match present.as_slice() {
        [] | [Effect::Live] => String::new(),
        _ => words.collect(),
    }
}

/// What the host makes itself when it first boots.
fn first_boot(judged: &[Judged]) -> String {
    judged
        .iter()
        .flat_map(|j| j.findings.iter().map(move |f| (j.control.id, f)))
        .filter(|(_, f)| f.at_first_boot)
        .map(|(id, f)| {
            let why = f.because.as_deref().unwrap_or_default();
            format!(
                "{}: generated at first boot\n    {why}\n    # {id}\n",
                f.setting
            )
        })
        .collect()
}

fn summary(changes: &[Change], judged: &[Judged]) -> String {
    if !changes.is_empty() {
        let changes = count(changes.len(), "change");
        return format!("{changes}; next: redis-harden apply\n");
    }
    let left = judged.iter().filter(|j| j.status == Status::Fail).count();
    match left {
        0 => "nothing to change\n".to_owned(),
        1 => "nothing that apply can change; 1 control needs a person or the machine's owner: redis-harden check\n".to_owned(),
        n => format!(
            "nothing that apply can change; {n} controls need a person or the machine's owner: redis-harden check\n"
        ),
    }
}

fn findings(judged: &[Judged], test: impl Fn(&Finding) -> bool) -> usize {
    let all = judged.iter().flat_map(|j| &j.findings);
    all.filter(|f| test(f)).count()
}

/// `null` where the change removes it.
fn after(change: &Change) -> Option<String> {
    let kept = change.target != Value::Nothing;
    kept.then(|| change.target.to_string())
}

/// What a program reads: the same lines, with the controls that want them.
fn json(changes: &[Change], effects: &Effects) -> serde_json::Result<String> {
    let list: Vec<serde_json::Value> = changes
        .iter()
        .map(|c| {
            serde_json::json!({
                "setting": c.setting.to_string(),
                "before": c.before.as_ref().map(ToString::to_string),
                "after": after(c),
                "directories": c.parents,
                "group": c.group.name,
                "effect": effects.on(c).to_string(),
                "controls": c.controls,
                "text": c.describe(),
            })
        })
        .collect();
    serde_json::to_string_pretty(&serde_json::json!({"schema": 1, "changes": list}))
        .map(|t| t + "\n")
}
