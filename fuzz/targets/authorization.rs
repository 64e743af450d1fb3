//! Fuzzes the `Authorization` header.
#![no_main]

#[path = "../properties/authorization.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    property::check(data);
});
