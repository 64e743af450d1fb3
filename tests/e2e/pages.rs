//! What pages say: in whose language, under whose name, and from which files.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use crate::support::{
    Answer, Gateway, Jar, Request, Setup, Upstream, browser_sign_in, vestibule, wait_until,
};

const PATIENCE: Duration = Duration::from_secs(60);

const GERMAN: &str = "[language]\nname = 'Deutsch'\n[login]\ntitle = 'Anmelden'\n";

fn page(gateway: &Gateway, target: &str, language: &str) -> Answer {
    Request::get(target)
        .navigating()
        .header("Accept-Language", language)
        .send(gateway)
}

#[test]
fn a_page_is_in_the_language_that_the_browser_asks_for() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    for (asked, tag, title) in [
        ("ja", "ja", "サインイン"),
        ("ja-JP, en;q=0.8", "ja", "サインイン"),
        ("en-GB, ja;q=0.8", "en", "Sign in"),
        ("fr", "en", "Sign in"),
    ] {
        let shown = page(&gateway, "/vestibule/login", asked);
        let html = shown.text();
        assert!(html.contains(&format!("<html lang=\"{tag}\">")), "{html}");
        assert!(html.contains(&format!("<h1>{title}</h1>")), "{html}");
        assert_eq!(shown.head.all("set-cookie"), Vec::<&str>::new());
    }
}

#[test]
fn whoever_chose_a_language_keeps_it() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let chosen = page(
        &gateway,
        "/vestibule/login?language=ja&return_to=%2Fwiki",
        "en",
    );
    assert!(chosen.text().contains("value=\"/wiki\""));
    let cookie = chosen.header("set-cookie").unwrap_or_default();
    assert!(
        cookie.starts_with("vestibule_language=ja; Max-Age=31536000; Path=/; "),
        "{cookie}"
    );
    let mut jar = Jar::default();
    jar.take(&chosen.head);
    let request = Request::get("/vestibule/login").navigating();
    let later = jar.with(request.header("Accept-Language", "en"));
    assert!(later.send(&gateway).text().contains("<html lang=\"ja\">"));

    let unknown = page(&gateway, "/vestibule/login?language=fr", "ja");
    assert_eq!(unknown.head.all("set-cookie"), Vec::<&str>::new());
    assert!(unknown.text().contains("<html lang=\"ja\">"));

    // What others may keep brings no cookie.
    for path in [
        "/vestibule/jwks.json?language=ja",
        "/vestibule/session?language=ja",
    ] {
        let answer = Request::get(path).send(&gateway);
        assert_eq!(answer.head.all("set-cookie"), Vec::<&str>::new(), "{path}");
    }

    // It stays between them and us.
    let cookies = "a=b; vestibule_language=ja";
    let signed_in = browser_sign_in(&gateway, "ada");
    let request = Request::get("/").header("Cookie", &format!("{cookies}; {signed_in}"));
    assert_eq!(request.send(&gateway).status, 200);
    assert_eq!(upstream.last().head.all("cookie"), ["a=b"]);
}

#[test]
fn a_problem_is_told_in_the_readers_language_and_to_programs_in_english() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let gone = format!("http://{}", nobody.unwrap());
    let gateway = Setup::new().route("/", &gone, "anyone", "").start();
    let shown = page(&gateway, "/", "ja");
    assert_eq!(shown.status, 502);
    let html = shown.text();
    assert!(html.contains("<h1>アプリに接続できません</h1>"), "{html}");
    assert!(html.contains("502 upstream_unreachable"), "{html}");
    let told = Request::get("/")
        .header("Accept-Language", "ja")
        .send(&gateway);
    assert_eq!(told.error(), "upstream_unreachable");
    let description = told.json()["error_description"].to_string();
    assert!(description.contains("cannot be reached"), "{description}");
    let odd = page(&gateway, "/%zz", "ja").text();
    assert!(
        odd.contains("<html lang=\"ja\">") && odd.contains("400 invalid_request"),
        "{odd}"
    );
    assert!(odd.contains("2桁の16進数がありません。"), "{odd}");
}

#[test]
fn what_is_wrong_with_a_page_of_ours_can_be_read_in_another_language() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let gone = format!("http://{}", nobody.unwrap());
    let gateway = Setup::new().route("/", &gone, "anyone", "").start();
    let lost = "/vestibule/login?after=sign-in&return_to=%2Fwiki%3F%22&other=%3Cb%3E";
    let shown = page(&gateway, lost, "en");
    assert_eq!(shown.status, 400);
    let html = shown.text();
    for told in [
        "<form method=\"get\" aria-label=\"Language\">",
        "name=\"after\" value=\"sign-in\"",
        "name=\"return_to\" value=\"/wiki?&quot;\"",
        "name=\"language\" value=\"ja\"",
    ] {
        assert!(html.contains(told), "{told}: {html}");
    }
    assert!(!html.contains("name=\"other\""), "{html}");
    let chosen = "/vestibule/login?after=sign-in&return_to=%2Fwiki&language=ja";
    let chosen = page(&gateway, chosen, "en");
    assert_eq!(chosen.status, 400);
    assert!(chosen.text().contains("<html lang=\"ja\">"));
    let cookie = chosen.header("set-cookie").unwrap_or_default();
    assert!(cookie.starts_with("vestibule_language=ja; "), "{cookie}");

    // To ask again would send it again, or ask the app for something else.
    let posted = Request::post("/vestibule/nothing").navigating();
    let posted = posted.same_origin().send(&gateway);
    assert_eq!(posted.status, 404);
    let of_the_app = page(&gateway, "/", "en");
    assert_eq!(of_the_app.status, 502);
    for other in [posted, of_the_app] {
        assert!(!other.text().contains("name=\"language\""));
    }
}

#[test]
fn a_refused_sign_in_is_told_in_the_readers_language() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let shown = Request::post("/vestibule/login")
        .navigating()
        .same_origin()
        .header("Accept-Language", "ja")
        .form(&[("username", "ada"), ("password", "wrong")])
        .send(&gateway);
    assert_eq!(shown.status, 401);
    let html = shown.text();
    assert!(
        html.contains("ユーザー名またはパスワードが違います。"),
        "{html}"
    );
    assert!(html.contains("value=\"ada\""), "{html}");
}

#[test]
fn an_installation_brings_its_own_pages_and_a_reload_shows_them() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let folder = gateway.file("pages");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("de.toml"), GERMAN).unwrap();
    fs::write(folder.join("signed_out.html"), "Bye from {{ name }}!").unwrap();
    fs::write(
        gateway.file("logo.svg"),
        "<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
    )
    .unwrap();
    let pages = "[pages]\nname = 'Wiki'\nnotice = 'Ask Eve.'\naccent = '#7a1fa2'\n\
                 logo = 'logo.svg'\nfolder = 'pages'";
    let setup = Setup::in_front_of(&upstream).section(pages);
    gateway.configure(&setup);
    gateway.reload();
    let log = gateway.log();
    assert!(log.contains("pages.folder: de.toml lacks "), "{log}");

    let html = page(&gateway, "/vestibule/login", "de").text();
    assert!(html.contains("<title>Anmelden · Wiki</title>"), "{html}");
    assert!(
        html.contains("<p>Ask Eve.</p>") && html.contains("Deutsch"),
        "{html}"
    );
    assert!(
        html.contains(">Password</label>"),
        "English fills the gaps: {html}"
    );
    let bye = page(&gateway, "/vestibule/logout", "de");
    assert_eq!(bye.text(), "Bye from Wiki!");
    assert!(bye.head.all("content-security-policy").len() == 1);
    for (start, media_type, holds) in [
        ("src=\"", "image/svg+xml", "<svg"),
        (
            "rel=\"stylesheet\" href=\"",
            "text/css; charset=utf-8",
            "--accent: #7a1fa2",
        ),
    ] {
        let address = html.split_once(start).unwrap().1.split('"').next().unwrap();
        let asset = Request::get(address).send(&gateway);
        assert_eq!(asset.header("content-type"), Some(media_type));
        assert!(asset.text().contains(holds), "{}", asset.text());
    }

    // A page that cannot be shown changes nothing.
    fs::write(folder.join("login.html"), "{{ say('login.titel') }}").unwrap();
    gateway.hang_up();
    let told = "the old configuration stays in use: pages.folder: login.html: line 1: \
                no words are called login.titel";
    wait_until("the refusal", PATIENCE, || gateway.log().contains(told));
    let html = page(&gateway, "/vestibule/login", "de").text();
    assert!(html.contains("<title>Anmelden · Wiki</title>"), "{html}");
}

#[test]
fn check_finds_what_is_wrong_with_pages() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[[routes]]\nupstream = 'http://127.0.0.1:1'\n[pages]\nfolder = 'pages'\n";
    fs::write(folder.path().join("config.toml"), config).unwrap();
    let check = || vestibule(folder.path(), &["check"], "");
    let missing = check();
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.err.contains("pages.folder: there is no "),
        "{}",
        missing.err
    );

    let pages = folder.path().join("pages");
    fs::create_dir(&pages).unwrap();
    fs::write(pages.join("de.toml"), GERMAN).unwrap();
    let warned = check().expect_success();
    assert!(warned.out.contains("de.toml lacks "), "{}", warned.out);

    fs::write(pages.join("de.toml"), "login.titel = 'x'").unwrap();
    let refused = check();
    assert_eq!(refused.code, Some(1));
    let told = "pages.folder: de.toml: nothing here is called login.titel";
    assert!(refused.err.contains(told), "{}", refused.err);
}
