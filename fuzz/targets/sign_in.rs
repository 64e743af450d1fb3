//! Fuzzes the form or JSON of a sign-in.
#![no_main]

#[path = "../properties/sign_in.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    property::check(data);
});
