//! `cargo fuzz run nft`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| redis_harden_fuzz::nft::holds(input));
