//! Why did the cookies of a sign-in not come back?

use crate::request::Origin;

/// What is seen of a browser that has just been given the cookies of a sign-in.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Where it asks.
    pub asked: Option<&'a Origin>,
    /// That is a public URL, or the host of a route.
    pub is_ours: bool,
    /// By all that is known, its connection is plain. Browsers send fetch metadata over TLS only (and on
    /// the machine itself), also where a proxy that nobody has named speaks it.
    pub is_plain: bool,
    /// Browsers keep the cookies under https only.
    pub secure: bool,
    /// The domain whose hosts share them.
    pub domain: Option<&'a str>,
    /// What it sends.
    pub came: Came,
}

/// The cookies of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// None at all.
    Nothing,
    /// Others than ours.
    Others,
    /// Ours, and they are no good.
    Refused,
}

/// Where they went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Astray {
    /// They came back and are refused: clocks or keys differ.
    Refused,
    /// The browser asks by http, and keeps them under https only.
    PlainHttp,
    /// The host is not in the domain that they are set for.
    OutsideDomain,
    /// The browser asks at an address that nobody has configured.
    UnknownAddress,
    /// The browser keeps no cookies.
    Blocked,
    /// The browser keeps cookies, and not these.
    Lost,
}

/// The likeliest reason, the surest first.
pub fn astray(seen: Seen<'_>) -> Astray {
    let is_outside = seen
        .domain
        .zip(seen.asked)
        .is_some_and(|(domain, asked)| !asked.host.is_within(domain));
    match seen.came {
        Came::Refused => Astray::Refused,
        Came::Nothing | Came::Others if is_outside => Astray::OutsideDomain,
        Came::Nothing | Came::Others if seen.is_plain && seen.secure => Astray::PlainHttp,
        Came::Nothing | Came::Others if !seen.is_ours => Astray::UnknownAddress,
        Came::Nothing => Astray::Blocked,
        Came::Others => Astray::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Scheme;

    /// Where cookies are kept under https only, unless the address says `http://localhost`.
    fn judged(asked: &str, is_ours: bool, domain: Option<&str>, came: Came) -> Astray {
        let asked = Origin::parse(asked).unwrap();
        astray(Seen {
            asked: Some(&asked),
            is_ours,
            is_plain: asked.scheme == Scheme::Http,
            secure: !asked.host.is_loopback(),
            domain,
            came,
        })
    }

    #[test]
    fn the_likeliest_reason_is_named() {
        use Came::{Nothing, Others, Refused};
        let (app, plain) = ("https://a.example.com", "http://a.example.com");
        let (local, address) = ("http://localhost:8080", "http://10.0.0.5:8080");
        for (asked, is_ours, came, expected) in [
            (app, true, Nothing, Astray::Blocked),
            (app, true, Others, Astray::Lost),
            (app, true, Refused, Astray::Refused),
            (app, false, Nothing, Astray::UnknownAddress),
            (plain, true, Others, Astray::PlainHttp),
            (plain, true, Refused, Astray::Refused),
            (address, false, Nothing, Astray::PlainHttp),
            (local, true, Nothing, Astray::Blocked),
            (local, false, Others, Astray::UnknownAddress),
        ] {
            assert_eq!(
                judged(asked, is_ours, None, came),
                expected,
                "{asked} {came:?}"
            );
        }
    }

    #[test]
    fn a_host_outside_the_domain_is_the_reason_by_either_scheme() {
        let shared = Some("example.com");
        let inside = "https://a.example.com";
        assert_eq!(judged(inside, true, shared, Came::Nothing), Astray::Blocked);
        for outside in ["https://a.example.net", "http://a.example.net"] {
            for (is_ours, came) in [(true, Came::Nothing), (false, Came::Others)] {
                let told = judged(outside, is_ours, shared, came);
                assert_eq!(told, Astray::OutsideDomain, "{outside}");
            }
            let told = judged(outside, false, shared, Came::Refused);
            assert_eq!(told, Astray::Refused);
        }
    }

    #[test]
    fn a_request_without_a_host_is_judged_by_its_cookies() {
        let seen = Seen {
            asked: None,
            is_ours: true,
            is_plain: false,
            secure: true,
            domain: Some("example.com"),
            came: Came::Nothing,
        };
        assert_eq!(astray(seen), Astray::Blocked);
    }
}
