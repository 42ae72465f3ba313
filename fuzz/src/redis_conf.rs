//! redis.conf. A line's words read back from their quotes, and whatever a file says can be judged for every version, on a host
//! that has nothing for it to include, in bounded space and without a password in what is said of it.

use redis_harden::host::{Host, Reach};
use redis_harden::redis::config;
use redis_harden::redis::effective::table::{Table, Version};
use redis_harden::redis::effective::{Effective, is_secret, load_text, words};
use std::sync::LazyLock;

/// Its directory is gone as soon as it is open: nothing can be found in it.
static BARE: LazyLock<Host> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a temporary directory");
    Host::at(dir.path(), Reach::FilesOnly("fuzzed".into())).expect("a directory")
});

pub fn holds(input: &[u8]) {
    for line in input.split(|byte| *byte == b'\n') {
        read_back(line);
    }
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let directives = config::parse(text);
    assert!(directives.len() <= text.split('\n').count());
    for version in Version::ALL {
        if let Ok(effective) = load_text(&BARE, Table::of(version), text, "fuzz.conf") {
            judged(&effective, &directives);
        }
    }
}

fn read_back(line: &[u8]) {
    let Some(words) = words::split(line) else {
        return;
    };
    let quoted: Vec<Vec<u8>> = words.iter().map(|word| words::quote(word)).collect();
    assert_eq!(words::split(&quoted.join(&b' ')), Some(words));
}

/// Every value is some line's, and every fault; a fault never repeats a secret.
fn judged(effective: &Effective, directives: &[(String, Vec<String>)]) {
    assert!(effective.values.len() <= directives.len());
    let secrets = directives.iter().filter(|(name, _)| is_secret(name));
    for secret in secrets.flat_map(|(_, arguments)| arguments) {
        // Shorter ones are part of any sentence.
        let told = |why: &str| secret.len() > 12 && why.contains(secret.as_str());
        for fault in &effective.faults {
            assert!(!told(&fault.why), "{} tells {secret:?}", fault.why);
        }
    }
}
