//! Fuzzes refresh tokens.
#![no_main]

#[path = "../keys.rs"]
mod keys;
#[path = "../properties/refresh_token.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    property::check(data);
});
