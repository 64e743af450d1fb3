//! Is this text a JWS in the one form we accept, and what does its header say? (RFC 7515,
//! RFC 8725)

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

/// The longest header segment that is looked at: 1 KiB of JSON.
const LONGEST_HEADER: usize = 1024 * 4 / 3 + 1;

/// Header parameters that would let a token choose its own key or form (RFC 7515 §4.1,
/// RFC 7516 §4.1.3, RFC 7797): no token that has one is ours.
const REFUSED: [&str; 8] = ["crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "cty"];

/// A JWS in compact form whose header was read. Nothing in it is authentic yet.
pub(super) struct Jws<'a> {
    pub(super) header: Header,
    /// What the signature signs: header and payload, encoded.
    pub(super) signed: &'a str,
    /// The signature, encoded.
    pub(super) signature: &'a str,
    payload: &'a str,
}

/// The header parameters that decide.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) typ: Option<String>,
    pub(super) kid: String,
}

impl<'a> Jws<'a> {
    /// Reads the compact form: three segments of base64url, without padding.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') || header.len() > LONGEST_HEADER {
            return None;
        }
        let header = decode(header)?;
        let names = member_names(&header)?;
        let header: Header = serde_json::from_str(&header).ok()?;
        let refused = REFUSED.iter().any(|name| names.contains(*name));
        (!refused && is_key_id(&header.kid)).then_some(Self {
            header,
            signed,
            signature,
            payload,
        })
    }

    /// The claims. Ask only after the signature was found good.
    pub(super) fn claims<T: DeserializeOwned>(&self) -> Option<T> {
        let payload = decode(self.payload)?;
        member_names(&payload)?;
        serde_json::from_str(&payload).ok()
    }
}

/// The `typ` of a text that has the shape of a JWS, whatever else is in it.
pub(super) fn type_by_shape(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Type {
        typ: String,
    }
    let (header, rest) = text.split_once('.')?;
    if header.len() > LONGEST_HEADER || !rest.contains('.') {
        return None;
    }
    let header: Type = serde_json::from_str(&decode(header)?).ok()?;
    Some(header.typ)
}

/// Strict base64url (no padding, no stray bits) of UTF-8.
fn decode(segment: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
}

fn is_key_id(kid: &str) -> bool {
    (1..=64).contains(&kid.len())
        && kid
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The names of a JSON object's members; `None` if it is no object or has a name twice
/// (RFC 7519 §4): another reader could take the other one.
fn member_names(json: &str) -> Option<BTreeSet<String>> {
    serde_json::from_str(json).ok().map(|Names(names)| names)
}

struct Names(BTreeSet<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Names, A::Error> {
        let mut names = BTreeSet::new();
        while let Some((name, IgnoredAny)) = members.next_entry()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a name occurs twice"));
            }
        }
        Ok(Names(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jws(header: &str) -> String {
        format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header))
    }

    #[test]
    fn a_plain_header_is_read_and_unknown_parameters_are_ignored() {
        let text = jws(r#" {"alg":"EdDSA","typ":"at+jwt","kid":"a.b_c-1","x5t":"?","new":[{}]} "#);
        let jws = Jws::parse(&text).unwrap();
        assert_eq!(jws.header.alg, "EdDSA");
        assert_eq!(jws.header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(jws.header.kid, "a.b_c-1");
        assert_eq!(format!("{}.{}", jws.signed, jws.signature), text);
    }

    #[test]
    fn other_forms_are_refused() {
        let good = jws(r#"{"alg":"EdDSA","kid":"a"}"#);
        assert!(Jws::parse(&good).is_some());
        let header = good.strip_suffix(".e30.AA").unwrap();
        for text in [
            "",
            ".",
            "..",
            "e30",
            "e30.e30",
            "e30.e30.e30.e30.e30",
            r#"{"payload":"e30","signature":"AA"}"#,
            &format!("{header}.e30"),
            &format!("{header}.e30.AA.AA"),
            &format!("{header}=.e30.AA"),
            &format!(" {header}.e30.AA"),
            &format!("{header}\n.e30.AA"),
            &format!(".{header}.AA"),
            &".".repeat(8000),
        ] {
            assert!(Jws::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn other_headers_are_refused() {
        let long = format!(r#"{{"alg":"EdDSA","kid":"a","x":"{}"}}"#, "x".repeat(1024));
        let long_kid = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, "k".repeat(65));
        for header in [
            "",
            "null",
            "[]",
            r#"["EdDSA",null,"a"]"#,
            r#"{"alg":"EdDSA"}"#,
            r#"{"kid":"a"}"#,
            r#"{"alg":null,"kid":"a"}"#,
            r#"{"alg":["EdDSA"],"kid":"a"}"#,
            r#"{"alg":"EdDSA","kid":"a","typ":1}"#,
            r#"{"alg":"EdDSA","kid":1}"#,
            r#"{"alg":"EdDSA","kid":""}"#,
            r#"{"alg":"EdDSA","kid":"../../dev/null"}"#,
            r#"{"alg":"EdDSA","kid":"' OR 1=1"}"#,
            r#"{"alg":"EdDSA","kid":"a\u0000"}"#,
            r#"{"alg":"EdDSA","kid":"a","kid":"a"}"#,
            r#"{"alg":"EdDSA","kid":"a","x":1,"x":1}"#,
            r#"{"alg":"EdDSA","kid":"a","k\u0069d":"a"}"#,
            r#"{"alg":"EdDSA","kid":"a"}{}"#,
            r#"{"alg":"EdDSA","kid":"a",}"#,
            &long,
            &long_kid,
        ] {
            assert!(Jws::parse(&jws(header)).is_none(), "{header}");
        }
    }

    #[test]
    fn parameters_that_choose_key_or_form_are_refused() {
        for parameter in [
            r#""crit":["exp"]"#,
            r#""crit":null"#,
            r#""jwk":{"kty":"OKP","crv":"Ed25519","x":"AA"}"#,
            r#""jku":"https://evil.example/jwks.json""#,
            r#""x5u":"https://evil.example/cert""#,
            r#""x5c":[]"#,
            r#""b64":false"#,
            r#""zip":"DEF""#,
            r#""cty":"JWT""#,
        ] {
            let header = format!(r#"{{"alg":"EdDSA","kid":"a",{parameter}}}"#);
            assert!(Jws::parse(&jws(&header)).is_none(), "{header}");
        }
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let json = format!(r#"{{"a":{deep},"b":1}}"#);
        assert_eq!(member_names(&json).unwrap().len(), 2);
        let header = format!(r#"{{"alg":"EdDSA","kid":"a","x":{}"#, "[".repeat(900));
        assert!(Jws::parse(&jws(&header)).is_none());
    }

    #[test]
    fn invalid_utf_8_is_refused_wherever_it_stands() {
        let header = b"{\"alg\":\"EdDSA\",\"kid\":\"a\",\"x\":\"\xff\"}";
        let text = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header));
        assert!(Jws::parse(&text).is_none());
    }
}
