//! A line of the log: a record with its checksum. It reads and writes text, and no file.

use super::log::Record;
use crate::host::{HostError, HostResult};
use crate::setting::secret::hex;
use sha2::{Digest, Sha256};

/// `CHECKSUM JSON`.
pub fn line(record: &Record) -> HostResult<String> {
    let json = serde_json::to_string(record)
        .map_err(|e| HostError::refused("writing the journal", e.to_string()))?;
    Ok(format!("{} {json}\n", checksum(&json)))
}

fn checksum(json: &str) -> String {
    let digest = Sha256::digest(json.as_bytes());
    hex(digest.get(..8).unwrap_or_default())
}

/// The records, and the length of the lines that hold them. A last line that is cut short or damaged was never synced, and is none:
/// what it speaks of has not begun. `Err` is the number of a damaged line before it.
pub fn parse(log: &[u8]) -> Result<(Vec<Record>, usize), usize> {
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let (mut records, mut length) = (Vec::new(), 0);
    for (n, line) in lines.iter().enumerate() {
        match record(line) {
            Some(record) => records.push(record),
            None if n + 1 == lines.len() => break,
            None => return Err(n + 1),
        }
        length += line.len();
    }
    Ok((records, length))
}

/// What a whole line says, when its checksum agrees.
fn record(line: &[u8]) -> Option<Record> {
    let text = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sum, json) = text.split_once(' ')?;
    // A record that this version does not know is damage to it.
    (sum == checksum(json)).then(|| serde_json::from_str(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_line_that_is_cut_anywhere_is_no_record() {
        let whole = line(&Record::Undone { n: 1 }).expect("json");
        for cut in 0..whole.len() {
            let log = [whole.as_bytes(), &whole.as_bytes()[..cut]].concat();
            let (records, length) = parse(&log).expect("readable");
            assert_eq!((records.len(), length), (1, whole.len()), "{cut}");
        }
    }

    /// A disk may keep the later half of what was not synced, and give the earlier one as zeros.
    #[test]
    fn a_damaged_last_line_is_no_record_and_one_before_it_is_an_error() {
        let whole = line(&Record::Undone { n: 1 }).expect("json");
        let damaged = whole.replace(":1", ":2");
        for last in [damaged.as_bytes(), b"\0\0\0\0}\n", b"\0\0\0\0", b"\xff\n"] {
            let log = [whole.as_bytes(), last].concat();
            assert_eq!(
                parse(&log).map(|(r, length)| (r.len(), length)),
                Ok((1, whole.len()))
            );
            let log = [last, b"\n", whole.as_bytes()].concat();
            assert_eq!(parse(&log).map(|(r, _)| r.len()), Err(1));
        }
    }
}
