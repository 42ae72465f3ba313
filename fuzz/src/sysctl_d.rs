//! A file in sysctl.d. Our key is set in it whatever it says; a second time changes nothing, and every other key keeps its value.

use redis_harden::setting::sysctl_d::text::{Says, by_procps, by_systemd, lines, with};

const KEY: &str = "vm.overcommit_memory";

/// What a line assigns, or nothing if it excludes.
#[derive(Clone, Debug, PartialEq)]
struct Said(Option<String>);

impl Says for Said {
    fn value(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

pub fn holds(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let before = read(&text);
    assert!(before.len() <= text.lines().count());
    let set = with(&text, KEY, "1");
    let after = read(&set);
    assert_eq!(with(&set, KEY, "1"), set, "the second time");
    assert_eq!(left(&after, KEY), [Some("1"); 2]);
    for key in keys(&before) {
        if key != KEY {
            assert_eq!(left(&after, &key), left(&before, &key), "{key:?}\n{set}");
        }
    }
}

/// What each applier leaves.
fn left<'a>(lines: &'a [(String, Said)], key: &str) -> [Option<&'a str>; 2] {
    [by_systemd(lines, key), by_procps(lines, key)].map(|line| line.and_then(Says::value))
}

/// Some keys of which a file speaks: what stands there, and what two of its globs both stand for.
fn keys(lines: &[(String, Said)]) -> Vec<String> {
    // Each glob is compiled for each key.
    let names: Vec<&str> = lines
        .iter()
        .map(|(name, _)| name.as_str())
        .take(6)
        .collect();
    let pairs = names.iter().zip(names.iter().skip(1));
    let both = pairs.map(|(one, other)| meant(one, other));
    both.chain(names.iter().map(|name| (*name).to_owned()))
        .collect()
}

/// A key that two globs may stand for: the plain parts of the one, and for others those of the other.
fn meant(one: &str, other: &str) -> String {
    let is_glob = |part: &str| part.contains(['*', '?']);
    let mut others = other.split('.');
    let parts = one.split('.').map(|part| {
        let other = others.next().unwrap_or("a");
        if is_glob(part) { other } else { part }
    });
    let key = parts.collect::<Vec<_>>().join(".");
    key.replace(['*', '?'], "a")
}

fn read(text: &str) -> Vec<(String, Said)> {
    lines(text)
        .map(|line| (line.name, Said(line.value)))
        .collect()
}
