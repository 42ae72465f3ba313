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

/// Only the last star ever has to take more: what is before it has matched.
fn rest_matches<'a>(mut pattern: &'a [char], mut name: &'a [char]) -> bool {
    let mut star: Option<(&'a [char], &'a [char])> = None;
    loop {
        if let ['*', rest @ ..] = pattern {
            (pattern, star) = (rest, Some((rest, name)));
        } else if pattern.is_empty() && name.is_empty() {
            return true;
        } else if let Some(next) = one_matches(pattern, name) {
            (pattern, name) = next;
        } else if let Some((after, [_, more @ ..])) = star {
            (pattern, name, star) = (after, more, Some((after, more)));
        } else {
            return false;
        }
    }
}

/// What is left of both when the pattern's first element takes the name's first character.
fn one_matches<'a>(pattern: &'a [char], name: &'a [char]) -> Option<(&'a [char], &'a [char])> {
    let (c, name) = name.split_first()?;
    let (first, rest) = pattern.split_first()?;
    let (matches, rest) = match (first, set(rest)) {
        ('?', _) => (true, rest),
        ('[', Some((holds, rest))) => (holds(*c), rest),
        // A bracket that is not closed is one.
        ('\\', _) => (rest.first() == Some(c), rest.get(1..)?),
        _ => (first == c, rest),
    };
    matches.then_some((rest, name))
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
