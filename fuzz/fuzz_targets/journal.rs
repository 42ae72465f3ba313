//! `cargo fuzz run journal`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| redis_harden_fuzz::journal::holds(input));
