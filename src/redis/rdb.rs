//! The beginning of a snapshot: enough to tell one that holds nothing. Source: Redis's `rdb.h` and `rdbSaveRio` in `rdb.c`.

/// Longer than the header and auxiliary fields of an empty snapshot of any version: what is longer holds something.
pub const LONGEST_EMPTY: u64 = 512;

const AUX: u8 = 0xFA;
const EOF: u8 = 0xFF;

/// Whether a snapshot, given whole, holds no key and no function. What is not understood is taken to hold something.
pub fn is_empty(rdb: &[u8]) -> bool {
    let mut rest = match rdb.strip_prefix(b"REDIS") {
        Some(rest) => rest.get(4..).unwrap_or_default(),
        None => return false,
    };
    loop {
        match rest.split_first() {
            Some((&EOF, _)) => return true,
            Some((&AUX, fields)) => match string(fields).and_then(string) {
                Some(after) => rest = after,
                None => return false,
            },
            _ => return false,
        }
    }
}

/// What follows a string: 6 or 14 bits of length, or a small number in its place. Others do not occur in auxiliary fields.
fn string(bytes: &[u8]) -> Option<&[u8]> {
    let (&first, rest) = bytes.split_first()?;
    match first >> 6 {
        0 => rest.get(usize::from(first & 0x3F)..),
        1 => {
            let (&low, rest) = rest.split_first()?;
            rest.get(usize::from(first & 0x3F) << 8 | usize::from(low)..)
        }
        3 => match first & 0x3F {
            0 => rest.get(1..),
            1 => rest.get(2..),
            2 => rest.get(4..),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Redis 7.0.15 writes for an empty dataset: `redis-server --save "" --port 0`, then SAVE.
    const EMPTY: &[u8] = b"REDIS0010\xfa\x09redis-ver\x067.0.15\xfa\x0aredis-bits\xc0\x40\xfa\x05ctime\xc2\x00\x00\x00\x00\xfa\x08used-mem\xc2\x00\x00\x00\x00\xfa\x08aof-base\xc0\x00\xff\x00\x00\x00\x00\x00\x00\x00\x00";

    #[test]
    fn an_empty_snapshot_is_told_from_one_with_a_key() {
        assert!(is_empty(EMPTY));
        let with_a_key = EMPTY.split(|b| *b == 0xff).next().expect("a part").to_vec();
        assert!(!is_empty(
            &[&with_a_key[..], b"\xfe\x00\xfb\x01\x00\x00\x01k\x01v\xff"].concat()
        ));
    }

    #[test]
    fn what_is_not_understood_holds_something() {
        for bytes in [
            &b""[..],
            b"REDIS",
            b"VALKEY080\xff",
            b"REDIS0010\xf5\x00",
            b"REDIS0010\xfa\x3fshort",
        ] {
            assert!(!is_empty(bytes), "{bytes:?}");
        }
    }
}
