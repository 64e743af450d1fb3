//! The forms of the account page: ending sessions and changing the password, for whoever's page it is and
//! for nobody else.

use serde_json::json;

use crate::account::{OTHER, browser, change, end, end_others, form, offered, page, said, visit};
use crate::guessing::{self, wait_of};
use crate::renewing::assert_unchanged;
use crate::support::{
    Gateway, Jar, PASSWORD, Request, Setup, Upstream, cookies_of, refresh, sign_in,
};

/// What the app's route answers to this token.
fn call(gateway: &Gateway, token: &str) -> u16 {
    Request::get("/").bearer(token).send(gateway).status
}

#[test]
fn another_browsers_session_is_over_at_once() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).user("eve", &[]).start();
    let mut jar = browser(&gateway);
    let lost = browser(&gateway);
    let eve = sign_in(&gateway, "eve");
    let html = page(&gateway, &jar);
    let [id] = offered(&html)[..] else {
        panic!("one other session: {html}");
    };
    assert_eq!(visit(&gateway, &lost), 200);
    let ended = jar.with(end(id)).send(&gateway);
    assert_eq!(said(&gateway, &mut jar, &ended), "The session is ended.");
    let challenged = lost.with(Request::get("/").navigating()).send(&gateway);
    let sign_in = Some("/vestibule/login?return_to=%2F");
    assert_eq!(
        (challenged.status, challenged.header("location")),
        (303, sign_in)
    );
    let refused = refresh(&gateway, lost.refresh());
    assert_eq!(refused.error(), "invalid_grant");
    assert_eq!(visit(&gateway, &jar), 200);

    for id in [id, &*eve.session, "nonsense", ""] {
        let gone = jar.with(end(id)).send(&gateway);
        let told = said(&gateway, &mut jar, &gone);
        assert_eq!(told, "That session was over already.", "{id}");
    }
    assert_eq!(call(&gateway, &eve.access), 200);
    let nothing = jar.with(form("/vestibule/account/end", &[])).send(&gateway);
    assert_eq!(nothing.status, 400);
}

#[test]
fn where_a_value_of_the_session_is_asked_for_the_page_has_it_in_each_form() {
    let upstream = Upstream::start();
    let setup = Setup::in_front_of(&upstream).section("[csrf]\nmode = \"both\"");
    let gateway = setup.start();
    let (jar, lost) = (browser(&gateway), browser(&gateway));
    let html = page(&gateway, &jar);
    let field = "name=\"csrf_token\" value=\"";
    let forms = html.matches("<form method=\"post\"").count();
    assert_eq!(html.matches(field).count(), forms, "{html}");
    let (_, rest) = html.split_once(field).expect("a value");
    let (token, _) = rest.split_once('"').expect("its end");

    let bare = jar.with(end_others()).send(&gateway);
    assert_eq!(bare.status, 403);
    assert_eq!(visit(&gateway, &lost), 200);
    let wrong = lost.named("vestibule_csrf").expect("a value of their own");
    for (token, status) in [(wrong, 403), (token, 303)] {
        let form = form("/vestibule/account/end-others", &[("csrf_token", token)]);
        assert_eq!(jar.with(form).send(&gateway).status, status);
    }
    assert_eq!(visit(&gateway, &lost), 401);
}

#[test]
fn all_others_end_and_this_one_goes_on() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).user("eve", &[]).start();
    let mut jar = browser(&gateway);
    let others = [(), ()].map(|()| sign_in(&gateway, "ada"));
    let eve = sign_in(&gateway, "eve");
    let ended = jar.with(end_others()).send(&gateway);
    let told = said(&gateway, &mut jar, &ended);
    assert_eq!(told, "All other sessions are ended.");
    for other in &others {
        assert_eq!(call(&gateway, &other.access), 401);
        assert_eq!(refresh(&gateway, &other.refresh).status, 401);
    }
    assert_eq!(
        (visit(&gateway, &jar), call(&gateway, &eve.access)),
        (200, 200)
    );
    let html = page(&gateway, &jar);
    assert!(offered(&html).is_empty() && !html.contains("end-others"));
}

#[test]
fn a_program_ends_all_its_other_sessions() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).user("eve", &[]).start();
    let [own, other] = [(), ()].map(|()| sign_in(&gateway, "ada"));
    let (jar, eve) = (browser(&gateway), sign_in(&gateway, "eve"));
    let delete = || Request::new("DELETE", "/vestibule/sessions");
    let forged = jar.with(delete()).header("Sec-Fetch-Site", "cross-site");
    assert_eq!(forged.send(&gateway).error(), "csrf_rejected");
    assert_eq!(call(&gateway, &other.access), 200);
    let ended = delete().bearer(&own.access).send(&gateway);
    assert_eq!((ended.status, &*ended.text()), (204, ""));
    assert_eq!(call(&gateway, &other.access), 401);
    assert_eq!(visit(&gateway, &jar), 401);
    assert_eq!(call(&gateway, &own.access), 200);
    assert_eq!(call(&gateway, &eve.access), 200);
}

#[test]
fn to_end_ones_own_session_is_to_sign_out() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let mut jar = browser(&gateway);
    let listed = jar.with(Request::get("/vestibule/sessions")).send(&gateway);
    let own = listed.json()["sessions"][0]["id"].clone();
    let out = jar.with(end(own.as_str().unwrap())).send(&gateway);
    let signed_out = Some("/vestibule/logout");
    assert_eq!((out.status, out.header("location")), (303, signed_out));
    let before = jar.clone();
    jar.take(&out.head);
    assert!(jar.is_signed_out());
    assert_eq!(visit(&gateway, &before), 401);
    let said = jar.with(Request::get("/vestibule/logout").navigating());
    assert!(said.send(&gateway).text().contains("You are signed out"));
}

#[test]
fn a_new_password_is_chosen_on_the_page() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let mut jar = browser(&gateway);
    let other = sign_in(&gateway, "ada");
    for (request, status, held) in [
        (
            change("wrong", OTHER),
            401,
            "The current password is wrong.",
        ),
        (
            change(PASSWORD, "short"),
            400,
            "it needs at least 8 characters",
        ),
        (
            change(PASSWORD, PASSWORD),
            400,
            "it is the one that you have",
        ),
    ] {
        let refused = jar.with(request).send(&gateway);
        let html = refused.text();
        assert_eq!(refused.status, status, "{html}");
        assert_unchanged(&refused);
        assert!(
            html.contains("role=\"alert\"") && html.contains(held),
            "{html}"
        );
        assert!(html.contains("<h1>Your account</h1>") && html.contains("name=\"session\""));
        assert!(
            !html.contains(PASSWORD) && !html.contains("short"),
            "{html}"
        );
    }
    assert_eq!(call(&gateway, &other.access), 200, "nothing was changed");
    let missing = jar.with(form("/vestibule/password", &[])).send(&gateway);
    assert_eq!(missing.status, 400);

    let before = jar.clone();
    let changed = jar.with(change(PASSWORD, OTHER)).send(&gateway);
    let told = said(&gateway, &mut jar, &changed);
    assert_eq!(
        told,
        "Your password is changed, and all other sessions are ended."
    );
    assert_eq!(
        (visit(&gateway, &jar), visit(&gateway, &before)),
        (200, 401)
    );
    assert_eq!(call(&gateway, &other.access), 401);
    let body = |password: &str| json!({"username": "ada", "password": password});
    let sign_in = |password| Request::post("/vestibule/login").json(&body(password));
    assert_eq!(sign_in(OTHER).send(&gateway).status, 200);
    assert_eq!(sign_in(PASSWORD).send(&gateway).status, 401);
}

#[test]
fn whoever_guesses_the_password_on_the_page_has_to_wait() {
    let upstream = Upstream::start();
    let house = guessing::house(&upstream, "free_failures = 1");
    let fields = [("username", "ada"), ("password", PASSWORD)];
    let jar = house.send(&form("/vestibule/login", &fields));
    let jar = Jar::of(&cookies_of(&jar));
    let mut guesses = (0..20).map(|_| house.send(&jar.with(change("wrong", OTHER))));
    let late = guesses.find(|answer| answer.status != 401);
    let late = late.expect("not for ever");
    assert_eq!((late.status, wait_of(&late)), (429, Some(1)));
    let told = "Too many attempts. Please wait 1 second.";
    assert!(late.text().contains(told), "{}", late.text());
}

#[test]
fn no_other_site_can_send_a_form_of_the_page() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let jar = browser(&gateway);
    let other = sign_in(&gateway, "ada");
    let fields = [
        ("session", &*other.session),
        ("current_password", PASSWORD),
        ("new_password", OTHER),
    ];
    for address in [
        "/vestibule/account/end",
        "/vestibule/account/end-others",
        "/vestibule/password",
    ] {
        for (name, value) in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("X-Nothing", "at all"),
        ] {
            let forged = Request::post(address).navigating().header(name, value);
            for jar in [&jar, &jar.without_access()] {
                let refused = jar.with(forged.clone()).form(&fields).send(&gateway);
                assert_eq!(refused.status, 403, "{address} {name}: {value}");
                assert!(refused.text().contains("csrf_rejected"));
                assert_unchanged(&refused);
            }
        }
    }
    assert_eq!(
        (call(&gateway, &other.access), visit(&gateway, &jar)),
        (200, 200)
    );
}

#[test]
fn a_link_from_elsewhere_does_not_make_the_page_say_that_something_was_done() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let jar = browser(&gateway);
    for (site, says) in [
        ("same-origin", true),
        ("same-site", false),
        ("cross-site", false),
        ("none", false),
    ] {
        let link = Request::get("/vestibule/account?done=password").navigating();
        let html = jar
            .with(link.header("Sec-Fetch-Site", site))
            .send(&gateway)
            .text();
        assert_eq!(html.contains("Your password is changed"), says, "{site}");
    }
}
