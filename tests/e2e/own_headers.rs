//! What browsers are told of everything that vestibule answers itself: not to keep it, not to guess what
//! it is, and on pages to run and load nothing from elsewhere.

use serde_json::json;

use crate::support::{Answer, Gateway, Request, Upstream, browser_sign_in, sign_in};

/// A request to every page and endpoint, and one for every other answer of our own.
fn all(gateway: &Gateway) -> Vec<Request> {
    let [token, last] = [(); 2].map(|()| sign_in(gateway, "ada"));
    let cookies = browser_sign_in(gateway, "ada");
    let post = |path: &str| Request::post(path).same_origin();
    let navigate = |path: &str| Request::get(path).navigating();
    let own = "/vestibule";
    let login = Request::get(&format!("{own}/login")).send(gateway).text();
    let (_, style) = login
        .split_once("<link rel=\"stylesheet\" href=\"")
        .unwrap();
    let (style, _) = style.split_once('"').unwrap();
    vec![
        Request::get(&format!("{own}/login")).navigating(),
        Request::get(&format!("{own}/login"))
            .navigating()
            .header("Cookie", &cookies),
        post(&format!("{own}/login"))
            .navigating()
            .form(&[("username", "ada"), ("password", "wrong")]),
        post(&format!("{own}/login")).json(&json!({"username": "ada", "password": "wrong"})),
        Request::get(&format!("{own}/logout")).navigating(),
        Request::get(&format!("{own}/logout"))
            .navigating()
            .header("Cookie", &cookies),
        post(&format!("{own}/refresh")).json(&json!({"refresh_token": last.refresh})),
        post(&format!("{own}/refresh")).header("Cookie", &cookies),
        Request::get(&format!("{own}/session")).bearer(&token.access),
        Request::get(&format!("{own}/session")),
        Request::get(&format!("{own}/sessions")).bearer(&token.access),
        Request::new("DELETE", &format!("{own}/sessions/{}", last.session)).bearer(&token.access),
        post(&format!("{own}/password"))
            .bearer(&token.access)
            .json(&json!({"current_password": "wrong", "new_password": "wrong"})),
        Request::get(&format!("{own}/account"))
            .navigating()
            .header("Cookie", &cookies),
        Request::get(&format!("{own}/account")).navigating(),
        Request::get(&format!("{own}/login?after=sign-in")).navigating(),
        Request::get(&format!("{own}/resend?form=AAAAAAAAAAAAAAAAAAAAAA")).navigating(),
        Request::get(&format!("{own}/jwks.json")),
        Request::get(style),
        Request::get(&format!("{own}/nothing")),
        Request::get(&format!("{own}/nothing")).navigating(),
        Request::new("PATCH", &format!("{own}/login")),
        Request::new("OPTIONS", &format!("{own}/login"))
            .header("Origin", "https://a.example")
            .header("Access-Control-Request-Method", "POST"),
        Request::get("/"),
        Request::get("/").navigating(),
        Request::post("/").navigating(),
        Request::get("/").navigating().bearer("a.b.c"),
        navigate("/").header("Host", "elsewhere.example"),
        navigate("/").header("Authorization", "Bearer a, Bearer b"),
        Request::post("/").header("Content-Type", "application/grpc"),
        post(&format!("{own}/logout"))
            .navigating()
            .form(&[])
            .header("Cookie", &cookies),
        post(&format!("{own}/logout")).bearer(&token.access),
    ]
}

fn is_page(answer: &Answer) -> bool {
    let media_type = answer.header("content-type").unwrap_or_default();
    media_type.starts_with("text/html")
}

#[test]
fn every_answer_of_our_own_tells_browsers_what_not_to_do_with_it() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let (mut pages, mut kept) = (0, 0);
    for request in all(&gateway) {
        let answer = request.send(&gateway);
        let is = |name: &str, value: &str| {
            assert_eq!(
                answer.head.all(name),
                [value],
                "{name} {request:?} {answer:?}"
            );
        };
        is("x-vestibule", "1");
        is("x-content-type-options", "nosniff");
        is("cross-origin-resource-policy", "same-origin");
        if answer.head.all("cache-control") != ["no-store"] {
            let keeping = answer.header("cache-control").unwrap();
            assert!(keeping.starts_with("public, max-age="), "{request:?}");
            kept += 1;
        }
        if is_page(&answer) {
            pages += 1;
            is("x-frame-options", "DENY");
            is("referrer-policy", "same-origin");
            is("cross-origin-opener-policy", "same-origin");
            is(
                "permissions-policy",
                "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
            );
            let policy = answer.header("content-security-policy").unwrap();
            for part in [
                "default-src 'none'",
                "style-src 'self'",
                "base-uri 'none'",
                "frame-ancestors 'none'",
            ] {
                assert!(policy.contains(part), "{part} {request:?}");
            }
            // Where an app sends people on is its business.
            let leads_on = answer.text().contains("name=\"password\"");
            let forms = if leads_on {
                "form-action *;"
            } else {
                "form-action 'self';"
            };
            assert!(policy.contains(forms), "{request:?}");
            let policy = policy.replace(forms, "");
            for loose in ["unsafe", "*", "http", "data:"] {
                assert!(!policy.contains(loose), "{loose} {request:?}");
            }
            let html = answer.text();
            for inline in ["<script", "<style", " style=", " onclick="] {
                assert!(!html.contains(inline), "{inline} {request:?}");
            }
        }
    }
    assert_eq!(kept, 2, "the public keys and the style sheet may be kept");
    assert_eq!(pages, 11, "pages");
    assert_eq!(upstream.count(), 0);
}
