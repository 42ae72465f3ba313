//! `controls`: the whole list.

use super::{Context, Outcome, print};
use crate::cli::{Controls, Format};
use serde_json::json;

/// Lists every control.
pub fn run(_: &Context, args: &Controls) -> Outcome {
    let controls = crate::controls::all();
    match args.format {
        Format::Text => {
            for c in &controls {
                print(&format!(
                    "{:<36} {:<9} {}\n",
                    c.id,
                    c.severity.word(),
                    c.title
                ))?;
            }
            print(&format!("{} controls\n", controls.len()))?;
        }
        Format::Json => {
            let list: Vec<_> = controls
                .iter()
                .map(|c| {
                    json!({"id": c.id, "title": c.title, "severity": c.severity, "why": c.why, "references": c.references, "fix": c.by_hand})
                })
                .collect();
            print(
                &(serde_json::to_string_pretty(&json!({"schema": 1, "controls": list}))? + "\n"),
            )?;
        }
    }
    Ok(0)
}
