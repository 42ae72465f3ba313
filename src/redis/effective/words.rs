//! Words of a configuration line, split and quoted as Redis does it, byte for byte. Source: `sdssplitargs` and `sdscatrepr` in sds.c.

/// Splits a line; `None` for unbalanced quotes, which Redis refuses to start on.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = Rest(line);
    let mut words = Vec::new();
    loop {
        while rest.peek().is_some_and(is_space) {
            rest.next();
        }
        if rest.peek().is_none() {
            return Some(words);
        }
        words.push(word(&mut rest)?);
    }
}

/// A word in double quotes that `split` reads back.
pub fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in word {
        match byte {
            b'\\' | b'"' => quoted.extend([b'\\', *byte]),
            b'\n' => quoted.extend(b"\\n"),
            b'\r' => quoted.extend(b"\\r"),
            b'\t' => quoted.extend(b"\\t"),
            7 => quoted.extend(b"\\a"),
            8 => quoted.extend(b"\\b"),
            0x20..=0x7e => quoted.push(*byte),
            other => quoted.extend(format!("\\x{other:02x}").as_bytes()),
        }
    }
    quoted.push(b'"');
    quoted
}

/// Bytes as text: what is no UTF-8 is shown as `\xHH`, so that two different values never look the same.
pub fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// `isspace(3)` in the C locale, which has the vertical tab that Rust's ASCII white space lacks.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn peek_at(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
}

fn word(rest: &mut Rest) -> Option<Vec<u8>> {
    let mut word = Vec::new();
    loop {
        match rest.next() {
            // Only these end a word; the other white space is part of it.
            None | Some(b' ' | b'\n' | b'\r' | b'\t') => return Some(word),
            Some(quote @ (b'"' | b'\'')) => {
                inside(rest, quote, &mut word)?;
                // A closing quote must be followed by white space or the end.
                return rest.peek().is_none_or(is_space).then_some(word);
            }
            Some(byte) => word.push(byte),
        }
    }
}

fn inside(rest: &mut Rest, quote: u8, word: &mut Vec<u8>) -> Option<()> {
    loop {
        match rest.next()? {
            byte if byte == quote => return Some(()),
            b'\\' if quote == b'"' => word.push(escaped(rest)?),
            b'\\' if rest.peek() == Some(b'\'') => word.extend(rest.next()),
            byte => word.push(byte),
        }
    }
}

fn escaped(rest: &mut Rest) -> Option<u8> {
    let hex = |byte: Option<u8>| char::from(byte?).to_digit(16);
    if rest.peek() == Some(b'x')
        && let (Some(high), Some(low)) = (hex(rest.peek_at(1)), hex(rest.peek_at(2)))
    {
        rest.0 = rest.0.get(3..)?;
        return u8::try_from(high * 16 + low).ok();
    }
    Some(match rest.next()? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_splits_as_redis_splits_it() {
        let table: [(&[u8], &[&[u8]]); 8] = [
            (
                b"Testing one two three",
                &[b"Testing", b"one", b"two", b"three"],
            ),
            (b"\"a\\x41\\n\" 'b\\'c'", &[b"aA\n", b"b'c"]),
            (b"\"\" x", &[b"", b"x"]),
            (b"", &[]),
            (b"a\"b c\"", &[b"ab c"]),
            (b"\"\\xzz\"", &[b"xzz"]),
            (b"'\\n'", &[b"\\n"]),
            (b"a\x0bb \x0bc", &[b"a\x0bb", b"c"]),
        ];
        for (line, words) in table {
            let expected: Vec<Vec<u8>> = words.iter().map(|w| w.to_vec()).collect();
            assert_eq!(split(line), Some(expected), "{}", text(line));
        }
        for unbalanced in [b"\"open".as_slice(), b"\"a\"b", b"'a", b"\"\\"] {
            assert_eq!(split(unbalanced), None, "{}", text(unbalanced));
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_reads_back_the_same(word in prop::collection::vec(any::<u8>(), 0..20)) {
            prop_assert_eq!(split(&quote(&word)), Some(vec![word]));
        }
    }
}
