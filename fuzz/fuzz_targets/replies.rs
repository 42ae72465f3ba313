//! `cargo fuzz run replies`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| redis_harden_fuzz::replies::holds(input));
