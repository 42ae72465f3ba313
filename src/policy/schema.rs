//! The policy's JSON Schema, and what it says about one value: which keys, which types, which numbers.

use super::Policy;
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// The JSON Schema of a policy file, draft 2020-12.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Policy).to_value();
    title(&mut schema, "redis-harden policy");
    let definitions = schema.get_mut("$defs").and_then(Value::as_object_mut);
    for (name, definition) in definitions.into_iter().flatten() {
        title(definition, name);
    }
    schema
}

fn title(schema: &mut Value, text: &str) {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".into(), text.into());
    }
}

/// Generating it takes longer than using it, and every file of a run is held against it.
pub(super) static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

/// One of the things that a value may be.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// Known keys with their schemas, and the schema of any other key where others are allowed.
    Table {
        keys: Vec<(&'static str, &'static Value)>,
        others: Option<&'static Value>,
        required: Vec<&'static str>,
    },
    Array(&'static Value),
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Flag,
    /// One of these words.
    Word(Vec<&'static str>),
    /// A text; with a form of its own, what that is.
    Text(Option<&'static str>),
}

/// What a schema allows, its references and alternatives followed.
pub(super) fn shapes(schema: &'static Value) -> Vec<Shape> {
    if let Some(target) = text(schema, "$ref") {
        return SCHEMA
            .pointer(target.trim_start_matches('#'))
            .map(shapes)
            .unwrap_or_default();
    }
    for alternatives in ["anyOf", "oneOf"] {
        if let Some(list) = schema.get(alternatives).and_then(Value::as_array) {
            return list.iter().flat_map(shapes).collect();
        }
    }
    if let Some(word) = text(schema, "const") {
        return vec![Shape::Word(vec![word])];
    }
    if schema.get("enum").is_some() {
        return vec![Shape::Word(words(schema, "enum"))];
    }
    let types = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    types
        .into_iter()
        .filter_map(|kind| shape(schema, kind.as_str()?))
        .collect()
}

fn shape(schema: &'static Value, kind: &str) -> Option<Shape> {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    match kind {
        "object" => Some(Shape::Table {
            keys: properties(schema),
            others: others(schema),
            required: words(schema, "required"),
        }),
        "array" => Some(Shape::Array(schema.get("items")?)),
        "boolean" => Some(Shape::Flag),
        "string" => {
            let form = schema.get("pattern").and(text(schema, "description"));
            Some(Shape::Text(form))
        }
        "integer" => {
            let (low, high) = width(text(schema, "format"));
            let whole = |name: &str| schema.get(name).and_then(Value::as_i64);
            Some(Shape::Integer {
                min: whole("minimum").unwrap_or(low),
                max: whole("maximum").unwrap_or(high),
            })
        }
        "number" => Some(Shape::Number {
            min: bound("minimum").unwrap_or(f64::MIN),
            max: bound("maximum").unwrap_or(f64::MAX),
        }),
        // TOML has no null: an absent key is one.
        _ => None,
    }
}

/// The keys that a table knows, in the model's order.
pub(super) fn properties(schema: &'static Value) -> Vec<(&'static str, &'static Value)> {
    let keys = schema.get("properties").and_then(Value::as_object);
    keys.into_iter()
        .flatten()
        .map(|(key, schema)| (key.as_str(), schema))
        .collect()
}

/// The schema of keys that the table does not name; a map with named keys has it by their pattern.
fn others(schema: &'static Value) -> Option<&'static Value> {
    let by_pattern = schema.get("patternProperties").and_then(Value::as_object);
    by_pattern
        .and_then(|patterns: &Map<_, _>| patterns.values().next())
        .or_else(|| schema.get("additionalProperties").filter(|s| s.is_object()))
}

/// The texts in a list.
fn words(schema: &'static Value, key: &str) -> Vec<&'static str> {
    let list = schema.get(key).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// What the Rust type behind a `format` holds.
fn width(format: Option<&str>) -> (i64, i64) {
    match format {
        Some("uint8") => (0, i64::from(u8::MAX)),
        Some("uint16") => (0, i64::from(u16::MAX)),
        Some("uint32") => (0, i64::from(u32::MAX)),
        Some("uint64") => (0, i64::MAX),
        _ => (i64::MIN, i64::MAX),
    }
}

pub(super) fn text<'a>(schema: &'a Value, key: &str) -> Option<&'a str> {
    schema.get(key).and_then(Value::as_str)
}

impl Shape {
    /// In a person's words.
    pub(super) fn describe(&self) -> String {
        match self {
            Shape::Table { keys, .. } if keys.len() == 1 => {
                let names: Vec<_> = keys.iter().map(|(key, _)| *key).collect();
                format!("{{ {} = … }}", names.join(", "))
            }
            Shape::Table { .. } => "a table".into(),
            Shape::Array(_) => "a list".into(),
            Shape::Integer { .. } => "a whole number".into(),
            Shape::Number { .. } => "a number".into(),
            Shape::Flag => "true or false".into(),
            Shape::Word(words) => words
                .iter()
                .map(|word| format!("{word:?}"))
                .collect::<Vec<_>>()
                .join(", "),
            Shape::Text(form) => form.unwrap_or("a text").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_a_valid_draft_2020_12_schema() {
        let schema = schema();
        assert_eq!(
            text(&schema, "$schema"),
            Some("https://json-schema.org/draft/2020-12/schema")
        );
        jsonschema::draft202012::new(&schema).expect("it compiles");
    }

    #[test]
    fn every_section_is_a_table_and_every_key_has_a_shape_and_a_description() {
        for (section, schema) in properties(&SCHEMA) {
            for shape in shapes(schema) {
                let Shape::Table { keys, .. } = shape else {
                    continue;
                };
                for (key, schema) in keys {
                    assert!(!shapes(schema).is_empty(), "{section}.{key}");
                    assert!(text(schema, "description").is_some(), "{section}.{key}");
                }
            }
        }
    }
}
