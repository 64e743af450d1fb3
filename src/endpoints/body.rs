//! What did the caller post? Bodies that vestibule reads itself: small, in time, JSON or a form.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use percent_encoding::percent_decode;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use tokio::time::timeout;

use crate::reply::Problem;

/// The most bytes of a body that are read.
const MOST_BYTES: usize = 64 * 1024;

/// The media types that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// The fields of a posted form or JSON object, each of them once. Not printable: it holds secrets.
pub struct Fields {
    media: Option<Media>,
    fields: Vec<(String, Value)>,
}

/// Reads the body. No body is no fields; a body of another media type is refused unread.
pub async fn read<B>(
    headers: &HeaderMap,
    body: B,
    patience: Duration,
) -> Result<Fields, Box<Problem>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let media = media_type(headers);
    if media.is_none() && !body.is_end_stream() {
        return Err(unsupported());
    }
    let bytes = whole(body, patience).await?;
    let fields = match media {
        None if bytes.is_empty() => Vec::new(),
        None => return Err(unsupported()),
        Some(Media::Json) if bytes.is_empty() => Vec::new(),
        Some(Media::Json) => json_fields(&bytes)?,
        Some(Media::Form) => form_fields(&bytes)?,
    };
    Fields::new(media, fields)
}

impl Fields {
    fn new(media: Option<Media>, fields: Vec<(String, Value)>) -> Result<Self, Box<Problem>> {
        let mut names: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair.first() == pair.last());
        match twice.and_then(|pair| pair.first()) {
            Some(name) => Err(invalid(format!("The field {} came twice.", shown(name)))),
            None => Ok(Self { media, fields }),
        }
    }

    /// How the fields came; `None` without a body of a known type.
    pub const fn media(&self) -> Option<Media> {
        self.media
    }

    /// Refuses JSON with fields of other names, so that a misspelt one is not ignored. In forms they
    /// are: browsers send buttons along.
    pub fn only(&self, names: &[&str]) -> Result<(), Box<Problem>> {
        let unknown = |(name, _): &&(String, Value)| !names.contains(&&**name);
        match self.fields.iter().find(unknown) {
            Some((name, _)) if self.media == Some(Media::Json) => Err(invalid(format!(
                "The field {} is not known here.",
                shown(name)
            ))),
            _ => Ok(()),
        }
    }

    /// Takes a text out.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Box<Problem>> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(format!("The field {name} must be a text."))),
        }
    }

    /// Takes out a text that must be there.
    pub fn required(&mut self, name: &str) -> Result<String, Box<Problem>> {
        self.text(name)?
            .ok_or_else(|| invalid(format!("The field {name} is missing.")))
    }

    /// Takes out a yes or no; absent is no. Forms say `on` or `true`.
    pub fn flag(&mut self, name: &str) -> Result<bool, Box<Problem>> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(Value::String(text)) if self.media == Some(Media::Form) => match &*text {
                "on" | "true" => Ok(true),
                "" | "off" | "false" => Ok(false),
                _ => Err(invalid(format!("The field {name} must be on or off."))),
            },
            Some(_) => Err(invalid(format!("The field {name} must be true or false."))),
        }
    }

    /// Takes out a yes or no of JSON; `None` where it is absent.
    pub fn given_flag(&mut self, name: &str) -> Result<Option<bool>, Box<Problem>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(invalid(format!("The field {name} must be true or false."))),
        }
    }

    /// Takes out a text of JSON that may be null; `None` where it is absent.
    pub fn nullable(&mut self, name: &str) -> Result<Option<Option<String>>, Box<Problem>> {
        let is_given = self.fields.iter().any(|(known, _)| known == name);
        let text = self.text(name)?;
        Ok(is_given.then_some(text))
    }

    /// Takes out a list of texts of JSON; `None` where it is absent.
    pub fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Box<Problem>> {
        let wrong = || invalid(format!("The field {name} must be a list of texts."));
        let text = |item| match item {
            Value::String(text) => Ok(text),
            _ => Err(wrong()),
        };
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => items
                .into_iter()
                .map(text)
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(wrong()),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let place = self.fields.iter().position(|(known, _)| known == name)?;
        Some(self.fields.swap_remove(place).1)
    }
}

/// In which form the body is said to come; `None` for any that is not read.
pub fn media_type(headers: &HeaderMap) -> Option<Media> {
    let mut fields = headers.get_all(CONTENT_TYPE).iter();
    let field = fields.next()?.to_str().ok()?;
    if fields.next().is_some() {
        return None;
    }
    let essence = field.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Some(Media::Json)
    } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Some(Media::Form)
    } else {
        None
    }
}

async fn whole<B>(mut body: B, patience: Duration) -> Result<Bytes, Box<Problem>>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > MOST_BYTES as u64 {
        return Err(too_large());
    }
    let mut read = Vec::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| cut_short())?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if read.len() + data.len() > MOST_BYTES {
                return Err(too_large());
            }
            read.extend_from_slice(&data);
        }
        Ok(())
    };
    match timeout(patience, reading).await {
        Ok(Ok(())) => Ok(read.into()),
        Ok(Err(problem)) => Err(problem),
        Err(_) => Err(Box::new(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The body did not arrive in time.",
        ))),
    }
}

/// The members of a JSON object as they come, repeated ones too.
struct Members(Vec<(String, Value)>);

fn json_fields(bytes: &[u8]) -> Result<Vec<(String, Value)>, Box<Problem>> {
    match serde_json::from_slice(bytes) {
        Ok(Members(members)) => Ok(members),
        Err(error) if error.is_data() => Err(invalid("The body must be a JSON object.")),
        Err(error) => Err(invalid(format!(
            "The body is not valid JSON: look at line {}, column {}.",
            error.line(),
            error.column()
        ))),
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// What is not UTF-8 is refused: another character in its place would make several passwords one.
fn form_fields(bytes: &[u8]) -> Result<Vec<(String, Value)>, Box<Problem>> {
    if percent_decode(bytes).decode_utf8().is_err() {
        let problem = Problem::invalid_request("The form must be sent as UTF-8.");
        return Err(Box::new(problem.worded("form_not_utf8")));
    }
    Ok(form_urlencoded::parse(bytes)
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect())
}

/// A field's name as an error may show it: short and visible.
fn shown(name: &str) -> String {
    let start: String = name.chars().take(32).collect();
    format!("\"{}\"", start.escape_debug())
}

/// 400 for a body that does not say what it should.
pub fn invalid(description: impl Into<Cow<'static, str>>) -> Box<Problem> {
    Box::new(Problem::invalid_request(description))
}

fn cut_short() -> Box<Problem> {
    let problem = Problem::invalid_request("The body did not arrive whole.");
    Box::new(problem.worded("body"))
}

fn too_large() -> Box<Problem> {
    Box::new(Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "payload_too_large",
        "The body is larger than 64 KiB.",
    ))
}

fn unsupported() -> Box<Problem> {
    Box::new(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "The body must be application/json or application/x-www-form-urlencoded.",
    ))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http_body_util::{Full, StreamBody};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    async fn posted(media_type: &str, body: &str) -> Result<Fields, Box<Problem>> {
        let mut headers = HeaderMap::new();
        if !media_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(media_type).unwrap());
        }
        read(&headers, Full::new(Bytes::from(body.to_owned())), PATIENCE).await
    }

    async fn refusal(media_type: &str, body: &str) -> (u16, String) {
        let problem = posted(media_type, body).await.err().unwrap();
        (problem.status.as_u16(), problem.description.into_owned())
    }

    #[tokio::test]
    async fn json_and_forms_are_read_alike() {
        for (media_type, body) in [
            ("application/json", r#"{"username":"ada","remember":true}"#),
            (
                "Application/JSON ; charset=UTF-8",
                r#"{"remember":true,"username":"ada"}"#,
            ),
            (
                "application/x-www-form-urlencoded",
                "username=ada&remember=on",
            ),
            (
                "application/x-www-form-urlencoded;charset=utf-8",
                "remember=true&username=%61da",
            ),
        ] {
            let mut fields = posted(media_type, body).await.ok().unwrap();
            assert_eq!(fields.text("username").unwrap().as_deref(), Some("ada"));
            assert!(fields.flag("remember").unwrap());
            assert_eq!(fields.text("device").unwrap(), None);
        }
    }

    #[tokio::test]
    async fn no_body_is_no_fields() {
        for media_type in ["", "text/plain", "application/json"] {
            let mut fields = posted(media_type, "").await.ok().unwrap();
            assert_eq!(fields.text("refresh_token").unwrap(), None);
        }
    }

    #[tokio::test]
    async fn other_media_types_are_refused() {
        for media_type in [
            "",
            "text/plain",
            "application/jsonp",
            "multipart/form-data",
            "json",
        ] {
            assert_eq!(refusal(media_type, "{}").await.0, 415, "{media_type}");
        }
    }

    #[tokio::test]
    async fn broken_bodies_are_refused_without_showing_what_they_hold() {
        for body in [
            "hunter2",
            r#"{"password":"hunter2""#,
            r#"{"password":"hunter2"} x"#,
            r#"["hunter2"]"#,
            r#""hunter2""#,
            r#"{"password":"hunter2","password":"hunter2"}"#,
        ] {
            let (status, description) = refusal("application/json", body).await;
            assert_eq!(status, 400, "{body}");
            assert!(!description.contains("hunter2"), "{description}");
        }
        let deep = "[".repeat(10_000);
        assert_eq!(refusal("application/json", &deep).await.0, 400);
        let form = "application/x-www-form-urlencoded";
        let (status, description) = refusal(form, "a=1&b=2&a=3").await;
        assert_eq!(
            (status, &*description),
            (400, "The field \"a\" came twice.")
        );
    }

    #[tokio::test]
    async fn wrong_kinds_and_unknown_names_are_refused_by_name() {
        let body = r#"{"username":5,"remember":"on","pasword":"x"}"#;
        let mut fields = posted("application/json", body).await.ok().unwrap();
        let unknown = fields.only(&["username", "remember"]).unwrap_err();
        assert_eq!(
            unknown.description,
            "The field \"pasword\" is not known here."
        );
        assert!(fields.text("username").is_err());
        assert!(fields.flag("remember").is_err());
        assert!(fields.required("password").is_err());
        let form = "application/x-www-form-urlencoded";
        let mut fields = posted(form, "submit=&remember=maybe").await.ok().unwrap();
        assert!(fields.only(&[]).is_ok());
        assert!(fields.flag("remember").is_err());
    }

    #[tokio::test]
    async fn at_most_64_kib_are_read() {
        let most = format!("\"{}\"", "x".repeat(MOST_BYTES - 2));
        assert_eq!(refusal("application/json", &most).await.0, 400);
        assert_eq!(
            refusal("application/json", &format!("{most} ")).await.0,
            413
        );
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_given_up() {
        let never =
            futures_util::stream::pending::<Result<http_body::Frame<Bytes>, std::io::Error>>();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let patience = Duration::from_millis(1);
        let read = read(&headers, StreamBody::new(never), patience).await;
        assert_eq!(read.err().unwrap().code, "request_timeout");
    }
}
