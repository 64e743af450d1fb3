//! Which names of headers and cookies only the gateway may say? A client's own never reach an app.

/// Whether a client's header of this name is always taken off: apps believe such names. Spelling does
/// not matter: neither case nor which byte stands where the name has a dash, because CGI, WSGI, PHP
/// and others turn every byte that is no letter or digit into `_`.
pub fn is_reserved(name: &str) -> bool {
    let name = name.as_bytes();
    match name.first().map(u8::to_ascii_lowercase) {
        Some(b'x') => is_reserved_extension(name),
        Some(b'f') => is(name, b"forwarded"),
        Some(b'o') => starts_with(name, b"oidc_"),
        Some(b'r') => starts_with(name, b"remote_"),
        Some(b's') => starts_with(name, b"ssl_client_"),
        Some(b't') => is(name, b"true_client_ip"),
        _ => false,
    }
}

/// Whether a cookie whose name (or value, where it has no name) starts so is ours on this host, whatever
/// port or scheme it was made for: an app can neither see nor set it. Browsers compare the prefixes of
/// names without case.
pub fn is_reserved_cookie(start: &[u8]) -> bool {
    const RESERVED: [&str; 8] = [
        "__host-vestibule_",
        "__secure-vestibule_",
        "vestibule_access",
        "vestibule_csrf",
        "vestibule_device",
        "vestibule_form",
        "vestibule_language",
        "vestibule_refresh",
    ];
    RESERVED.iter().any(|reserved| {
        start
            .get(..reserved.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(reserved.as_bytes()))
    })
}

/// The names that begin with `X-`, told apart by their third byte.
fn is_reserved_extension(name: &[u8]) -> bool {
    match name.get(2).map(u8::to_ascii_lowercase) {
        Some(b'a') => starts_with(name, b"x_auth_request_") || starts_with(name, b"x_authentik_"),
        Some(b'c') => starts_with(name, b"x_client_cert"),
        Some(b'e') => is(name, b"x_email"),
        Some(b'f') => starts_with(name, b"x_forwarded_"),
        Some(b'o') => is(name, b"x_original_url") || is(name, b"x_original_uri"),
        Some(b'p') => starts_with(name, b"x_pomerium_"),
        Some(b'r') => {
            starts_with(name, b"x_remote_") || is(name, b"x_real_ip") || is(name, b"x_rewrite_url")
        }
        Some(b't') => starts_with(name, b"x_token_"),
        Some(b'u') => is(name, b"x_user"),
        Some(b'v') => is(name, b"x_vestibule") || starts_with(name, b"x_vestibule_"),
        Some(b'w') => starts_with(name, b"x_webauth_"),
        _ => false,
    }
}

/// Whether two names are one to an app: `one` in any spelling, `normal` in lower case with `_`.
fn is(one: &[u8], normal: &[u8]) -> bool {
    one.len() == normal.len() && starts_with(one, normal)
}

fn starts_with(name: &[u8], normal: &[u8]) -> bool {
    name.len() >= normal.len() && name.iter().zip(normal).all(|(n, m)| normalise(*n) == *m)
}

const fn normalise(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte.to_ascii_lowercase()
    } else {
        b'_'
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RESERVED: &[&str] = &[
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-User",
        "X-Forwarded-Preferred-Username",
        "X-Forwarded-Groups",
        "X-Real-IP",
        "Remote-User",
        "Remote-Addr",
        "X-Remote-User",
        "X-Auth-Request-Email",
        "X-WEBAUTH-USER",
        "X-Original-URL",
        "X-Original-URI",
        "X-Rewrite-URL",
        "X-Vestibule",
        "X-Vestibule-Assertion",
        "Ssl-Client-Verify",
        "X-Client-Cert",
        "X-Client-Certificate",
        "True-Client-IP",
        "X-User",
        "X-Email",
        "OIDC-CLAIM-sub",
        "X-Pomerium-Jwt-Assertion",
        "X-Authentik-Username",
        "X-Token-Subject",
    ];

    #[test]
    fn names_that_apps_believe_are_reserved() {
        for name in RESERVED {
            assert!(is_reserved(name), "{name}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for name in [
            "",
            "x",
            "x-",
            "host",
            "cookie",
            "authorization",
            "accept",
            "x-requested-with",
            "x-forwarded",
            "x-real-ip-2",
            "x-username",
            "x-user-agent",
            "x-csrf-token",
            "x-tokens",
            "remotely",
            "forwarded-by-friends",
            "x-vestibules",
            "origin",
            "x-auth-token",
        ] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_spelling_of_a_reserved_name_gets_through(
            name in prop::sample::select(RESERVED),
            upper in prop::collection::vec(any::<bool>(), 40),
            dashes in prop::collection::vec(prop::sample::select(&b"-_.!#$%&'*+^`|~"[..]), 40),
        ) {
            let spelt: String = name
                .bytes()
                .zip(upper.iter().zip(&dashes))
                .map(|(byte, (upper, dash))| match byte {
                    b'-' => char::from(*dash),
                    _ if *upper => char::from(byte.to_ascii_uppercase()),
                    _ => char::from(byte.to_ascii_lowercase()),
                })
                .collect();
            prop_assert!(is_reserved(&spelt), "{}", spelt);
        }
    }
}
