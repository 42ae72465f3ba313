//! The text of a file in sysctl.d: what it assigns, which of many assignments counts, and ours as it is written. Touches no file.

use std::collections::BTreeMap;

const HEADER: &str =
    "# Written by redis-harden; `redis-harden explain kernel.somaxconn` and its like say why.\n";

/// `key = value` lines, with their numbers: comments and broken lines are skipped as the appliers do, names dotted.
pub fn assignments(text: &str) -> impl Iterator<Item = (usize, String, String)> + '_ {
    text.lines().enumerate().filter_map(|(n, line)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            return None;
        }
        let (key, value) = line.split_once('=')?;
        let key = dotted(sysctl(key)?);
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        Some((n + 1, key, value))
    })
}

/// A name without the dash that tolerates failure. No sysctl's begins as a comment does, or with one more dash.
fn sysctl(key: &str) -> Option<&str> {
    let key = key.trim();
    let key = key.strip_prefix('-').unwrap_or(key).trim();
    (!key.is_empty() && !key.starts_with(['#', ';', '-'])).then_some(key)
}

/// Our file with a key set, and what else the one that was there assigns: globs in their order, since the last one counts.
pub fn with(text: &str, key: &str, value: &str) -> String {
    let mut globs: Vec<(String, String)> = Vec::new();
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    for (_, name, value) in assignments(text) {
        if is_glob(&name) {
            globs.retain(|(other, _)| *other != name);
            globs.push((name, value));
        } else {
            lines.insert(name, value);
        }
    }
    lines.insert(key.to_owned(), value.to_owned());
    let body: String = globs
        .into_iter()
        .chain(lines)
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect();
    format!("{HEADER}{body}")
}

/// The last exact assignment, else the last glob that matches: an exact key is exempt from globs.
pub fn last<'a, T>(all: &'a [(String, T)], key: &str) -> Option<&'a T> {
    let (mut exact, mut glob) = (None, None);
    for (name, assignment) in all {
        if name == key {
            exact = Some(assignment);
        } else if is_glob(name) && matches(name, key) {
            glob = Some(assignment);
        }
    }
    exact.or(glob)
}

fn is_glob(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

fn matches(glob: &str, key: &str) -> bool {
    let path = |name: &str| name.replace('.', "/");
    globset::GlobBuilder::new(&path(glob))
        .literal_separator(true)
        .build()
        .is_ok_and(|g| g.compile_matcher().is_match(path(key)))
}

/// The first separator decides: `net/ipv4/…` has slashes for separators, and its dots are slashes of the dotted form.
fn dotted(key: &str) -> String {
    match key.find(['.', '/']).and_then(|i| key.get(i..=i)) {
        Some("/") => key
            .chars()
            .map(|c| match c {
                '/' => '.',
                '.' => '/',
                other => other,
            })
            .collect(),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(files: &[(&str, &str)], key: &str) -> Option<String> {
        let all: Vec<(String, String)> = files
            .iter()
            .flat_map(|(file, text)| {
                assignments(text).map(move |(n, key, value)| (key, format!("{file}:{n} {value}")))
            })
            .collect();
        super::last(&all, key).cloned()
    }

    #[test]
    fn the_last_assignment_wins() {
        let files = [
            ("60-a.conf", "# x\nvm.swappiness = 60\n"),
            ("99-z.conf", "vm/swappiness=1\n"),
        ];
        assert_eq!(
            last(&files, "vm.swappiness").as_deref(),
            Some("99-z.conf:1 1")
        );
    }

    #[test]
    fn an_exact_key_is_exempt_from_a_later_glob() {
        let files = [
            ("50.conf", "net.ipv4.conf.all.rp_filter = 2"),
            ("90.conf", "net.ipv4.conf.*.rp_filter = 0"),
        ];
        assert_eq!(
            last(&files, "net.ipv4.conf.all.rp_filter").as_deref(),
            Some("50.conf:1 2")
        );
        assert_eq!(
            last(&files, "net.ipv4.conf.eth0.rp_filter").as_deref(),
            Some("90.conf:1 0")
        );
    }

    #[test]
    fn a_dash_tolerates_failure_and_is_no_part_of_the_key() {
        assert_eq!(
            last(&[("a.conf", "-vm.swappiness = 5")], "vm.swappiness").as_deref(),
            Some("a.conf:1 5")
        );
    }
}
