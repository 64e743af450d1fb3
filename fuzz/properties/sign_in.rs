//! A posted form or JSON object gives the fields that are in it, each once, or an error that shows nothing of what it holds.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use http_body_util::Full;
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};
use vestibule::endpoints::body::{self, Fields, Media};
use vestibule::identity::UserName;
use vestibule::session::Delivery;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime")
});

const TEXTS: [&str; 5] = ["username", "password", "device", "delivery", "return_to"];

/// The first line is the media type, the rest the body.
pub(crate) fn check(data: &[u8]) -> bool {
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let (media, posted) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let mut headers = HeaderMap::new();
    if let Ok(media) = HeaderValue::from_bytes(media) {
        headers.insert(CONTENT_TYPE, media);
    }
    let full = Full::new(Bytes::copy_from_slice(posted));
    let read = body::read(&headers, full, Duration::from_secs(60));
    let mut fields = match RUNTIME.block_on(read) {
        Ok(fields) => fields,
        Err(problem) => {
            assert!(problem.status.is_client_error());
            shows_nothing(&problem.description);
            return false;
        }
    };
    match fields.media() {
        Some(Media::Json) if !posted.is_empty() => agrees_with_json(&mut fields, posted),
        Some(Media::Form) => agrees_with_form(&mut fields, posted),
        _ => assert!(posted.is_empty(), "a body of no known type was read"),
    }
    !posted.is_empty()
}

fn agrees_with_json(fields: &mut Fields, posted: &[u8]) {
    let object: Map<String, Value> = serde_json::from_slice(posted).expect("an object");
    let known = |name: &String| TEXTS.contains(&&**name) || name == "remember";
    let allowed: Vec<&str> = TEXTS.into_iter().chain(["remember"]).collect();
    assert_eq!(fields.only(&allowed).is_ok(), object.keys().all(known));
    let remember = object.get("remember").unwrap_or(&Value::Null);
    match fields.flag("remember") {
        Ok(flag) => assert!(*remember == Value::Bool(flag) || (remember.is_null() && !flag)),
        Err(_) => assert!(!remember.is_boolean() && !remember.is_null()),
    }
    for name in TEXTS {
        let expected = object.get(name).unwrap_or(&Value::Null);
        match fields.text(name) {
            Ok(Some(text)) => {
                assert_eq!(*expected, *text);
                makes_sense(name, &text);
            }
            Ok(None) => assert!(expected.is_null()),
            Err(_) => assert!(!expected.is_string() && !expected.is_null()),
        }
    }
}

fn agrees_with_form(fields: &mut Fields, posted: &[u8]) {
    assert!(fields.only(&[]).is_ok(), "a browser may send its buttons");
    for name in TEXTS {
        let mut pairs = form_urlencoded::parse(posted).filter(|(key, _)| key == name);
        let expected = pairs.next().map(|(_, value)| value.into_owned());
        assert!(pairs.next().is_none(), "{name} came twice");
        let text = fields.text(name);
        assert_eq!(text.ok(), Some(expected.clone()));
        if let Some(text) = expected {
            makes_sense(name, &text);
        }
    }
}

/// What becomes of a text that was typed or sent.
fn makes_sense(name: &str, text: &str) {
    match name {
        "username" => {
            if let Ok(user) = UserName::parse(text) {
                assert_eq!(UserName::parse(user.as_str()), Ok(user.clone()));
                assert!(
                    user.as_str()
                        .bytes()
                        .all(|b| b.is_ascii_graphic() && b != b',')
                );
            }
        }
        "delivery" => {
            let is_known = ["token", "cookie", "hybrid"].contains(&text);
            assert_eq!(Delivery::parse(text).is_some(), is_known);
        }
        _ => {}
    }
}

/// What a refusal says, with `"…"` for a field's name and `0` for a number.
const REFUSALS: [&str; 6] = [
    "The field \"\" came twice.",
    "The body must be a JSON object.",
    "The body is not valid JSON: look at line 0, column 0.",
    "The body is larger than 64 KiB.",
    "The form must be sent as UTF-8.",
    "The body must be application/json or application/x-www-form-urlencoded.",
];

/// A password in a broken body must not stand in the answer: a refusal quotes nothing but a name, cut off.
fn shows_nothing(description: &str) {
    if REFUSALS.contains(&description) {
        return;
    }
    let mut said = description.to_owned();
    if let (Some(start), Some(end)) = (said.find('"'), said.rfind('"')) {
        let longest = 32 * r"\u{10ffff}".len();
        assert!(end - start <= 1 + longest, "{description}");
        said.replace_range(start..=end, "\"\"");
    }
    let numbers = said.split(|c: char| c.is_ascii_digit());
    let words: Vec<&str> = numbers.filter(|part| !part.is_empty()).collect();
    let said = words.join("0");
    assert!(REFUSALS.contains(&&*said), "{description}");
}
