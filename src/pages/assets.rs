//! What are pages made of beside HTML? A style sheet and a picture, under names that change with
//! their content.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};

use super::brand;
use crate::config::PagesSettings;
use crate::reply::{self, Reply};

const STYLE: &str = include_str!("style.css");

/// The name of the file that replaces our style sheet.
pub(super) const STYLE_FILE: &str = "style.css";

/// A file under `assets/`.
pub(super) struct Asset {
    name: String,
    media_type: &'static str,
    content: Bytes,
}

/// The style sheet.
pub(super) fn style(settings: &PagesSettings) -> Asset {
    let sheet = settings.files.get(STYLE_FILE);
    let mut sheet = sheet.map_or(STYLE, String::as_str).to_owned();
    if let Some(accent) = settings.accent {
        sheet.push_str(&brand::style(accent));
    }
    Asset::new("css", "text/css; charset=utf-8", sheet.into_bytes())
}

/// The picture above the pages.
pub(super) fn logo(settings: &PagesSettings) -> Option<Asset> {
    let logo = settings.logo.as_ref()?;
    let content = logo.content.clone();
    Some(Asset::new(logo.extension, logo.media_type, content))
}

impl Asset {
    fn new(extension: &str, media_type: &'static str, content: Vec<u8>) -> Self {
        Self {
            name: format!("{}.{extension}", fingerprint(&content)),
            media_type,
            content: content.into(),
        }
    }

    /// The name, without any folder.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The file, good for a year. A picture that is opened by itself can run nothing.
    pub(super) fn reply(&self) -> Reply {
        const FOREVER: HeaderValue =
            HeaderValue::from_static("public, max-age=31536000, immutable");
        const SHUT_IN: HeaderValue =
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
        let media_type = HeaderValue::from_static(self.media_type);
        let mut reply = reply::own(StatusCode::OK, Some(media_type), self.content.clone());
        reply.headers_mut().insert(CACHE_CONTROL, FOREVER);
        reply.headers_mut().insert(CONTENT_SECURITY_POLICY, SHUT_IN);
        reply
    }
}

/// The first 16 hexadecimal digits of the SHA-256 of a file.
fn fingerprint(content: &[u8]) -> String {
    let digest = digest(&SHA256, content);
    let start = digest.as_ref().iter().take(8);
    start.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Color, Logo};

    #[test]
    fn names_change_with_the_content() {
        let plain = style(&PagesSettings::default());
        let purple = style(&PagesSettings {
            accent: Some(Color([0x7a, 0x1f, 0xa2])),
            ..PagesSettings::default()
        });
        assert_eq!(plain.name().len(), "0123456789abcdef.css".len());
        assert_ne!(plain.name(), purple.name());
        assert!(purple.content.starts_with(&plain.content));
    }

    #[test]
    fn a_style_sheet_of_theirs_replaces_ours() {
        let files = [(STYLE_FILE.to_owned(), "a{}".to_owned())].into();
        let theirs = style(&PagesSettings {
            files,
            ..PagesSettings::default()
        });
        assert_eq!(&theirs.content[..], b"a{}");
    }

    #[test]
    fn a_picture_can_run_nothing() {
        let logo = logo(&PagesSettings {
            logo: Some(Logo {
                extension: "svg",
                media_type: "image/svg+xml",
                content: b"<svg/>".to_vec(),
            }),
            ..PagesSettings::default()
        });
        let reply = logo.unwrap().reply();
        assert_eq!(reply.headers()["content-type"], "image/svg+xml");
        let policy = reply.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.ends_with("sandbox"));
        assert!(
            reply.headers()["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
    }
}
