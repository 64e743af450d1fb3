//! `headers` of a route: which header names may be made from who is asking.

use std::collections::BTreeSet;

use http::HeaderName;

use crate::identity::Template;

use super::headers::HeaderSettings;
use super::problem::Complaint;
use super::section::Section;
use super::value::text;

/// Names that frame or route a message: templates would break it (RFC 9110 §7.6.1).
const FRAMING: [&str; 14] = [
    "connection",
    "content_length",
    "cookie",
    "expect",
    "host",
    "keep_alive",
    "proxy_authenticate",
    "proxy_authorization",
    "proxy_connection",
    "set_cookie",
    "te",
    "trailer",
    "transfer_encoding",
    "upgrade",
];

/// Names that tell about the connection.
const CONNECTION: [&str; 5] = [
    "forwarded",
    "x_forwarded_for",
    "x_forwarded_host",
    "x_forwarded_proto",
    "x_real_ip",
];

/// Names that tell who is asking unless `headers.identity` is off.
const IDENTITY: [&str; 5] = [
    "x_forwarded_email",
    "x_forwarded_groups",
    "x_forwarded_name",
    "x_forwarded_preferred_username",
    "x_forwarded_user",
];

pub(super) fn read(section: Section<'_>, headers: HeaderSettings) -> Vec<(HeaderName, Template)> {
    let mut seen = BTreeSet::new();
    section.entries(|name, node| {
        let header = header_name(name, headers)?;
        if !seen.insert(folded(name)) {
            return Err(Complaint::new("this header is here twice")
                .hint("names that differ only in case, - or _ are one header to many apps"));
        }
        let template =
            Template::parse(text(node)?).map_err(|error| Complaint::new(error.to_string()))?;
        Ok((header, template))
    })
}

fn header_name(name: &str, headers: HeaderSettings) -> Result<HeaderName, Complaint> {
    let header = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Complaint::new("this is not the name of a header"))?;
    let folded = folded(name);
    let is_one_of = |names: &[&str]| names.contains(&folded.as_str());
    let (reason, hint) = if is_one_of(&FRAMING) {
        ("it belongs to the message itself", "choose another name")
    } else if is_one_of(&CONNECTION) {
        (
            "vestibule sets it from the connection",
            "choose another name",
        )
    } else if folded.starts_with("x_vestibule_") {
        (
            "names that start like this are vestibule's own",
            "choose another name",
        )
    } else if headers.identity && is_one_of(&IDENTITY) {
        (
            "vestibule sets it already",
            "with headers.identity = false it is yours",
        )
    } else {
        return Ok(header);
    };
    Err(Complaint::new(format!("this header cannot be set: {reason}")).hint(hint))
}

/// One spelling for all that an app might take for the same name.
fn folded(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: HeaderSettings = HeaderSettings {
        identity: true,
        assertion: true,
        forwarded: false,
        keep_underscores: false,
    };
    const OFF: HeaderSettings = HeaderSettings {
        identity: false,
        ..ON
    };

    #[test]
    fn headers_that_are_not_free_are_refused_in_every_spelling() {
        for name in [
            "Host",
            "cookie",
            "Transfer_Encoding",
            "CONTENT-LENGTH",
            "X-Vestibule-Assertion",
            "x_vestibule_anything",
            "X-Real-IP",
            "Forwarded",
            "not a name",
            "",
        ] {
            assert!(header_name(name, OFF).is_err(), "{name}");
        }
    }

    #[test]
    fn identity_headers_are_free_only_where_vestibule_does_not_set_them() {
        assert!(header_name("X-Forwarded-User", ON).is_err());
        assert!(header_name("X_Forwarded.User", ON).is_err());
        assert!(header_name("X-Forwarded-User", OFF).is_ok());
    }

    #[test]
    fn headers_that_apps_expect_are_free() {
        for name in ["Remote-User", "Authorization", "X-WEBAUTH-USER", "X-Email"] {
            assert!(header_name(name, ON).is_ok(), "{name}");
        }
    }
}
