//! Fuzzes where to go after sign-in.
#![no_main]

#[path = "../properties/return_to.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    property::check(data);
});
