//! `cargo fuzz run redis_conf`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| redis_harden_fuzz::redis_conf::holds(input));
