//! Where somebody goes after sign-in is this very host as a browser reads it, and none of our own pages but the account and the one that asks about a form.

use http::HeaderValue;
use url::Url;
use vestibule::policy::{OwnPrefix, ReturnTo};

pub(crate) fn check(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else {
        return false;
    };
    let own = OwnPrefix::parse("/vestibule").expect("a prefix");
    let path = ReturnTo::parse(text, &own);
    let path = path.as_str();
    assert!(path.starts_with('/') && !path.starts_with("//") && path.len() <= 2048);
    assert!(path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\'));
    HeaderValue::from_str(path).expect("it becomes Location");
    let again = ReturnTo::parse(path, &own);
    assert_eq!(again.as_str(), path, "what was kept is kept again");
    for site in [
        "https://app.example/",
        "http://localhost:8080/vestibule/login?a",
    ] {
        let site = Url::parse(site).expect("a URL");
        let there = site.join(path).expect("a browser can read it");
        assert_eq!(there.origin(), site.origin(), "{path}");
        let is_own = there.path().starts_with("/vestibule/") || there.path() == "/vestibule";
        let may_be = ["/vestibule/account", "/vestibule/resend"].contains(&there.path());
        assert!(!is_own || may_be, "{path}");
    }
    path != "/"
}
