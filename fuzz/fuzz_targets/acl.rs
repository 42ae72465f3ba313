//! `cargo fuzz run acl`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| redis_harden_fuzz::acl::holds(input));
