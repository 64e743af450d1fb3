//! `cookies.domain`: one sign-in for all hosts of a domain.

use std::fs;

use tempfile::TempDir;

use crate::support::{Gateway, Navigator, PASSWORD, Request, Setup, Upstream, curl, vestibule};

const A: &str = "https://a.example.com";
const B: &str = "https://b.example.com";

fn setup(upstream: &Upstream) -> Setup {
    Setup::in_front_of(upstream)
        .route(
            "/",
            &upstream.url(),
            "signed-in",
            "host = \"b.example.com\"",
        )
        .public_url(A)
}

fn shared(upstream: &Upstream) -> Gateway {
    setup(upstream)
        .section("[cookies]\ndomain = \"example.com\"")
        .start()
}

#[test]
fn a_sign_in_at_one_host_is_one_at_all_and_so_is_a_sign_out() {
    let upstream = Upstream::start();
    let gateway = shared(&upstream);
    let mut browser = Navigator::default();
    let arrived = browser.sign_in(&gateway, A, "ada", "/wiki");
    assert_eq!((arrived.answer.status, arrived.way.len()), (200, 3));
    for origin in [A, B] {
        let page = browser.go(&gateway, origin, "/x");
        assert_eq!((page.answer.status, page.way), (200, vec!["/x".to_owned()]));
        assert_eq!(upstream.last().head.all("x-forwarded-user"), ["ada"]);
        assert_eq!(
            upstream.last().head.all("cookie"),
            [""; 0],
            "the app sees none"
        );
    }
    assert!(browser.keeps("__Secure-vestibule_device"));
    let out = browser.sign_out(&gateway, B);
    assert!(out.answer.text().contains("You are signed out"));
    assert!(!browser.keeps("access") && !browser.keeps("refresh"));
    for origin in [A, B] {
        let page = browser.go(&gateway, origin, "/x");
        assert!(page.answer.text().contains("<form"), "{:?}", page.way);
    }
    let back = browser.sign_in(&gateway, B, "ada", "/y");
    assert_eq!(back.answer.status, 200);
    assert_eq!(
        upstream.last().head.all("host"),
        ["b.example.com"],
        "where they came to"
    );
}

#[test]
fn without_a_domain_each_host_has_a_sign_in_of_its_own() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream).start();
    let mut browser = Navigator::default();
    browser.sign_in(&gateway, A, "ada", "/");
    assert_eq!(browser.go(&gateway, A, "/x").way.len(), 1);
    assert_eq!(browser.go(&gateway, B, "/x").way.len(), 2);
}

#[test]
fn shared_cookies_say_what_they_are() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream)
        .public_url("https://a.example.com:8443")
        .section("[cookies]\ndomain = \"example.com\"")
        .start();
    let form = |origin: &str| {
        Request::post("/vestibule/login")
            .header("Host", "a.example.com:8443")
            .header("Origin", origin)
            .form(&[("username", "ada"), ("password", PASSWORD)])
            .send(&gateway)
    };
    let answer = form("https://a.example.com:8443");
    let cookies = answer.head.all("set-cookie");
    assert_eq!(cookies.len(), 3, "{cookies:?}");
    for (cookie, name) in cookies.iter().zip(["refresh", "access", "device"]) {
        assert!(
            cookie.starts_with(&format!("__Secure-vestibule_{name}_8443=")),
            "{cookie}"
        );
        let attributes = "; Domain=example.com; Path=/; Secure; HttpOnly; SameSite=Lax";
        assert!(cookie.ends_with(attributes), "{cookie}");
    }
    // A neighbour is another origin, whatever cookies it shares.
    assert_eq!(form(B).error(), "csrf_rejected");
    let log = gateway.log();
    assert!(
        log.contains("every host of it receives the cookies"),
        "{log}"
    );
}

#[test]
fn cookies_from_before_they_were_shared_are_cleared() {
    let upstream = Upstream::start();
    let alone = setup(&upstream);
    let gateway = alone.start();
    let mut browser = Navigator::default();
    browser.sign_in(&gateway, A, "ada", "/");
    assert!(browser.keeps("__Host-vestibule_access"));
    gateway.configure(&alone.clone().section("[cookies]\ndomain = \"example.com\""));
    gateway.reload();
    let before = browser.clone();
    let page = browser.go(&gateway, A, "/x");
    assert_eq!(page.way.len(), 2, "the old ones count nothing");
    browser.sign_in(&gateway, A, "ada", "/x");
    assert!(browser.keeps("__Secure-vestibule_access") && !browser.keeps("__Host-"));

    let mut both = before;
    let cookies = browser.cookies_for("https://a.example.com/");
    for pair in cookies.split("; ") {
        both.take(
            "https://a.example.com/",
            &format!("{pair}; Domain=example.com; Path=/; Secure"),
        );
    }
    both.sign_out(&gateway, A);
    assert!(!both.keeps("access") && !both.keeps("refresh"), "{both:?}");
    assert_eq!(
        browser.go(&gateway, B, "/x").way.len(),
        2,
        "signed out everywhere"
    );
}

#[test]
fn t_19_what_a_neighbour_plants_is_refused_and_cleared() {
    let upstream = Upstream::start();
    let gateway = shared(&upstream);
    for planted in [
        "__Secure-vestibule_access=x; Domain=example.com; Path=/wiki; Secure",
        "__Secure-vestibule_refresh=x; Path=/; Secure",
        "__Secure-vestibule_access=x; Path=/wiki/; Secure",
    ] {
        let mut browser = Navigator::default();
        browser.sign_in(&gateway, A, "ada", "/");
        browser.take("https://a.example.com/", planted);
        let count = upstream.count();
        let script = Request::get("/wiki/x");
        let refused = browser.send(&gateway, A, "/wiki/x", script);
        let told = (refused.status, refused.error());
        assert_eq!(told, (400, "ambiguous_credentials".to_owned()), "{planted}");
        let page = browser.go(&gateway, A, "/wiki/x");
        let text = page.answer.text();
        assert!(
            text.contains("sent a cookie of this sign-in twice"),
            "{planted}: {text}"
        );
        assert_eq!(upstream.count(), count);
        let on = browser.sign_in(&gateway, A, "ada", "/wiki/x");
        assert_eq!(on.answer.status, 200, "{planted}: {:?}", on.way);
    }
}

#[test]
fn a_host_outside_the_domain_is_named_at_the_start_and_after_a_sign_in() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream)
        .route(
            "/",
            &upstream.url(),
            "signed-in",
            "host = \"c.example.net\"",
        )
        .section("[cookies]\ndomain = \"example.com\"")
        .start();
    let said = "its host c.example.net is not in the cookies.domain example.com";
    assert!(gateway.log().contains(said), "{}", gateway.log());
    let mut browser = Navigator::default();
    let origin = "https://c.example.net";
    let form = Request::post("/vestibule/login").navigating().form(&[
        ("check_cookies", "true"),
        ("username", "ada"),
        ("password", PASSWORD),
    ]);
    let sent = browser.send(&gateway, origin, "/vestibule/login", form);
    assert_eq!(sent.status, 303);
    let look = sent.header("location").unwrap().to_owned();
    let told = browser.send(&gateway, origin, &look, Request::get(&look).navigating());
    assert_eq!(told.status, 400);
    assert!(told.text().contains("outside_domain"), "{}", told.text());
}

#[test]
fn over_tls_curl_keeps_one_jar_for_both_hosts() {
    let upstream = Upstream::start();
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let names = ["a.example.com".to_owned(), "b.example.com".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(path("cert.pem"), made.cert.pem()).unwrap();
    fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let gateway = setup(&upstream)
        .also_listen("https://127.0.0.1:0")
        .section(&format!("[server.tls]\ncert = {cert:?}\nkey = {key:?}"))
        .section("[cookies]\ndomain = \"example.com\"")
        .start();
    let log = gateway.log();
    let rest = log.split("listening on https://").nth(1).unwrap();
    let port = rest[..rest.find([',', '\n', ' ', '"']).unwrap()]
        .rsplit_once(':')
        .unwrap()
        .1;
    let way = format!("::127.0.0.1:{port}");
    let jar = path("jar");
    let ask = |arguments: &[&str]| {
        let common = [
            "--cacert",
            &cert,
            "--connect-to",
            &way,
            "-b",
            &jar,
            "-c",
            &jar,
            "-i",
        ];
        curl(&[&common, arguments].concat()).expect_success().out
    };
    let origin = "Origin: https://a.example.com";
    let fields = format!("username=ada&password={PASSWORD}");
    let sign_in = "https://a.example.com/vestibule/login";
    let signed_in = ask(&["-H", origin, "-d", &fields, sign_in]);
    assert!(signed_in.starts_with("HTTP/1.1 303"), "{signed_in}");
    for page in ["https://a.example.com/x", "https://b.example.com/x"] {
        let answer = ask(&[page]);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("x-forwarded-user: ada"), "{answer}");
    }
    let origin = "Origin: https://b.example.com";
    let sign_out = "https://b.example.com/vestibule/logout";
    ask(&["-H", origin, "-X", "POST", sign_out]);
    let answer = ask(&["https://a.example.com/x"]);
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[test]
fn check_refuses_a_domain_that_browsers_would_not_take() {
    let upstream = Upstream::start();
    for (public, domain, said) in [
        (A, "com", "belongs to everybody"),
        (
            A,
            "example.net",
            "https://a.example.com is not in example.net",
        ),
        ("http://a.localhost", "a.localhost", "is plain http"),
    ] {
        let folder = TempDir::new().unwrap();
        let text = Setup::in_front_of(&upstream)
            .public_url(public)
            .section(&format!("[cookies]\ndomain = {domain:?}"))
            .to_toml();
        fs::write(folder.path().join("config.toml"), text).unwrap();
        let done = vestibule(folder.path(), &["check", "--config", "config.toml"], "");
        assert_eq!(done.code, Some(1));
        assert!(
            done.err.contains("cookies.domain") && done.err.contains(said),
            "{}",
            done.err
        );
    }
}
