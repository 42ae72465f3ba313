//! The text that Redis reads at a time, and where each line of it comes from.

/// The place of what is in no file.
pub const COMMAND_LINE: &str = "the command line";

/// Text that may be several files, which Redis joins as they are: without a line's end between them.
#[derive(Default)]
pub struct Text {
    bytes: Vec<u8>,
    /// Where each file starts.
    parts: Vec<(usize, String)>,
}

impl Text {
    /// Adds a file's content.
    pub fn push(&mut self, bytes: &[u8], name: &str) {
        self.parts.push((self.bytes.len(), name.to_owned()));
        self.bytes.extend(bytes);
    }

    /// Each line as Redis trims it, and where it begins.
    pub fn lines(&self) -> Vec<(String, &[u8])> {
        let mut lines = Vec::new();
        let (mut offset, mut number, mut part) = (0, 1, 0);
        for line in self.bytes.split(|b| *b == b'\n') {
            while let Some((start, _)) = self.parts.get(part + 1).filter(|(s, _)| *s <= offset) {
                // Of a file that does not begin on a line of its own, the first line is the last one's end.
                let before = self.bytes.get(*start..offset).unwrap_or_default();
                number = 1 + before.iter().filter(|b| **b == b'\n').count();
                part += 1;
            }
            let name = self.parts.get(part).map_or("", |(_, name)| name);
            let at = match name {
                COMMAND_LINE => name.to_owned(),
                _ => format!("{name}:{number}"),
            };
            lines.push((at, trimmed(line)));
            (offset, number) = (offset + line.len() + 1, number + 1);
        }
        lines
    }
}

/// Without the four characters that Redis trims, and no others.
fn trimmed(line: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let start = line.iter().position(|b| !blank(b)).unwrap_or(line.len());
    let end = line
        .iter()
        .rposition(|b| !blank(b))
        .map_or(start, |at| at + 1);
    line.get(start..end).unwrap_or_default()
}
