//! Fuzzes the text of config.toml.
#![no_main]

#[path = "../properties/configuration.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    property::check(data);
});
