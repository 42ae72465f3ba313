//! `cargo fuzz run sysctl_d`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| redis_harden_fuzz::sysctl_d::holds(input));
