//! `controls`: the whole list.

use super::{Context, Outcome, print};
use crate::cli::{Controls, ListFormat};
use crate::control::Control;
use serde_json::json;
use std::fmt::Write;

/// Lists every control.
pub fn run(_: &Context, args: &Controls) -> Outcome {
    let controls = crate::controls::all();
    print(&match args.format {
        ListFormat::Text => text(&controls),
        ListFormat::Json => json(&controls)?,
        ListFormat::Markdown => markdown(&controls),
    })?;
    Ok(0)
}

fn text(controls: &[&Control]) -> String {
    let width = controls.iter().map(|c| c.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for c in controls {
        let _ = writeln!(
            text,
            "{:<width$}  {:<8}  {}",
            c.id,
            c.severity.word(),
            c.title
        );
    }
    text + &format!("{} controls\n", controls.len())
}

fn json(controls: &[&Control]) -> serde_json::Result<String> {
    let list: Vec<_> = controls
        .iter()
        .map(|c| {
            json!({"id": c.id, "title": c.title, "severity": c.severity, "why": c.why, "references": c.references, "fix": c.by_hand})
        })
        .collect();
    let text = serde_json::to_string_pretty(&json!({"schema": 1, "controls": list}))?;
    Ok(text + "\n")
}

/// The reference page, topics in the catalogue's order.
fn markdown(controls: &[&Control]) -> String {
    let mut page = format!(
        "# Controls\n\n{} controls, as `redis-harden controls --format markdown` prints them. `redis-harden explain ID` says what \
         one of them reads on a host, finds there and wants.\n",
        controls.len()
    );
    let mut topic = "";
    for control in controls {
        if control.topic() != topic {
            topic = control.topic();
            let _ = write!(page, "\n## {topic}\n");
        }
        section(&mut page, control);
    }
    page
}

fn section(page: &mut String, control: &Control) {
    let _ = write!(
        page,
        "\n### {}\n\n**{}** ({})\n\n{}\n\nBy hand: {}\n\nReferences: {}\n",
        control.id,
        plain(control.title),
        control.severity.word(),
        plain(control.why),
        plain(control.by_hand),
        plain(&control.references.join("; "))
    );
}

/// Text that Markdown leaves as it is: `*`, `_` and `<` stand for themselves in commands and globs.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '<' | '[' | ']' | '|' | '~') {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}
