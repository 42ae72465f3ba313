//! The journal. What is read as records is written as lines that read as the same records; a log that is cut anywhere is the one
//! that it was before its last lines.

use redis_harden::journal::Record;
use redis_harden::journal::line::{line, parse};

pub fn holds(input: &[u8]) {
    match parse(input) {
        Ok((records, length)) => {
            assert!(length <= input.len());
            let (again, all) = parse(input.get(..length).expect("within")).expect("it was one");
            assert_eq!((shown(&again), all), (shown(&records), length));
            written(&records, 0);
        }
        Err(damaged) => assert!((1..=input.len()).contains(&damaged)),
    }
    // A fuzzer guesses no checksum: these get theirs from us.
    let records: Vec<Record> = input
        .split(|byte| *byte == b'\n')
        .filter_map(|json| serde_json::from_slice(json).ok())
        .collect();
    written(&records, input.len());
}

/// `seed` chooses where the log is cut.
pub fn written(records: &[Record], seed: usize) {
    let line = |record: &Record| line(record).expect("what was read can be written");
    let log: String = records.iter().map(line).collect();
    let (again, length) = parse(log.as_bytes()).expect("what we wrote");
    assert_eq!((shown(&again), length), (shown(records), log.len()));
    let cut = seed.wrapping_mul(0x9e37_79b9) % (log.len() + 1);
    let (fewer, length) =
        parse(log.as_bytes().get(..cut).unwrap_or_default()).expect("a log that was cut");
    assert!(length <= cut && fewer.len() <= records.len());
    assert_eq!(
        shown(&fewer),
        shown(records.get(..fewer.len()).unwrap_or_default())
    );
}

fn shown(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| format!("{record:?}")).collect()
}
