//! A file in sysctl.d. Our key is set in it whatever it says; a second time changes nothing, and every other key keeps its value.

use redis_harden::setting::sysctl_d::text::{assignments, last, with};

const KEY: &str = "vm.overcommit_memory";

pub fn holds(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let before = read(&text);
    assert!(before.len() <= text.lines().count());
    let set = with(&text, KEY, "1");
    let after = read(&set);
    assert_eq!(with(&set, KEY, "1"), set, "the second time");
    assert_eq!(last(&after, KEY).map(String::as_str), Some("1"));
    for key in keys(&before) {
        if key != KEY {
            assert_eq!(last(&after, &key), last(&before, &key), "{key:?}\n{set}");
        }
    }
}

/// Some keys of which a file speaks: what stands there, and what two of its globs both stand for.
fn keys(lines: &[(String, String)]) -> Vec<String> {
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

fn read(text: &str) -> Vec<(String, String)> {
    let lines = assignments(text);
    lines.map(|(_, key, value)| (key, value)).collect()
}
