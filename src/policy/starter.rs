//! The commented file that `policy init` writes: every section and key with its value in the default profile and one line
//! of explanation, taken from the schema and the profile so that it cannot go stale.

use super::schema::{SCHEMA, Shape, properties, shapes, text};
use super::{Policies, profile};
use serde_json::Value;

const HEAD: &str = "\
# The policy of redis-harden: what this host and its Redis must be.
# Every key below stands at its value in the profile named by `extends`; remove a `#` to change one.
# `redis-harden policy show` prints the merged policy, `redis-harden plan` what a change would do.
";

/// Stands before what the default profile has no value for.
const NOT_SET: &str = "# Not set; for example:\n";

/// The starter file. As it is, it equals the default profile.
pub fn starter() -> String {
    let values = defaults();
    let mut file = HEAD.to_owned();
    for (name, schema) in properties(&SCHEMA) {
        match shapes(schema).into_iter().next() {
            Some(Shape::Text(_)) => file.push_str(&extends(name, schema)),
            Some(Shape::Array(item)) => file.push_str(&list(name, schema, item)),
            Some(Shape::Table {
                keys, others: None, ..
            }) => {
                file.push_str(&section(name, schema, &keys, values.get(name)));
            }
            Some(Shape::Table {
                others: Some(entry),
                ..
            }) => {
                file.push_str(&map(name, schema, entry, values.get(name)));
            }
            _ => {}
        }
    }
    file
}

/// The default profile's values.
pub(super) fn defaults() -> toml::Table {
    let policies = Policies::builtin(profile::DEFAULT).expect("the default profile is tested");
    let policy = policies.only_one().expect("a profile is one instance");
    toml::Table::try_from(policy).expect("a policy is a table")
}

fn extends(name: &str, schema: &Value) -> String {
    format!("\n{}{name} = {:?}\n", doc(schema), profile::DEFAULT)
}

/// `[NAME]`, its keys, and then its maps, each under a header of its own.
fn section(
    name: &str,
    schema: &Value,
    keys: &[(&'static str, &'static Value)],
    values: Option<&toml::Value>,
) -> String {
    let is_map = |schema: &'static Value| {
        shapes(schema).iter().any(|s| {
            matches!(
                s,
                Shape::Table {
                    others: Some(_),
                    ..
                }
            )
        })
    };
    let mut part = format!("\n{}[{name}]\n", doc(schema));
    for (key, schema) in keys.iter().filter(|(_, schema)| !is_map(schema)) {
        part.push_str(&line(key, schema, values.and_then(|v| v.get(key))));
    }
    for (key, schema) in keys.iter().filter(|(_, schema)| is_map(schema)) {
        part.push_str(&format!("\n{}[{name}.{key}]\n", doc(schema)));
        part.push_str(&examples(schema));
    }
    part
}

/// `[NAME.USER]` for the users of the default profile that are an application's.
fn map(name: &str, schema: &Value, entry: &'static Value, values: Option<&toml::Value>) -> String {
    let Some(Shape::Table { keys, .. }) = shapes(entry).into_iter().next() else {
        return String::new();
    };
    let users = values.and_then(toml::Value::as_table).into_iter().flatten();
    let ours = |user: &String| user == "admin" || user == "agent";
    let mut part = String::new();
    for (user, values) in users.filter(|(user, _)| !ours(user)) {
        part.push_str(&section(
            &format!("{name}.{user}"),
            schema,
            &keys,
            Some(values),
        ));
    }
    part
}

/// `[[NAME]]`, commented out with its keys: they belong together.
fn list(name: &str, schema: &Value, item: &'static Value) -> String {
    let Some(Shape::Table { keys, .. }) = shapes(item).into_iter().next() else {
        return String::new();
    };
    let lines: String = keys
        .iter()
        .map(|(key, schema)| line(key, schema, None).replace(NOT_SET, ""))
        .collect();
    format!("\n{}{NOT_SET}#[[{name}]]\n{lines}", doc(schema))
}

/// A key with its documentation: at its value, or, where it has none, at an example.
fn line(key: &str, schema: &Value, value: Option<&toml::Value>) -> String {
    let (note, value) = match value {
        Some(value) => ("", Some(value.clone())),
        None => (NOT_SET, example(schema)),
    };
    let Some(value) = value else {
        return String::new();
    };
    format!("{}{note}#{key} = {value}\n", doc(schema))
}

/// Each entry of a map's example.
fn examples(schema: &Value) -> String {
    let entries = match example(schema) {
        Some(toml::Value::Table(entries)) => entries,
        _ => return String::new(),
    };
    let lines = entries.into_iter().map(|(key, value)| {
        let bare = key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let key = if bare { key } else { format!("{key:?}") };
        format!("#{key} = {value}\n")
    });
    format!("{NOT_SET}{}", lines.collect::<String>())
}

pub(super) fn example(schema: &Value) -> Option<toml::Value> {
    let example = schema.get("examples")?.get(0)?;
    // An example that TOML cannot hold is none; the tests see that every key has one.
    toml::Value::try_from(example).ok()
}

/// The first line of the documentation, as a comment.
fn doc(schema: &Value) -> String {
    let description = text(schema, "description").unwrap_or_default();
    match description.lines().next() {
        Some(line) => format!("# {line}\n"),
        None => String::new(),
    }
}
