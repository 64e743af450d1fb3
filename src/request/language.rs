//! Which language does somebody read? What they chose once, else what their browser says
//! (RFC 9110 §12.5.4, looked up as RFC 4647 §3.4 has it).

use std::fmt;

use http::HeaderMap;
use http::header::{ACCEPT_LANGUAGE, COOKIE, HeaderValue};

/// The most languages of one `Accept-Language` that are looked at.
const MOST: usize = 32;

/// The name of a language, such as `en` or `pt-br` (RFC 5646), in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LanguageTag(Box<str>);

/// Whoever looks at a page.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// What they chose.
    chosen: Option<LanguageTag>,
    /// `Accept-Language`, read when a page is made.
    accepts: Option<HeaderValue>,
    /// The query of the page of ours that they look at, where asking again only shows it again.
    asked: Option<Box<str>>,
}

impl LanguageTag {
    /// Letters, digits and hyphens: subtags of at most eight characters, the first of two letters
    /// at least.
    pub fn parse(text: &str) -> Option<Self> {
        let is_subtag = |part: &str| {
            matches!(part.len(), 1..=8) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        let first = text.split('-').next().unwrap_or_default();
        let is_language = first.len() >= 2 && first.bytes().all(|b| b.is_ascii_alphabetic());
        (text.len() <= 35 && is_language && text.split('-').all(is_subtag))
            .then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LanguageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Reader {
    /// Reads what a browser sends with a request for a page; a choice is kept in the cookie of this name.
    pub fn read(headers: &HeaderMap, cookie: &str) -> Self {
        Self {
            chosen: chosen(headers, cookie),
            accepts: headers.get(ACCEPT_LANGUAGE).cloned(),
            asked: None,
        }
    }

    /// The same person, who has just chosen this language.
    pub fn choosing(&self, language: LanguageTag) -> Self {
        Self {
            chosen: Some(language),
            ..self.clone()
        }
    }

    /// The same person, who asked for a page of ours with this query, and may ask again.
    pub fn asking(&self, query: &str) -> Self {
        Self {
            asked: Some(query.into()),
            ..self.clone()
        }
    }

    /// The query of the page that they may ask for again, in another language.
    pub fn asked(&self) -> Option<&str> {
        self.asked.as_deref()
    }

    /// Which of these languages they would rather read; `None` where they read none of them.
    pub fn choose(&self, offered: &[LanguageTag]) -> Option<usize> {
        let chosen = self.chosen.as_ref().map(LanguageTag::as_str);
        chosen
            .and_then(|tag| look_up(tag, offered))
            .or_else(|| self.accepted(offered))
    }

    fn accepted(&self, offered: &[LanguageTag]) -> Option<usize> {
        let text = self.accepts.as_ref()?.to_str().ok()?;
        let mut ranges: Vec<(u16, &str)> = text.split(',').take(MOST).filter_map(range).collect();
        ranges.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        ranges
            .into_iter()
            .find_map(|(_, range)| look_up(range, offered))
    }
}

/// One element of `Accept-Language`, with its weight in thousandths; `None` where that is 0 or not
/// one.
fn range(element: &str) -> Option<(u16, &str)> {
    let (name, parameter) = element.split_once(';').unwrap_or((element, "q=1"));
    let weight: f32 = parameter.trim().strip_prefix("q=")?.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1000"
    )]
    let thousandths = (weight.clamp(0.0, 1.0) * 1000.0) as u16;
    (thousandths > 0).then(|| (thousandths, name.trim()))
}

/// The language itself, else one that it is a kind of, else one of its kinds; `*` is any.
fn look_up(range: &str, offered: &[LanguageTag]) -> Option<usize> {
    if range == "*" {
        return (!offered.is_empty()).then_some(0);
    }
    let wanted = LanguageTag::parse(range)?;
    let mut broader = Some(wanted.as_str());
    while let Some(tag) = broader {
        if let Some(found) = offered.iter().position(|offer| offer.as_str() == tag) {
            return Some(found);
        }
        broader = tag.rsplit_once('-').map(|(rest, _)| rest);
    }
    let is_kind = |offer: &LanguageTag| {
        let rest = offer.as_str().strip_prefix(wanted.as_str());
        rest.is_some_and(|rest| rest.starts_with('-'))
    };
    offered.iter().position(is_kind)
}

fn chosen(headers: &HeaderMap, cookie: &str) -> Option<LanguageTag> {
    let fields = headers.get_all(COOKIE).iter();
    fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.trim() == cookie)
        .and_then(|(_, value)| LanguageTag::parse(value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(names: &str) -> Vec<LanguageTag> {
        let names = names.split_whitespace();
        names
            .map(|name| LanguageTag::parse(name).unwrap())
            .collect()
    }

    fn reader(cookie: &str, accepts: &str) -> Reader {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookie.parse().unwrap());
        headers.insert(ACCEPT_LANGUAGE, accepts.parse().unwrap());
        Reader::read(&headers, "__Host-vestibule_language")
    }

    #[test]
    fn the_browser_says_what_somebody_reads() {
        for (accepts, offered, found) in [
            ("ja", "en ja", Some(1)),
            ("JA-jp", "en ja", Some(1)),
            ("ja-Hira-JP,en;q=0.5", "en ja", Some(1)),
            ("fr, ja;q=0.3, en;q=0.7", "en ja", Some(0)),
            ("fr,de", "en ja", None),
            ("ja;q=0, *;q=0.1", "en ja", Some(0)),
            ("*", "ja en", Some(0)),
            ("pt", "en pt-br", Some(1)),
            ("p", "en pt-br", None),
            ("en;q=x, ja", "en ja", Some(1)),
            ("", "en ja", None),
            (",;,=", "en ja", None),
        ] {
            let reader = reader("a=b", accepts);
            assert_eq!(reader.choose(&tags(offered)), found, "{accepts}");
        }
    }

    #[test]
    fn their_own_choice_comes_first() {
        for (cookie, found) in [
            ("__Host-vestibule_language=ja", Some(1)),
            ("a=b; __Host-vestibule_language = JA ", Some(1)),
            (
                "vestibule_language=ja; __Host-vestibule_language=en",
                Some(0),
            ),
            ("vestibule_language=ja", Some(0)),
            ("__Host-vestibule_language_8443=ja", Some(0)),
            ("__Host-vestibule_language=fr", Some(0)),
            ("__Host-vestibule_language=<script>", Some(0)),
            ("__Host-vestibule_language=", Some(0)),
        ] {
            let reader = reader(cookie, "en");
            assert_eq!(reader.choose(&tags("en ja")), found, "{cookie}");
        }
        let changed = reader("__Host-vestibule_language=en", "en").choosing(tags("ja").remove(0));
        assert_eq!(changed.choose(&tags("en ja")), Some(1));
    }

    #[test]
    fn what_is_no_language_is_none() {
        for text in ["", "e", "1n", "en-", "en--us", "en_us", "en-ninechars", "é"] {
            assert_eq!(LanguageTag::parse(text), None, "{text}");
        }
        let long = format!("en{}", "-abcdefgh".repeat(4));
        assert_eq!(LanguageTag::parse(&long), None);
        assert_eq!(
            LanguageTag::parse("zh-Hant-TW").unwrap().as_str(),
            "zh-hant-tw"
        );
    }
}
