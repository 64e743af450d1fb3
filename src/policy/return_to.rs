//! Where to go after sign-in: a path of this very host, or `/`.

use url::Url;

use crate::policy::OwnPrefix;
use crate::request::RequestPath;

/// The longest path that is kept, in bytes.
const LONGEST: usize = 2048;

/// A path (with query and fragment) that cannot lead to another site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Rebuilds the path from a parsed URL: at most 2 KiB, one leading slash, visible ASCII, not under
    /// our own prefix (`account` and `resend` excepted). Anything else becomes `/`.
    pub fn parse(text: &str, own: &OwnPrefix) -> Self {
        Self(rebuild(text, own).unwrap_or_else(|| "/".to_owned()))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads the text as a browser would that stands on our host, and writes down what it understood.
fn rebuild(text: &str, own: &OwnPrefix) -> Option<String> {
    let suspicious = |c: char| c == '\\' || c.is_control();
    if text.len() > LONGEST || !text.starts_with('/') || text.contains(suspicious) {
        return None;
    }
    let base = Url::parse("https://host.invalid/").ok()?;
    let there = base.join(text).ok()?;
    let rebuilt = &there[url::Position::BeforePath..];
    let stays = there.origin() == base.origin()
        && rebuilt.len() <= LONGEST
        && !rebuilt.starts_with("//")
        && rebuilt.bytes().all(|b| b.is_ascii_graphic());
    (stays && may_lead_to(there.path(), own)).then(|| rebuilt.to_owned())
}

/// Our own pages that somebody may be sent to after sign-in.
const OWN_PAGES: [&str; 2] = ["/account", "/resend"];

/// Whether somebody may be sent to this path after sign-in: none of our own endpoints in any reading,
/// or else, in all of them, the same one of these pages.
fn may_lead_to(path: &str, own: &OwnPrefix) -> bool {
    RequestPath::read(path).is_ok_and(|path| {
        let is_always = |page: &str| {
            path.readings()
                .all(|reading| own.strip(reading) == Some(page))
        };
        OWN_PAGES.into_iter().any(is_always)
            || !path
                .readings()
                .any(|reading| own.covers_in_any_case(reading))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> String {
        let own = OwnPrefix::parse("/vestibule").unwrap();
        ReturnTo::parse(text, &own).as_str().to_owned()
    }

    #[test]
    fn a_path_of_this_host_is_kept() {
        for (text, kept) in [
            ("/", "/"),
            (
                "/a/b?c=d&e=https://f.example#g",
                "/a/b?c=d&e=https://f.example#g",
            ),
            ("/a/../b", "/b"),
            ("/a b", "/a%20b"),
            ("/ä?ö", "/%C3%A4?%C3%B6"),
            ("/%5c..", "/%5c.."),
            ("/a//b", "/a//b"),
            ("/@host", "/@host"),
            ("/vestibule/account", "/vestibule/account"),
            ("/vestibule/account?x", "/vestibule/account?x"),
            ("/vestibule/resend?form=x", "/vestibule/resend?form=x"),
            ("/vestibules", "/vestibules"),
        ] {
            assert_eq!(parse(text), kept, "{text}");
        }
    }

    #[test]
    fn everything_else_becomes_the_root() {
        let long = format!("/{}", "a".repeat(LONGEST));
        let grows = format!("/{}", " ".repeat(LONGEST / 2));
        for text in [
            "",
            "a",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "///evil.example",
            "/..//evil.example",
            "/.//evil.example",
            "/%2e//evil.example",
            "/a/..//evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            " //evil.example",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "//",
            "/a\r\nset-cookie:x",
            "/a\0",
            "/a\u{85}",
            "/%zz",
            "?a",
            "#a",
            "/vestibule",
            "/vestibule/",
            "/vestibule/login",
            "/vestibule/logout?x",
            "/Vestibule/login",
            "/x/../vestibule/login",
            "/%76estibule/login",
            "/x/..%2fvestibule/login",
            "/vestibule/account/../logout",
            "/vestibule/account/x",
            "/vestibule/account%2f..%2flogout",
            "/vestibule/accounts",
            "/vestibule/resend/x",
            "/vestibule/resend%2f..%2flogout",
            "/vestibule/resend/../logout",
            "/vestibule/Account",
            &long,
            &grows,
        ] {
            assert_eq!(parse(text), "/", "{text:?}");
        }
    }
}
