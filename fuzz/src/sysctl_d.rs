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
    for key in before
        .iter()
        .flat_map(|(name, _)| [name.clone(), meant(name)])
    {
        if key != KEY {
            assert_eq!(last(&after, &key), last(&before, &key), "{key:?}\n{set}");
        }
    }
}

fn read(text: &str) -> Vec<(String, String)> {
    let lines = assignments(text);
    lines.map(|(_, key, value)| (key, value)).collect()
}

/// A key that a glob may stand for.
fn meant(glob: &str) -> String {
    glob.replace(['*', '?'], "a")
}
