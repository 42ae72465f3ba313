//! `cargo fuzz run policy`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| redis_harden_fuzz::policy::holds(input));
