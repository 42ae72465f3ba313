//! Text in XML and HTML: escaped, and without the characters that XML 1.0 has no way to write.

use std::fmt::{self, Display, Write};

/// A value as text or as a quoted attribute of XML or HTML.
pub struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaper(f), "{}", self.0)
    }
}

struct Escaper<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            '&' => self.0.write_str("&amp;"),
            '<' => self.0.write_str("&lt;"),
            '>' => self.0.write_str("&gt;"),
            '"' => self.0.write_str("&quot;"),
            '\'' => self.0.write_str("&#39;"),
            // Not as a reference either. Source: XML 1.0, production 2.
            c if is_unwritable(c) => self.0.write_char('\u{fffd}'),
            c => self.0.write_char(c),
        })
    }
}

fn is_unwritable(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_text_or_attribute() {
        let hostile = "</p><script>alert('\"&')</script>\u{0}\u{1b}[31m\t\n";
        assert_eq!(
            Escaped(hostile).to_string(),
            "&lt;/p&gt;&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;\u{fffd}\u{fffd}[31m\t\n"
        );
    }
}
