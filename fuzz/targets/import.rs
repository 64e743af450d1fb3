//! Fuzzes files of users of other apps.
#![no_main]

#[path = "../properties/import.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    property::check(data);
});
