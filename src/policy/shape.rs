//! Holds a file against the schema: unknown keys, wrong types, words and numbers out of range, each with its place.

use super::error::PolicyError;
use super::schema::{SCHEMA, Shape, shapes};
use super::source::{Node, Tree, lower_first};
use serde_json::Value;

/// How many known keys a message lists before it stops.
const LISTED: usize = 12;

/// Checks every value of a file.
pub(super) fn check(file: &Node) -> Result<(), PolicyError> {
    value(file, &SCHEMA, "")
}

fn value(node: &Node, schema: &'static Value, path: &str) -> Result<(), PolicyError> {
    let allowed = shapes(schema);
    let fits: Vec<&Shape> = allowed.iter().filter(|s| is_of_kind(node, s)).collect();
    match &node.value {
        _ if fits.is_empty() => Err(wrong_type(node, path, &allowed)),
        Tree::Table(_) => table(node, &fits, path),
        Tree::Array(items) => items.iter().try_for_each(|item| {
            let schema = fits.iter().find_map(|shape| match shape {
                Shape::Array(items) => Some(*items),
                _ => None,
            });
            schema.map_or(Ok(()), |schema| value(item, schema, path))
        }),
        Tree::Leaf(toml::Value::String(text)) => word(node, text, &allowed, path),
        Tree::Leaf(number) => in_range(node, number, &fits, path),
    }
}

fn is_of_kind(node: &Node, shape: &Shape) -> bool {
    use toml::Value as Toml;
    matches!(
        (&node.value, shape),
        (Tree::Table(_), Shape::Table { .. })
            | (Tree::Array(_), Shape::Array(_))
            | (Tree::Leaf(Toml::String(_)), Shape::Text(_) | Shape::Word(_))
            | (
                Tree::Leaf(Toml::Integer(_)),
                Shape::Integer { .. } | Shape::Number { .. }
            )
            | (Tree::Leaf(Toml::Float(_)), Shape::Number { .. })
            | (Tree::Leaf(Toml::Boolean(_)), Shape::Flag)
    )
}

fn table(node: &Node, fits: &[&Shape], path: &str) -> Result<(), PolicyError> {
    let Tree::Table(entries) = &node.value else {
        return Ok(());
    };
    let mut known = Vec::new();
    let mut others = None;
    for shape in fits {
        if let Shape::Table {
            keys, others: more, ..
        } = shape
        {
            known.extend(keys.iter().copied());
            others = others.or(*more);
        }
    }
    for (key, entry) in entries {
        let schema = known.iter().find(|(name, _)| name == key).map(|(_, s)| *s);
        match schema.or(others) {
            Some(schema) => value(entry, schema, &join(path, key))?,
            None => return Err(unknown_key(entry, key, path, &known)),
        }
    }
    // Of alternatives, none is required.
    match fits {
        [Shape::Table { required, .. }] => required
            .iter()
            .find(|key| !entries.contains_key(**key))
            .map_or(Ok(()), |key| Err(missing_key(node, key, path, &known))),
        _ => Ok(()),
    }
}

fn missing_key(
    node: &Node,
    key: &str,
    path: &str,
    known: &[(&'static str, &'static Value)],
) -> PolicyError {
    let error = PolicyError::new(format!("{path} has no {key:?}")).at_value(&node.at);
    let schema = known.iter().find(|(name, _)| *name == key);
    match schema.and_then(|(_, schema)| super::schema::text(schema, "description")) {
        Some(description) => error.help(format!(
            "write {key} = …: {}",
            lower_first(description.trim_end_matches('.'))
        )),
        None => error,
    }
}

fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        _ if key.contains('.') => format!("{path}.{key:?}"),
        _ => format!("{path}.{key}"),
    }
}

fn unknown_key(
    entry: &Node,
    key: &str,
    path: &str,
    known: &[(&'static str, &'static Value)],
) -> PolicyError {
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let what = match path {
        "" => format!("unknown section {key:?}"),
        _ => format!("unknown key {key:?} in [{path}]"),
    };
    let error = PolicyError::new(what).at_key(&entry.at);
    let error = match (nearest(key, &names), elsewhere(key)) {
        (Some(near), _) => error.help(format!("did you mean {near:?}?")),
        (None, Some(place)) => error.help(format!("did you mean {place}?")),
        (None, None) if path == "redis" => error.help(format!(
            "a redis.conf directive without a key of its own goes into [redis.directives]: {key} = …"
        )),
        (None, None) => error,
    };
    let place = match path {
        "" => "a policy".to_owned(),
        _ => format!("[{path}]"),
    };
    error.help(format!("{place} knows {}", listed(&names)))
}

/// A section that has the key, or another section's key of nearly that name.
fn elsewhere(key: &str) -> Option<String> {
    let sections = super::schema::properties(&SCHEMA).into_iter();
    let found = sections.flat_map(|(section, schema)| {
        shapes(schema)
            .into_iter()
            .filter_map(move |shape| match shape {
                Shape::Table { keys, .. } => {
                    let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
                    nearest(key, &names).map(|near| format!("{near:?} in [{section}]"))
                }
                _ => None,
            })
    });
    found.into_iter().next()
}

/// The known word that was probably meant.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = word.to_ascii_lowercase().replace('_', "-");
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(&plain, name), *name))
        .filter(|(likeness, _)| *likeness > 0.87)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

fn listed(names: &[&str]) -> String {
    let mut text = names
        .iter()
        .take(LISTED)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > LISTED {
        text.push_str(&format!(" and {} more", names.len() - LISTED));
    }
    text
}

fn wrong_type(node: &Node, path: &str, allowed: &[Shape]) -> PolicyError {
    let wants: Vec<String> = allowed.iter().map(Shape::describe).collect();
    let what = format!("{path} is {}, wants {}", node.kind(), either(&wants));
    let error = PolicyError::new(what).at_value(&node.at);
    match rewritten(node, allowed) {
        Some(text) => error.help(format!("write {text}")),
        None => error,
    }
}

/// The value as it was probably meant.
fn rewritten(node: &Node, allowed: &[Shape]) -> Option<String> {
    let wants = |f: fn(&Shape) -> bool| allowed.iter().any(f);
    match &node.value {
        Tree::Leaf(toml::Value::String(text)) => {
            let text = text.trim();
            let flag = wants(|s| matches!(s, Shape::Flag));
            match text.to_ascii_lowercase().as_str() {
                "yes" | "true" | "on" if flag => return Some("true, without quotes".into()),
                "no" | "false" | "off" if flag => return Some("false, without quotes".into()),
                _ => {}
            }
            let number = wants(|s| matches!(s, Shape::Integer { .. } | Shape::Number { .. }));
            let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
            if number && is_number {
                return Some(format!("{text}, without quotes"));
            }
            wants(|s| matches!(s, Shape::Array(_))).then(|| format!("it in brackets: [{text:?}]"))
        }
        Tree::Leaf(value @ (toml::Value::Integer(_) | toml::Value::Float(_))) => {
            let texts = allowed.iter().find_map(|shape| match shape {
                Shape::Text(form) => Some(form.unwrap_or_default()),
                _ => None,
            });
            texts.map(|form| match form.contains("time") {
                true => format!("it in quotes and with its unit: \"{value}s\""),
                false => format!("it in quotes: \"{value}\""),
            })
        }
        Tree::Leaf(toml::Value::Datetime(date)) => {
            wants(|s| matches!(s, Shape::Text(_))).then(|| format!("it in quotes: \"{date}\""))
        }
        _ => None,
    }
}

fn word(node: &Node, text: &str, allowed: &[Shape], path: &str) -> Result<(), PolicyError> {
    if allowed.iter().any(|s| matches!(s, Shape::Text(_))) {
        return Ok(());
    }
    let words: Vec<&str> = allowed
        .iter()
        .filter_map(|shape| match shape {
            Shape::Word(words) => Some(words.iter().copied()),
            _ => None,
        })
        .flatten()
        .collect();
    if words.contains(&text) {
        return Ok(());
    }
    // A number in quotes where "auto" is the only word.
    if rewritten(node, allowed).is_some() {
        return Err(wrong_type(node, path, allowed));
    }
    let mut wants: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    let rest = allowed.iter().filter(|s| !matches!(s, Shape::Word(_)));
    wants.extend(rest.map(Shape::describe));
    let error = PolicyError::new(format!("{path} is {text:?}, wants {}", either(&wants)))
        .at_value(&node.at);
    Err(match nearest(text, &words) {
        Some(near) => error.help(format!("did you mean {near:?}?")),
        None => error,
    })
}

/// `a, b or c`.
fn either(words: &[String]) -> String {
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn in_range(
    node: &Node,
    number: &toml::Value,
    fits: &[&Shape],
    path: &str,
) -> Result<(), PolicyError> {
    let outside = |min: String, max: String| {
        let what = format!("{path} is {number}, which is out of range");
        PolicyError::new(what)
            .at_value(&node.at)
            .help(format!("it goes from {min} to {max}"))
    };
    for shape in fits {
        match (shape, number) {
            (Shape::Integer { min, max }, toml::Value::Integer(n)) if n < min || n > max => {
                return Err(outside(min.to_string(), max.to_string()));
            }
            (Shape::Number { min, max }, _) => {
                let n = match number {
                    #[expect(clippy::cast_precision_loss, reason = "a bound is small")]
                    toml::Value::Integer(n) => *n as f64,
                    toml::Value::Float(n) => *n,
                    _ => continue,
                };
                // Written so that NaN is outside.
                if !(n >= *min && n <= *max) {
                    return Err(outside(min.to_string(), max.to_string()));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
