//! Fuzzes the `Cookie` headers of a request and the `Set-Cookie` of an app.
#![no_main]

#[path = "../properties/cookies.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    property::check(data);
});
