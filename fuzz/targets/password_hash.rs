//! Fuzzes hashes of passwords that other software made.
#![no_main]

#[path = "../properties/password_hash.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    property::check(data);
});
