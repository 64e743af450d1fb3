//! Routes that ask for a fresh sign-in: whoever signed in too long ago signs in again and goes on.

use crate::expiry::{House, MINUTE};
use crate::support::{Answer, PASSWORD, Request, Tokens, Upstream, cookies_of};

fn call(house: &House, tokens: &Tokens, target: &str) -> Answer {
    house.send(&Request::get(target).bearer(&tokens.access))
}

fn is_too_old(answer: &Answer) -> bool {
    (answer.status, &*answer.error()) == (401, "reauthentication_required")
}

/// Signs in through the form, with these cookies of before; gives the answer.
fn form_sign_in(house: &House, cookies: &str, return_to: &str) -> Answer {
    let mut request = Request::post("/vestibule/login")
        .same_origin()
        .navigating()
        .form(&[
            ("username", "ada"),
            ("password", PASSWORD),
            ("return_to", return_to),
        ]);
    if !cookies.is_empty() {
        request = request.header("Cookie", cookies);
    }
    let answer = house.send(&request);
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer
}

fn refreshed(house: &House, cookies: &str) -> String {
    let request = Request::post("/vestibule/refresh").same_origin();
    let answer = house.send(&request.header("Cookie", cookies));
    assert_eq!(answer.status, 200, "{}", answer.text());
    cookies_of(&answer)
}

fn navigate(house: &House, cookies: &str, target: &str) -> Answer {
    let request = Request::get(target).navigating();
    house.send(&request.header("Cookie", cookies))
}

#[test]
fn fj_05_a_recent_sign_in_passes() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let tokens = house.sign_in();
    assert_eq!(call(&house, &tokens, "/money").status, 200);
    assert_eq!(call(&house, &tokens, "/shop").status, 200);
    house.pass(4 * MINUTE);
    assert_eq!(call(&house, &tokens, "/money").status, 200);
}

#[test]
fn fj_06_a_refresh_does_not_make_a_sign_in_fresh() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let mut tokens = house.sign_in();
    house.pass(16 * MINUTE);
    tokens = Tokens::of(&house.refresh(&tokens));
    let before = upstream.count();
    for target in ["/money", "/shop"] {
        let refused = call(&house, &tokens, target);
        assert!(is_too_old(&refused), "{target}: {}", refused.text());
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(
            challenge.contains(r#"error="insufficient_user_authentication""#)
                && challenge.ends_with(r#"max_age="900""#),
            "{challenge}"
        );
        let login_url = refused.json()["login_url"].as_str().unwrap().to_owned();
        assert!(login_url.contains("return_to=%2F"), "{login_url}");
    }
    assert_eq!(upstream.count(), before);
    assert_eq!(call(&house, &tokens, "/").status, 200);
    assert_eq!(call(&house, &house.sign_in(), "/money").status, 200);
}

#[test]
fn fj_07_the_last_moment_of_a_fresh_sign_in_is_the_one_that_was_configured() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let tokens = house.sign_in();
    house.pass(15 * MINUTE);
    let tokens = Tokens::of(&house.refresh(&tokens));
    assert_eq!(call(&house, &tokens, "/money").status, 200);
    house.pass(MINUTE / 60);
    assert!(is_too_old(&call(&house, &tokens, "/money")));
    assert_eq!(upstream.count(), 1);
}

#[test]
fn fj_08_a_refresh_token_is_of_the_wrong_type_before_anything_is_too_old() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let tokens = house.sign_in();
    house.pass(16 * MINUTE);
    let refused = house.send(&Request::get("/money").bearer(&tokens.refresh));
    assert_eq!(
        (refused.status, refused.error()),
        (401, "wrong_token_type".to_owned())
    );
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_browser_signs_in_again_and_goes_on_where_it_was() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let mut cookies = cookies_of(&form_sign_in(&house, "", "/"));
    house.pass(16 * MINUTE);
    cookies = refreshed(&house, &cookies);
    let turned_away = navigate(&house, &cookies, "/money/send?to=bob");
    assert_eq!(turned_away.status, 303);
    let login = turned_away.header("location").unwrap();
    assert_eq!(
        login,
        "/vestibule/login?return_to=%2Fmoney%2Fsend%3Fto%3Dbob"
    );
    assert_eq!(
        turned_away.header("set-cookie"),
        None,
        "they stay signed in"
    );

    let page = navigate(&house, &cookies, login);
    assert_eq!(page.status, 200, "the form, not a circle");
    let html = page.text();
    for part in [
        r#"name="return_to" value="/money/send?to=bob""#,
        r#"name="username" value="ada""#,
        r#"class="note""#,
        "please sign in again",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let elsewhere = navigate(&house, &cookies, "/vestibule/login?return_to=%2Fwiki");
    assert_eq!(
        (elsewhere.status, elsewhere.header("location")),
        (303, Some("/wiki")),
        "nothing there asks for more"
    );

    let signed_in = form_sign_in(&house, &cookies, "/money/send?to=bob");
    assert_eq!(signed_in.header("location"), Some("/money/send?to=bob"));
    let fresh = cookies_of(&signed_in);
    assert_eq!(navigate(&house, &fresh, "/money/send?to=bob").status, 200);
    let on = navigate(&house, &fresh, login);
    assert_eq!(
        (on.status, on.header("location")),
        (303, Some("/money/send?to=bob"))
    );
}

/// The box is asked for once: signing in again must not make a remembered browser forget at its close.
#[test]
fn a_browser_that_signs_in_again_is_remembered_as_before() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let sign_in = |remember: bool, cookies: &str| {
        let mut fields = vec![("username", "ada"), ("password", PASSWORD)];
        if remember {
            fields.push(("remember", "true"));
        }
        let request = Request::post("/vestibule/login")
            .same_origin()
            .form(&fields);
        house.send(&request.header("Cookie", cookies))
    };
    let lasts = |answer: &Answer| {
        assert_eq!(answer.status, 303);
        let set = answer.head.all("set-cookie");
        let mut of_session = set
            .iter()
            .filter(|cookie| !cookie.contains("vestibule_device"));
        of_session.all(|cookie| cookie.contains("Max-Age="))
    };
    for remember in [true, false] {
        let first = sign_in(remember, "unrelated=1");
        let again = sign_in(false, &cookies_of(&first));
        assert_eq!((lasts(&first), lasts(&again)), (remember, remember));
        house.pass(16 * MINUTE);
        let renewed = navigate(
            &house,
            &cookies_of(&again),
            "/vestibule/login?return_to=/money",
        );
        assert_eq!(renewed.status, 200, "access tokens last five minutes");
        assert!(renewed.text().contains("name=\"remember\""));
    }
    // Whom the route asks again is not asked for the box again.
    let first = cookies_of(&sign_in(true, "unrelated=1"));
    house.pass(16 * MINUTE);
    let renewed = cookies_of(&navigate(&house, &first, "/"));
    let page = navigate(&house, &renewed, "/vestibule/login?return_to=/money");
    assert_eq!(page.status, 200);
    assert!(
        !page.text().contains("name=\"remember\""),
        "{}",
        page.text()
    );
}

#[test]
fn who_cannot_be_redirected_is_told() {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    let mut cookies = cookies_of(&form_sign_in(&house, "", "/"));
    house.pass(16 * MINUTE);
    cookies = refreshed(&house, &cookies);
    let script = Request::get("/money").header("Cookie", &cookies);
    assert!(is_too_old(&house.send(&script)));
    let form = Request::post("/money").same_origin().navigating();
    let form = house.send(&form.header("Cookie", &cookies).form(&[("amount", "5")]));
    assert_eq!(form.status, 401);
    assert!(
        form.text().contains("/vestibule/login?return_to="),
        "{}",
        form.text()
    );
    assert_eq!(upstream.count(), 0);
}
