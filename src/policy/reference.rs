//! The reference of a policy, as Markdown: every section and key with what it holds, its default and its meaning, from the schema and the
//! default profile so that it cannot go stale.

use super::schema::{SCHEMA, Shape, properties, shapes, text};
use super::starter::{defaults, example};
use serde_json::Value;

const HEAD: &str = "\
# The policy

Every key of `/etc/redis-harden/policy.toml`, of the files in `policy.d/` over it, and of `instances/NAME.toml`, as
`redis-harden policy schema --format markdown` prints them. Defaults are those of the profile `production`. `redis-harden policy show` prints
the merged policy with where each value came from, `redis-harden policy init` a commented starter file; a key that is not here is refused.
";

/// The page.
pub fn reference() -> String {
    let values = defaults();
    let mut page = HEAD.to_owned();
    for (name, schema) in properties(&SCHEMA) {
        match shapes(schema).into_iter().next() {
            Some(Shape::Table {
                keys, others: None, ..
            }) => {
                page.push_str(&section(&format!("[{name}]"), schema));
                page.push_str(&entries(&keys, values.get(name)));
            }
            Some(Shape::Table {
                others: Some(entry),
                ..
            }) => page.push_str(&of_each(&format!("[{name}.NAME]"), schema, entry)),
            Some(Shape::Array(entry)) => {
                page.push_str(&of_each(&format!("[[{name}]]"), schema, entry));
            }
            _ => {
                page.push_str(&section(name, schema));
                page.push_str(&shown("Example", example(schema)));
            }
        }
    }
    page
}

fn section(name: &str, schema: &Value) -> String {
    format!("\n## {name}\n\n{}\n", description(schema))
}

/// A table that there may be several of.
fn of_each(name: &str, schema: &Value, entry: &'static Value) -> String {
    let Some(Shape::Table { keys, .. }) = shapes(entry).into_iter().next() else {
        return String::new();
    };
    section(name, schema) + &entries(&keys, None)
}

fn entries(keys: &[(&'static str, &'static Value)], values: Option<&toml::Value>) -> String {
    let entry = |(key, schema): &(&'static str, &'static Value)| {
        let default = values.and_then(|values| values.get(key)).cloned();
        let value = match default {
            Some(value) => shown("Default", Some(value)),
            None => shown("Example", example(schema)),
        };
        let kinds: Vec<String> = shapes(schema).iter().map(bounds).collect();
        format!(
            "\n### {key}\n\n{}\n\nHolds: {}.\n{value}",
            description(schema),
            kinds.join(", or ")
        )
    };
    keys.iter().map(entry).collect()
}

/// What a value may be, with the range of a number that has one.
fn bounds(shape: &Shape) -> String {
    match shape {
        Shape::Integer { min, max } if *min != i64::MIN && *max != i64::MAX => {
            format!("a whole number from {min} to {max}")
        }
        Shape::Number { min, max } if *min != f64::MIN && *max != f64::MAX => {
            format!("a number from {min} to {max}")
        }
        Shape::Word(words) => {
            let quoted: Vec<String> = words.iter().map(|word| format!("`{word:?}`")).collect();
            quoted.join(", ")
        }
        Shape::Text(Some(form)) => form.trim_end_matches('.').replace('\n', " "),
        other => other.describe(),
    }
}

fn shown(what: &str, value: Option<toml::Value>) -> String {
    value.map_or_else(String::new, |value| format!("\n{what}: `{value}`\n"))
}

fn description(schema: &Value) -> String {
    text(schema, "description")
        .unwrap_or_default()
        .replace('\n', " ")
}
