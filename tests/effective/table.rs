//! The tables of `data/directives/` held against the servers that they describe. `REDIS_HARDEN_BLESS=1` writes them anew.
//!
//! A server is asked for all of it: names and defaults by `CONFIG GET`, those that it hides by trying every word in its binary, and the
//! kind and range of each by what it answers to a value that is none. Such a server never starts: the port after the value is none either.

use crate::server::{Program, Server, programs};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Read by code of their own: lists, and values that are no plain text.
const SPECIAL: [&str; 9] = [
    "bind",
    "client-output-buffer-limit",
    "dir",
    "latency-tracking-info-percentiles",
    "notify-keyspace-events",
    "oom-score-adj-values",
    "rdma-bind",
    "replicaof",
    "save",
];

/// Words of today's names, and of the older ones that the servers still take for them.
const OLDER: [(&str, &str); 9] = [
    ("replica", "slave"),
    ("listpack", "ziplist"),
    ("primary", "master"),
    ("-", "_"),
    ("busy-reply-threshold", "lua-time-limit"),
    ("commandlog-slow-execution-max-len", "slowlog-max-len"),
    (
        "commandlog-execution-slower-than",
        "slowlog-log-slower-than",
    ),
    ("replicas", "slaves"),
    ("lua-enable-insecure-api", "lua-enable-deprecated-api"),
];

/// How servers refuse a text that is not one of theirs.
const OF_TEXTS: [&str; 4] = [
    "Announced human node name contained",
    "Hostnames may only contain",
    "Invalid IPv",
    "template format is invalid",
];

/// What a server has without a file where it differs from machine to machine, or because we gave it a socket and no port.
const DEFAULTS: [(&str, &str); 3] = [("dir", ""), ("port", "6379"), ("unixsocket", "")];

#[test]
fn the_tables_are_what_the_servers_say() {
    for program in programs() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("data/directives")
            .join(program.version.file());
        let now = table(&program);
        if std::env::var_os("REDIS_HARDEN_BLESS").is_some() {
            fs::write(&path, &now).unwrap();
        }
        let recorded = fs::read_to_string(&path).unwrap();
        let diff = similar::TextDiff::from_lines(&recorded, &now);
        let diff = diff.unified_diff().context_radius(0).to_string();
        assert!(diff.is_empty(), "{}\n{diff}", path.display());
    }
}

fn table(program: &Program) -> String {
    let mut server = Server::start(program, &[]).unwrap();
    let told: BTreeMap<String, Vec<u8>> = server.config(&["*"]).into_iter().collect();
    let hidden = hidden(program, &mut server, &told);
    let names: BTreeSet<&String> = told.keys().chain(hidden.keys()).collect();
    let aliases = aliases(program, &names);
    let mut kinds: BTreeMap<&str, String> = BTreeMap::new();
    for name in names.iter().filter(|n| !aliases.contains_key(n.as_str())) {
        kinds.insert(name, kind(program, name));
    }
    merge_synonyms(program, &mut kinds);
    let mut text = format!(
        "# The directives of {}: name, kind and default; an older name is followed by = and today's.\n\
         # Asked of the server by tests/effective/table.rs; REDIS_HARDEN_BLESS=1 tests/full effective writes it anew.\n",
        program.version
    );
    for name in names {
        match (aliases.get(name.as_str()), kinds.get(name.as_str())) {
            (Some(today), _) => writeln!(text, "{name} ={today}").unwrap(),
            (None, Some(kind)) => {
                let value = told.get(name).or(hidden.get(name)).unwrap();
                let fixed = DEFAULTS.iter().find(|(n, _)| n == name);
                let default = fixed.map_or(String::from_utf8_lossy(value), |(_, d)| (*d).into());
                let line = format!("{name} {kind} {default}");
                writeln!(text, "{}", line.trim_end()).unwrap();
            }
            (None, None) => unreachable!("{name} has neither"),
        }
    }
    text
}

/// Directives that `*` does not show: whatever word of the binary it knows by name.
fn hidden(
    program: &Program,
    server: &mut Server,
    told: &BTreeMap<String, Vec<u8>>,
) -> BTreeMap<String, Vec<u8>> {
    let binary = fs::read(program.binary()).unwrap();
    let of_name = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    let words: BTreeSet<&str> = binary
        .split(|b| *b == 0)
        .filter(|w| (2..64).contains(&w.len()) && w.iter().all(of_name))
        .map(|w| std::str::from_utf8(w).unwrap())
        .collect();
    let words: Vec<&str> = words.into_iter().collect();
    let found = words.chunks(500).flat_map(|some| server.config(some));
    found.filter(|(name, _)| !told.contains_key(name)).collect()
}

/// Older names by today's, each proved: what the older one sets, the newer one shows.
fn aliases<'a>(program: &Program, names: &BTreeSet<&'a String>) -> BTreeMap<&'a str, &'a str> {
    let mut found = BTreeMap::new();
    for (new, old) in OLDER {
        for today in names {
            let older = today.replace(new, old);
            let Some(older) = names.get(&older).filter(|o| *o != today) else {
                continue;
            };
            found.insert(older.as_str(), today.as_str());
        }
    }
    for (older, today) in &found {
        let proof = ["7", "no", "yes", "127.0.0.1 7"].iter().any(|value| {
            let option = format!("--{older}");
            let args: [&[u8]; 2] = [option.as_bytes(), value.as_bytes()];
            Server::start(program, &args).is_ok_and(|mut server| {
                let told = server.config(&[older, today]);
                told.len() == 2 && told.iter().all(|(_, v)| v == value.as_bytes())
            })
        });
        assert!(proof, "{older} is not {today}");
    }
    found
}

fn kind(program: &Program, name: &str) -> String {
    if SPECIAL.contains(&name) {
        return "special".to_owned();
    }
    let answer = refusal(program, name, &["@"]);
    let between = |value: &str| range(&refusal(program, name, &[value])).unwrap_or_default();
    match answer.as_str() {
        "" => text_kind(program, name),
        "argument must be 'yes' or 'no'" => "bool".to_owned(),
        "argument couldn't be parsed into an integer" => {
            let bounds = between("9223372036854775807");
            let bounds = if bounds.is_empty() {
                between("-9223372036854775808")
            } else {
                bounds
            };
            match bounds.is_empty() {
                true => format!("int:{}..{}", i64::MIN, i64::MAX),
                false => format!("int:{bounds}"),
            }
        }
        "argument couldn't be parsed as an octal number" => format!("octal:{}", between("777777")),
        "argument must be a memory value" => match between("18446744073709551615") {
            none if none.is_empty() => "memory:0..18446744073709551615".to_owned(),
            bounds => format!("memory:{bounds}"),
        },
        "argument must be a memory or percent value" => "percent".to_owned(),
        other => match other.strip_prefix("argument(s) must be one of the following: ") {
            Some(values) => {
                let first = values.split(", ").next().unwrap();
                let many = refusal(program, name, &[first, first]).is_empty();
                let kind = if many { "flags" } else { "enum" };
                format!("{kind}:{}", values.replace(", ", "|"))
            }
            None if OF_TEXTS.iter().any(|words| other.starts_with(words)) => "text".to_owned(),
            None => panic!("{name}: {other}"),
        },
    }
}

/// `text`, and what the server wants of it.
fn text_kind(program: &Program, name: &str) -> String {
    let is_refused = |value, why| refusal(program, name, &[value]).contains(why);
    let wants = [
        ("name", is_refused("a/b", "can't be a path")),
        ("nonempty", is_refused("", "can't be empty")),
    ];
    let wants: Vec<&str> = wants.iter().filter(|(_, w)| *w).map(|(n, _)| *n).collect();
    match wants.is_empty() {
        true => "text".to_owned(),
        false => format!("text:{}", wants.join(",")),
    }
}

/// Why the server refuses the value; nothing when it takes it, and refuses the port that follows.
fn refusal(program: &Program, name: &str, values: &[&str]) -> String {
    let (dir, inside) = program.dir();
    let option = format!("--{name}");
    let mut args: Vec<&[u8]> = vec![option.as_bytes()];
    args.extend(values.iter().map(|v| v.as_bytes()));
    args.extend([b"--port".as_slice(), b"none"]);
    let log = dir.path().join("log");
    program.spawn(&inside, &args, &log).wait().unwrap();
    let words = fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = words.lines().collect();
    let at = lines.iter().position(|l| l.starts_with(">>> ")).unwrap();
    if lines[at].starts_with(">>> 'port ") && name != "port" {
        return String::new();
    }
    lines[at + 1].to_owned()
}

/// `LOW..HIGH` of "argument must be between LOW and HIGH inclusive".
fn range(words: &str) -> Option<String> {
    let (low, high) = words
        .strip_prefix("argument must be between ")?
        .strip_suffix(" inclusive")?
        .split_once(" and ")?;
    Some(format!("{low}..{high}"))
}

/// Words that a server shows by another one are written after it: `yes,relative`.
fn merge_synonyms(program: &Program, kinds: &mut BTreeMap<&str, String>) {
    let lists: Vec<(&str, Vec<String>)> = kinds
        .iter()
        .filter_map(|(name, kind)| {
            let (_, values) = kind.split_once(':').filter(|(k, _)| *k == "enum")?;
            Some((*name, values.split('|').map(str::to_owned).collect()))
        })
        .collect();
    let longest = lists.iter().map(|(_, l)| l.len()).max().unwrap();
    let mut shown: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for round in 0..longest {
        let mut args: Vec<String> = Vec::new();
        for (name, values) in &lists {
            args.extend([format!("--{name}"), values[round % values.len()].clone()]);
        }
        let args: Vec<&[u8]> = args.iter().map(String::as_bytes).collect();
        let mut server = Server::start(program, &args).unwrap();
        for (name, _) in lists.iter().filter(|(_, v)| round < v.len()) {
            let value = String::from_utf8(server.config(&[name]).remove(0).1).unwrap();
            shown.entry(name).or_default().push(value);
        }
    }
    for (name, values) in lists {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for (value, shown) in values.into_iter().zip(&shown[name]) {
            match groups.iter_mut().find(|(s, _)| s == shown) {
                Some((_, words)) => words.push(value),
                None => groups.push((shown.clone(), vec![value])),
            }
        }
        let groups: Vec<String> = groups
            .into_iter()
            .map(|(_, words)| words.join(","))
            .collect();
        kinds.insert(name, format!("enum:{}", groups.join("|")));
    }
}
