//! Fuzzes refresh tokens.
#![no_main]

#[path = "../properties/refresh_token.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    property::check(data);
});
