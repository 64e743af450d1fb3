//! Tests: what pages hold, in which language, and what files of an installation change.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;
use http_body_util::BodyExt;

use super::*;

pub(super) fn pages() -> Pages {
    with(&[]).unwrap()
}

/// Pages with these files in place of ours or beside them.
fn with(files: &[(&str, &str)]) -> Result<Pages, PagesError> {
    let prefix = OwnPrefix::parse("/vestibule").unwrap();
    let files = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let settings = PagesSettings {
        files: files.collect(),
        ..PagesSettings::default()
    };
    Pages::new(&prefix, Profile::default(), &settings)
}

const RESEND: ResendPage<'_> = ResendPage {
    target: "/app?a='\"<b>&c",
    id: "AAAA",
    bytes: 2048,
};

/// Somebody who reads this language.
pub(super) fn reader(language: &str) -> Reader {
    let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, language.parse().unwrap())]);
    Reader::read(&headers, "")
}

pub(super) async fn text(reply: Reply) -> String {
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn the_sign_in_page_keeps_what_was_typed_and_escapes_it() {
    let page = LoginPage {
        return_to: "/app?a=1&b=\"2\"",
        username: "<script>&#x2f;",
        message: Some(Message::Wrong),
        ..LoginPage::default()
    };
    let reply = pages().login(&Reader::default(), StatusCode::UNAUTHORIZED, &page);
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    let html = text(reply).await;
    // An action would lose the fragment of the address.
    assert!(html.contains(r#"<form method="post">"#), "{html}");
    assert!(html.contains("&lt;script&gt;&amp;#x2f;") && !html.contains("<script>"));
    assert!(html.contains("a=1&amp;b=&quot;2&quot;"));
    assert!(html.contains("The name or the password is wrong."));
}

#[tokio::test]
async fn the_page_that_asks_about_a_form_sends_it_where_it_was_sent() {
    let reply = pages().resend(&Reader::default(), &RESEND);
    let policy = reply.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action *;"), "{policy}");
    let html = text(reply).await;
    assert!(html.contains(r#"action="/app?a=&#x27;&quot;&lt;b&gt;&amp;c" enctype="text/plain""#));
    assert!(html.contains("POST /app, 2 KiB") && html.contains(r#"value="AAAA""#));
}

#[tokio::test]
async fn pages_are_small_and_shut_in() {
    let pages = pages();
    let style = pages.assets[0].name().to_owned();
    let style_length = text(pages.asset(&style).unwrap()).await.len();
    for language in ["en", "ja"] {
        let reader = reader(language);
        let page = LoginPage {
            message: Some(Message::Wrong),
            new_password: Some(8),
            ..LoginPage::default()
        };
        let login = pages.login(&reader, StatusCode::OK, &page);
        let resend = pages.resend(&reader, &RESEND);
        for reply in [
            pages.logout(&reader, None),
            pages.signed_out(&reader),
            login,
            resend,
        ] {
            let headers = reply.headers().clone();
            assert_eq!(headers["x-frame-options"], "DENY");
            assert_eq!(headers["cache-control"], "no-store");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'self'"));
            let html = text(reply).await;
            assert!(html.len() + style_length < 12 * 1024);
            assert!(html.contains(&style));
        }
    }
}

#[test]
fn the_style_sheet_is_found_by_its_fingerprint_only() {
    assert!(pages().asset("style.css").is_none());
}

#[tokio::test]
async fn everybody_is_spoken_to_in_their_language() {
    for (asked, tag, title) in [
        ("ja", "ja", "サインイン"),
        ("ja-JP,en;q=0.5", "ja", "サインイン"),
        ("de", "en", "Sign in"),
    ] {
        let page = LoginPage::default();
        let html = text(pages().login(&reader(asked), StatusCode::OK, &page)).await;
        assert!(html.contains(&format!("<html lang=\"{tag}\">")), "{html}");
        assert!(html.contains(&format!("<h1>{title}</h1>")), "{html}");
    }
}

#[tokio::test]
async fn files_replace_pages_and_add_languages() {
    let logout = "{% extends \"layout.html\" %}{% block main %}<h1>{{ say('logout.title') }}</h1>Hi!{% endblock %}";
    let german = "[language]\nname = 'Deutsch'\n[logout]\ntitle = 'Abmelden?'";
    let pages = with(&[("logout.html", logout), ("de.toml", german)]).unwrap();
    assert_eq!(pages.warnings().len(), 1);
    let html = text(pages.logout(&reader("de"), None)).await;
    assert!(html.contains("<h1>Abmelden?</h1>Hi!"), "{html}");
    let html = text(pages.signed_out(&reader("de"))).await;
    assert!(html.contains("value=\"de\" lang=\"de\"") && html.contains("Deutsch"));
}

/// Each of ours, put in its own place: the values that pages are tried with are all that they use.
#[test]
fn files_can_start_from_any_page_of_ours() {
    for (name, source) in TEMPLATES {
        let refused = with(&[(name, source)]).err();
        assert_eq!(refused, None, "{name}");
    }
    let typo = with(&[("account.html", "{{ user.nom.de }}")]);
    assert!(typo.err().unwrap().to_string().contains("account.html"));
}

#[test]
fn a_page_that_cannot_be_shown_is_refused() {
    for (name, source, told) in [
        ("logout.html", "{% if %}", "logout.html: line 1: "),
        (
            "login.html",
            "\n{{ say('login.titel') }}",
            "login.html: line 2: no words are called login.titel",
        ),
        (
            "welcome.html",
            "",
            "welcome.html: replaces none of our pages",
        ),
        ("main.css", "", "main.css: replaces none of our pages"),
    ] {
        let refused = with(&[(name, source)]).err().unwrap().to_string();
        assert!(refused.starts_with("pages.folder: "), "{refused}");
        assert!(refused.contains(told), "{refused}");
    }
}

#[tokio::test]
async fn where_their_page_fails_ours_is_shown() {
    let source = "{% if not username %}{{ nobody.at_all }}{% endif %}theirs";
    let pages = with(&[("login.html", source)]).unwrap();
    let page = LoginPage {
        username: "ada",
        ..LoginPage::default()
    };
    let html = text(pages.login(&Reader::default(), StatusCode::OK, &page)).await;
    assert_eq!(html, "theirs");
    let html = text(pages.login(&Reader::default(), StatusCode::OK, &LoginPage::default())).await;
    assert!(html.contains("<h1>Sign in</h1>"));
}

#[tokio::test]
async fn an_installation_shows_its_name_logo_notice_and_colour() {
    let prefix = OwnPrefix::parse("/vestibule").unwrap();
    let settings = PagesSettings {
        name: "Ada & Co".to_owned(),
        notice: "Hello.\nAsk <it>.".to_owned(),
        accent: Some(crate::config::Color([0x7a, 0x1f, 0xa2])),
        logo: Some(crate::config::Logo {
            extension: "png",
            media_type: "image/png",
            content: vec![1],
        }),
        ..PagesSettings::default()
    };
    let pages = Pages::new(&prefix, Profile::default(), &settings).unwrap();
    let page = LoginPage::default();
    let html = text(pages.login(&Reader::default(), StatusCode::OK, &page)).await;
    assert!(
        html.contains("<title>Sign in · Ada &amp; Co</title>"),
        "{html}"
    );
    assert!(html.contains("<p>Hello.</p>\n<p>Ask &lt;it&gt;.</p>"));
    let logo = pages.assets[1].name();
    assert!(html.contains(&format!("<img src=\"/vestibule/assets/{logo}\" alt=\"\">")));
    assert!(pages.asset(logo).is_some());
}

/// The source of all rooms that make problems which people see.
fn makers_of_problems() -> Vec<String> {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<_> = [
        "authenticate",
        "endpoints",
        "gate",
        "policy",
        "proxy",
        "server",
    ]
    .map(|room| source.join(room))
    .into();
    let mut texts = vec![std::fs::read_to_string(source.join("reply.rs")).unwrap()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                texts.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    texts
}

#[test]
fn every_detail_that_is_worded_has_its_words_and_no_words_are_left_over() {
    let (languages, _) = Languages::with([]).unwrap();
    let texts = makers_of_problems();
    let calls = texts
        .iter()
        .flat_map(|text| text.split(".worded(\"").skip(1));
    let mut names = calls.filter_map(|rest| rest.split('"').next()).peekable();
    assert!(names.peek().is_some());
    for name in names {
        for language in languages.iter() {
            let words = language.words(&format!("details.{name}"));
            assert!(words.is_some(), "{} {name}", language.tag());
        }
    }
    let english = languages.iter().next().unwrap();
    for name in english.keys_in("details.") {
        let literal = format!("\"{name}\"");
        assert!(texts.iter().any(|text| text.contains(&literal)), "{name}");
    }
}

/// The codes are where problems are made; admin's are told to programs only.
#[test]
fn every_problem_has_its_words() {
    let texts = makers_of_problems();
    let (languages, _) = Languages::with([]).unwrap();
    let mut codes = std::collections::BTreeSet::new();
    for text in &texts {
        let made = text.split("StatusCode::").skip(1);
        for rest in made {
            let mut parts = rest.splitn(3, '"');
            let is_argument = parts.next().unwrap().trim_end().ends_with(',');
            let code = parts.next().unwrap_or_default();
            let is_code =
                !code.is_empty() && code.bytes().all(|b| b == b'_' || b.is_ascii_lowercase());
            if is_argument && is_code {
                codes.insert(code);
            }
        }
    }
    assert!(codes.contains("forbidden") && codes.len() > 15, "{codes:?}");
    for code in codes {
        for language in languages.iter() {
            for what in ["title", "text"] {
                let key = format!("problems.{code}.{what}");
                assert!(language.words(&key).is_some(), "{} {key}", language.tag());
            }
        }
    }
}
