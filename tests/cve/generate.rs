//! `src/cve/rows.rs` is made of `data/cve.toml` here: `REDIS_HARDEN_BLESS=1` writes it, every other run compares.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    generated: String,
    sources: Vec<String>,
    branch: Vec<Branch>,
    suite: Vec<Suite>,
    cve: Vec<Cve>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Branch {
    flavour: String,
    name: String,
    ends: Option<String>,
    last: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    name: String,
    release: Option<u32>,
    ends: Option<String>,
    flavours: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cve {
    ids: Vec<String>,
    title: String,
    severity: String,
    #[serde(default)]
    needs: Vec<String>,
    redis: Option<BTreeMap<String, String>>,
    valkey: Option<BTreeMap<String, String>>,
    debian: BTreeMap<String, String>,
    source: String,
}

#[test]
fn the_rows_are_those_of_the_data() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let table: Table = toml::from_str(&read("data/cve.toml")).unwrap();
    assert!(!table.sources.is_empty());
    let rows = rust(&table);
    if std::env::var_os("REDIS_HARDEN_BLESS").is_some() {
        std::fs::write(root.join("src/cve/rows.rs"), &rows).unwrap();
    }
    assert_eq!(
        read("src/cve/rows.rs"),
        rows,
        "REDIS_HARDEN_BLESS=1 cargo test --test cve writes it, and the next build has it"
    );
}

fn rust(table: &Table) -> String {
    let mut text = String::from(
        "//! Made of `data/cve.toml` by `REDIS_HARDEN_BLESS=1 cargo test --test cve`: edit that, not this.\n\n\
         use super::table::{Branch, Cell::*, Cve, Flavour::*, Need::*, Suite, Table};\n\
         use crate::control::Severity;\n\
         use jiff::civil::date;\n\n\
         /// What `data/cve.toml` says.\n\
         #[rustfmt::skip]\n\
         pub const TABLE: Table = Table {\n",
    );
    let _ = writeln!(text, "    generated: {},", date(&table.generated));
    text.push_str("    branches: &[\n");
    for b in &table.branch {
        let (flavour, ends, last) = (camel(&b.flavour), b.ends.as_deref().map(date), &b.last);
        let ends = option(ends);
        let name = &b.name;
        let _ = writeln!(
            text,
            "        Branch {{ flavour: {flavour}, name: {name:?}, ends: {ends}, last: {last:?} }},"
        );
    }
    text.push_str("    ],\n    suites: &[\n");
    for s in &table.suite {
        let (name, release) = (&s.name, s.release);
        let (ends, flavours) = (
            option(s.ends.as_deref().map(date)),
            list(&s.flavours, camel),
        );
        let _ = writeln!(
            text,
            "        Suite {{ name: {name:?}, release: {release:?}, ends: {ends}, flavours: {flavours} }},"
        );
    }
    text.push_str("    ],\n    cves: &[\n");
    for cve in &table.cve {
        assert!(!cve.source.is_empty(), "{:?}: where from?", cve.ids);
        let _ = writeln!(
            text,
            "        Cve {{ ids: &{:?}, title: {:?}, severity: Severity::{}, needs: {},\n            redis: {},\n            valkey: {},\n            debian: {} }},",
            cve.ids,
            cve.title,
            camel(&cve.severity),
            list(&cve.needs, need),
            option(cve.redis.as_ref().map(cells)),
            option(cve.valkey.as_ref().map(cells)),
            cells(&cve.debian),
        );
    }
    text.push_str("    ],\n};\n");
    text
}

/// A day as jiff writes one in Rust. It must be one.
fn date(day: &str) -> String {
    let day: jiff::civil::Date = day.parse().unwrap();
    format!("date({}, {}, {})", day.year(), day.month(), day.day())
}

fn cells(cells: &BTreeMap<String, String>) -> String {
    let cell = |(column, text): (&String, &String)| match text.as_str() {
        "none" => format!("({column:?}, Open)"),
        "unaffected" => format!("({column:?}, Unaffected)"),
        "unknown" => format!("({column:?}, Unknown)"),
        version => {
            let is_one = version.starts_with(|c: char| c.is_ascii_digit());
            assert!(is_one, "{version:?} is no version and none of the words");
            format!("({column:?}, Mended({version:?}))")
        }
    };
    let all: Vec<String> = cells.iter().map(cell).collect();
    format!("&[{}]", all.join(", "))
}

fn need(word: &str) -> String {
    match word {
        "32-bit" => "Bits32".into(),
        word => camel(word),
    }
}

/// `replica-writable` → `ReplicaWritable`. That there is such a variant, the compiler says.
fn camel(word: &str) -> String {
    let part = |part: &str| {
        let (first, rest) = part.split_at(1);
        first.to_uppercase() + rest
    };
    word.split('-').map(part).collect()
}

fn list(words: &[String], of: impl Fn(&str) -> String) -> String {
    let all: Vec<String> = words.iter().map(|w| of(w)).collect();
    format!("&[{}]", all.join(", "))
}

fn option(text: Option<String>) -> String {
    text.map_or("None".into(), |text| format!("Some({text})"))
}
