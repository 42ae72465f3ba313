//! File name patterns as `glob(3)` takes them without flags: `*`, `?`, `[…]` and backslash; a leading dot is matched by a dot only.

/// Whether the pattern is one: Redis looks for these three characters.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Whether one component of a path matches.
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let hidden = name.first() == Some(&'.') && pattern.first() != Some(&'.');
    !hidden && rest_matches(&pattern, &name)
}

fn rest_matches(pattern: &[char], name: &[char]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return name.is_empty();
    };
    let one = name.split_first();
    match first {
        '*' => {
            let tails = (0..=name.len()).filter_map(|at| name.get(at..));
            tails.into_iter().any(|tail| rest_matches(rest, tail))
        }
        '?' => one.is_some_and(|(_, name)| rest_matches(rest, name)),
        '[' => match (set(rest), one) {
            (Some((_, _)), None) => false,
            (Some((holds, rest)), Some((c, name))) => holds(*c) && rest_matches(rest, name),
            // A bracket that is not closed is one.
            (None, _) => one.is_some_and(|(c, name)| *c == '[' && rest_matches(rest, name)),
        },
        '\\' => match (rest.split_first(), one) {
            (Some((literal, rest)), Some((c, name))) => literal == c && rest_matches(rest, name),
            _ => false,
        },
        literal => one.is_some_and(|(c, name)| c == literal && rest_matches(rest, name)),
    }
}

/// What is in a bracket, and what follows it.
fn set(pattern: &[char]) -> Option<(impl Fn(char) -> bool + '_, &[char])> {
    let (negated, pattern) = match pattern.split_first()? {
        ('!' | '^', rest) => (true, rest),
        _ => (false, pattern),
    };
    // A bracket that comes first is one of the set.
    let end = pattern.iter().skip(1).position(|c| *c == ']')? + 1;
    let (inside, rest) = (pattern.get(..end)?, pattern.get(end + 1..)?);
    let holds = move |c: char| {
        let mut inside = inside;
        let mut found = false;
        loop {
            inside = match inside {
                [low, '-', high, more @ ..] => {
                    found |= (*low..=*high).contains(&c);
                    more
                }
                [one, more @ ..] => {
                    found |= *one == c;
                    more
                }
                [] => return found != negated,
            };
        }
    };
    Some((holds, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_glob_7_says() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".a.conf", false),
            (".*", ".a", true),
            ("?.conf", "ab.conf", false),
            ("[ab]*", "b1", true),
            ("[!ab]*", "b1", false),
            ("[a-c]", "b", true),
            ("[]x]", "]", true),
            ("[x", "[x", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("*a*b", "xaxb", true),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
