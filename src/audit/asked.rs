//! What each control wants of each instance, and in which order it is asked for.

use super::Selection;
use crate::control::{Control, Want, Wants};
use crate::facts::{Facts, View};
use crate::policy::{Policies, Policy};
use crate::prove::REFUSED;
use crate::rule::Rule;
use crate::setting::{Setting, Sight};
use crate::value::Value;

/// A control, its place in the report, and what it wants.
pub(super) struct Asked {
    pub at: usize,
    pub control: &'static Control,
    pub wanted: Wanted,
}

/// What the selected controls want. What waits for another program comes last, and stands in its place in the report all the same.
pub(super) fn ask(
    sight: Sight,
    policies: &Policies,
    controls: &[&'static Control],
    selection: &Selection,
) -> Vec<Asked> {
    let selected = controls.iter().filter(|control| selection.has(control.id));
    let mut asked: Vec<Asked> = selected
        .enumerate()
        .map(|(at, control)| Asked {
            at,
            control,
            wanted: wants(sight, policies, control),
        })
        .collect();
    asked.sort_by_key(|asked| settings(std::slice::from_ref(asked)).any(Setting::is_asked_ahead));
    asked
}

pub(super) fn settings(asked: &[Asked]) -> impl Iterator<Item = &Setting> {
    let wanted = asked.iter().flat_map(|asked| &asked.wanted);
    wanted.map(|(_, want)| &want.setting)
}

/// What a control wants, and of which instance.
type Wanted = Vec<(Option<String>, Want)>;

fn wants(sight: Sight, policies: &Policies, control: &Control) -> Wanted {
    match control.wants {
        Wants::Host(ask) => ask(policies, sight.facts)
            .into_iter()
            .map(|w| (None, w))
            .collect(),
        Wants::Instance(ask) | Wants::Told(ask) => {
            let told = matches!(control.wants, Wants::Told(_));
            let of = |p: &Policy| {
                let name = p.redis.name.to_string();
                let mut wants = ask(p, sight.facts);
                if told && wants.is_empty() {
                    wants.extend(of_a_silent_one(&name, sight.facts));
                }
                wants
                    .into_iter()
                    .map(move |w| (Some(name.clone()), w))
                    .collect::<Vec<_>>()
            };
            policies.instances.iter().flat_map(of).collect()
        }
        Wants::Attempt(id) => {
            let of = |p: &Policy| {
                let instance = p.redis.name.to_string();
                let outcome = Setting::Attempt {
                    instance: instance.clone(),
                    id: id.to_owned(),
                };
                let refused = Rule::Is(Value::text(REFUSED));
                (
                    Some(instance),
                    Want::by_hand(outcome, refused, control.by_hand),
                )
            };
            policies.instances.iter().map(of).collect()
        }
    }
}

/// A server that is there and tells nothing is asked something that it would tell.
fn of_a_silent_one(instance: &str, facts: &Facts) -> Option<Want> {
    let known = facts.instances.get(instance)?;
    let asked = Setting::Info {
        instance: instance.to_owned(),
        field: "role".into(),
    };
    let silent = matches!(known.view, View::Silent(_));
    silent.then(|| Want::by_hand(asked, Rule::Present, "find out why it does not answer"))
}
