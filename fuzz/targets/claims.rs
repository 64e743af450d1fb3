//! Fuzzes access tokens, with a good signature and without.
#![no_main]

#[path = "../keys.rs"]
mod keys;
#[path = "../properties/claims.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    property::check(data);
});
