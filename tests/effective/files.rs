//! Random configurations: a main file, what it includes, and options of the command line.

use crate::values::{self, Words};
use proptest::prelude::*;
use redis_harden::redis::effective::table::{Directive, Table};
use redis_harden::redis::effective::words::{quote, text};

/// Files of `include.d`, which a glob finds in this order; each may include those after it.
pub const INCLUDED: [&str; 3] = ["a.conf", "b.conf", "c.txt"];

/// What a server is started on.
#[derive(Clone)]
pub struct Configuration {
    pub main: Vec<u8>,
    /// One of each of `INCLUDED`.
    pub included: Vec<Vec<u8>>,
    pub options: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Configuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let options = self.options.iter().map(|o| text(o));
        let options: Vec<String> = options.collect();
        write!(f, "options {options:?}\nmain.conf:\n{}", text(&self.main))?;
        for (name, content) in INCLUDED.iter().zip(&self.included) {
            write!(f, "\n{name}:\n{}", text(content))?;
        }
        Ok(())
    }
}

/// A line of a file.
#[derive(Clone, Debug)]
enum Line {
    Directive(Vec<u8>),
    Include(usize),
    Comment(&'static str),
    Other(&'static str),
}

/// Any configuration of a version; the files are in `dir`. One in eight has a fault.
pub fn configuration(table: &'static Table, dir: String) -> impl Strategy<Value = Configuration> {
    let lines = |table: &'static Table, most| prop::collection::vec(line(table), 0..most);
    let included = prop::collection::vec(lines(table, 8), INCLUDED.len());
    let option = option(table);
    let fault = prop::option::weighted(0.125, (fault(table), any::<prop::sample::Index>()));
    let ends = prop::collection::vec(any::<bool>(), INCLUDED.len());
    (
        lines(table, 40),
        included,
        prop::collection::vec(option, 0..3),
        fault,
        ends,
    )
        .prop_map(move |(mut main, included, options, fault, ends)| {
            if let Some((line, at)) = fault {
                main.insert(at.index(main.len() + 1), line);
            }
            // Without it a random password would keep us out.
            main.insert(0, Line::Other("user probe on nopass ~* &* +@all"));
            let file = |lines: &[Line], from, end: bool| {
                let mut file = lines
                    .iter()
                    .map(|l| bytes(l, from, &dir))
                    .collect::<Vec<_>>()
                    .join(&b'\n');
                if end || from == INCLUDED.len() {
                    file.push(b'\n');
                }
                file
            };
            let included: Vec<Vec<u8>> = included
                .iter()
                .zip(ends)
                .enumerate()
                .map(|(at, (lines, end))| file(lines, at + 1, end))
                .collect();
            Configuration {
                main: file(&main, 0, true),
                included,
                options: options.concat(),
            }
        })
}

/// A line's text, in the main file (0) or in an included one.
fn bytes(line: &Line, from: usize, dir: &str) -> Vec<u8> {
    match line {
        Line::Directive(text) => text.clone(),
        Line::Comment(text) | Line::Other(text) => text.as_bytes().to_vec(),
        Line::Include(which) => {
            let mut ways = vec![
                format!("include {dir}/nothing*.conf"),
                format!("include {dir}/include.d/[x-z]*"),
            ];
            for name in &INCLUDED[from.min(INCLUDED.len())..] {
                ways.push(format!("include {dir}/include.d/{name}"));
                ways.push(format!("InClude \"{dir}/include.d/{name}\""));
            }
            if from == 0 {
                ways.push(format!("include {dir}/include.d/*.conf"));
                ways.push(format!("include {dir}/include.?/[a-c].*"));
            }
            ways[which % ways.len()].clone().into_bytes()
        }
    }
}

fn line(table: &'static Table) -> BoxedStrategy<Line> {
    let comments = ["", "  ", "# port 7", "\t#x \"", "#"];
    let others = [
        "rename-command FLUSHALL \"\"",
        "lua-replicate-commands yes",
        "list-max-ziplist-value 64",
    ];
    prop_oneof![
        20 => directive(table, values::of),
        2 => any::<usize>().prop_map(Line::Include),
        2 => prop::sample::select(comments.to_vec()).prop_map(Line::Comment),
        1 => prop::sample::select(others[1..].to_vec()).prop_map(Line::Other),
    ]
    .boxed()
}

/// A line that Redis refuses.
fn fault(table: &'static Table) -> BoxedStrategy<Line> {
    let faults = [
        "no-such-directive yes",
        "maxmemory",
        "maxmemory-policy allkeys-lru # evict",
        "appendfsync \"always",
        "appendfsync 'always'x",
        "include /nonexistent.conf",
        "sentinel monitor a 127.0.0.1 6379 2",
        "rename-command CONFIG",
        "module.setting yes",
        "include",
    ];
    prop_oneof![
        1 => prop::sample::select(faults.to_vec()).prop_map(Line::Other),
        2 => directive(table, values::wrong),
    ]
    .boxed()
}

/// A directive by any of its names, in any case, with its words quoted in any way.
fn directive(
    table: &'static Table,
    of: fn(Directive) -> Option<BoxedStrategy<Words>>,
) -> BoxedStrategy<Line> {
    let (names, known) = (names(table, of), table);
    prop::sample::select(names)
        .prop_flat_map(move |name| {
            let words = of(known.directive(name).unwrap()).unwrap();
            (words, prop::collection::vec(any::<u8>(), 24))
                .prop_map(move |(words, dice)| Line::Directive(written(name, &words, &dice)))
        })
        .boxed()
}

fn option(table: &'static Table) -> BoxedStrategy<Words> {
    let (names, table) = (names(table, values::of), table);
    prop::sample::select(names)
        .prop_flat_map(move |name| {
            let words = values::of(table.directive(name).unwrap()).unwrap();
            words.prop_map(move |words| {
                let mut option = vec![format!("--{name}").into_bytes()];
                option.extend(words);
                option
            })
        })
        .boxed()
}

fn names(table: &Table, of: fn(Directive) -> Option<BoxedStrategy<Words>>) -> Vec<&'static str> {
    let names = table.names().into_iter();
    names
        .filter(|n| of(table.directive(n).unwrap()).is_some())
        .collect()
}

/// The line, as the dice have it.
fn written(name: &str, words: &Words, dice: &[u8]) -> Vec<u8> {
    let mut dice = dice.iter().copied().cycle();
    let mut roll = move || dice.next().unwrap();
    let mut line: Vec<u8> = [b"".as_slice(), b" ", b"\t "][usize::from(roll() % 3)].to_vec();
    line.extend(name.bytes().map(|b| {
        if roll() % 4 == 0 {
            b.to_ascii_uppercase()
        } else {
            b
        }
    }));
    for word in words {
        line.extend([b" ".as_slice(), b"  ", b"\t"][usize::from(roll() % 3)]);
        line.extend(written_word(word, roll()));
    }
    line.extend([b"".as_slice(), b" ", b"\r"][usize::from(roll() % 3)]);
    line
}

fn written_word(word: &[u8], dice: u8) -> Vec<u8> {
    let bare = !word.is_empty()
        && word
            .iter()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\''));
    let single = word
        .iter()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'\'' | b'\\') || *b == b' ');
    match dice % 4 {
        0 if single => [b"'", word, b"'"].concat(),
        1 => {
            let hex: String = word.iter().map(|b| format!("\\x{b:02X}")).collect();
            format!("\"{hex}\"").into_bytes()
        }
        2 | 3 if bare => word.to_vec(),
        _ => quote(word),
    }
}
