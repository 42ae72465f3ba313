//! The order of Debian package versions: epoch, upstream version, revision (deb-version(7)). It judges no syntax.

use std::cmp::Ordering;

/// Orders two package versions as `dpkg --compare-versions` does: `1.0~rc1` is before `1.0`, and a missing revision is `0`.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (a, b) = (Version::of(a), Version::of(b));
    compare_numbers(a.epoch, b.epoch)
        .then_with(|| compare_parts(a.upstream, b.upstream))
        .then_with(|| compare_parts(a.revision, b.revision))
}

struct Version<'a> {
    epoch: &'a str,
    upstream: &'a str,
    revision: &'a str,
}

impl<'a> Version<'a> {
    fn of(text: &'a str) -> Version<'a> {
        let text = text.trim();
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => (epoch, rest),
            _ => ("", text),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Version {
            epoch,
            upstream,
            revision,
        }
    }
}

/// Words and numbers in turn, until one differs.
fn compare_parts(mut a: &str, mut b: &str) -> Ordering {
    while !(a.is_empty() && b.is_empty()) {
        let (word_a, rest_a) = split_where(a, |c| c.is_ascii_digit());
        let (word_b, rest_b) = split_where(b, |c| c.is_ascii_digit());
        let (number_a, rest_a) = split_where(rest_a, |c| !c.is_ascii_digit());
        let (number_b, rest_b) = split_where(rest_b, |c| !c.is_ascii_digit());
        let order = compare_words(word_a, word_b).then_with(|| compare_numbers(number_a, number_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

fn split_where(text: &str, at: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(at).unwrap_or(text.len()))
}

/// Characters by rank; the shorter word goes on as if it had ends, which are after `~` and before all else.
fn compare_words(a: &str, b: &str) -> Ordering {
    let padded = |word: &str, len: usize| -> Vec<u32> {
        let ends = std::iter::repeat_n(1, len.saturating_sub(word.len()));
        word.bytes().map(rank).chain(ends).collect()
    };
    let len = a.len().max(b.len());
    padded(a, len).cmp(&padded(b, len))
}

fn rank(byte: u8) -> u32 {
    match byte {
        b'~' => 0,
        letter if letter.is_ascii_alphabetic() => u32::from(letter),
        other => u32::from(other) + 256,
    }
}

/// Numbers of any length; nothing is zero.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::compare_versions;
    use crate::host::{Host, Run};
    use proptest::prelude::*;
    use std::cmp::Ordering::{self, Equal, Greater, Less};

    #[test]
    fn versions_are_ordered_as_the_manual_says() {
        let table = [
            ("5:7.0.15-1~deb12u10", "5:7.0.15-1~deb12u9", Greater),
            ("5:7.0.15-1~deb12u10", "5:7.0.15-1", Less),
            ("5:7.0.15-1~deb12u10", "6:7.0.1-1", Less),
            ("7.0.15", "5:6.0.16-1", Less),
            ("0:1.0", "1.0", Equal),
            ("1.0", "1.0-0", Equal),
            ("1.0-1", "1.0", Greater),
            ("1.01", "1.1", Equal),
            ("1.0~~", "1.0~~a", Less),
            ("1.0~~a", "1.0~", Less),
            ("1.0~", "1.0", Less),
            ("1.0", "1.0a", Less),
            ("1.0a", "1.0+", Less),
            ("1.0+", "1.0.", Less),
            ("2.0-1-1", "2.0-1.1", Greater),
            ("1.99999999999999999999", "1.100000000000000000000", Less),
            ("7.2.10+dfsg-1", "7.2.9+dfsg-1", Greater),
        ];
        for (a, b, order) in table {
            assert_eq!(compare_versions(a, b), order, "{a} {b}");
            assert_eq!(compare_versions(b, a), order.reverse(), "{b} {a}");
        }
    }

    fn dpkg_says(host: &Host, a: &str, b: &str) -> Ordering {
        let is = |relation: &str| {
            let run = Run::new("dpkg").args(&["--compare-versions", a, relation, b]);
            host.run(&run).expect("dpkg runs").ok()
        };
        match (is("lt"), is("eq")) {
            (true, _) => Less,
            (false, true) => Equal,
            (false, false) => Greater,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn versions_are_ordered_as_dpkg_orders_them(
            a in "([0-2]:)?[0-9][0-9ab.+~-]{0,5}(-[0-9ab.+~]{1,4})?",
            b in "([0-2]:)?[0-9][0-9ab.+~-]{0,5}(-[0-9ab.+~]{1,4})?",
        ) {
            // dpkg refuses an empty revision.
            prop_assume!(!a.ends_with('-') && !b.ends_with('-'));
            let host = Host::live().expect("the root opens");
            prop_assert_eq!(compare_versions(&a, &b), dpkg_says(&host, &a, &b));
        }
    }
}
