//! Refresh tokens: one step for everybody who asks with the same one, and a refusal for what is none.

use std::collections::HashSet;
use std::thread;

use serde_json::json;

use crate::support::{
    Gateway, Request, Setup, Tokens, Upstream, browser_sign_in, refresh, sign_in,
};

#[test]
fn fj_12_a_refresh_replaces_the_refresh_token_and_keeps_the_session() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let first = sign_in(&gateway, "ada");
    let second = Tokens::of(&refresh(&gateway, &first.refresh));
    assert_eq!(second.session, first.session);
    assert_ne!(second.refresh, first.refresh);
    let third = Tokens::of(&refresh(&gateway, &second.refresh));
    assert_eq!(third.session, first.session);
    for tokens in [&first, &second, &third] {
        let answer = Request::get("/").bearer(&tokens.access).send(&gateway);
        assert_eq!(answer.status, 200, "access tokens live to their own end");
    }
}

#[test]
fn the_token_just_replaced_gets_the_same_successor() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let first = sign_in(&gateway, "ada");
    let second = Tokens::of(&refresh(&gateway, &first.refresh));
    let again = Tokens::of(&refresh(&gateway, &first.refresh));
    assert_eq!(again.refresh, second.refresh);
}

#[test]
fn t_27_fifty_parallel_refreshes_make_one_step() {
    let upstream = Upstream::start();
    let setup = Setup::in_front_of(&upstream);
    let in_file = "[observe]\naudit_log.to = \"audit.log\"";
    let gateway = setup.section(in_file).start();
    let tokens = sign_in(&gateway, "ada");
    let answers: Vec<Tokens> = thread::scope(|scope| {
        let ask = || Tokens::of(&refresh(&gateway, &tokens.refresh));
        let asking: Vec<_> = (0..50).map(|_| scope.spawn(ask)).collect();
        asking
            .into_iter()
            .map(|one| one.join().expect("no panic"))
            .collect()
    });
    let successors: HashSet<&str> = answers.iter().map(|one| one.refresh.as_str()).collect();
    assert_eq!(successors.len(), 1, "all hold the same refresh token");
    assert!(!successors.contains(tokens.refresh.as_str()));
    for answer in &answers {
        let call = Request::get("/").bearer(&answer.access).send(&gateway);
        assert_eq!(call.status, 200);
    }
    let told = gateway.lines("audit.log", 1 + 50);
    let rotations = told.iter().filter(|line| line["verdict"] == "rotate");
    assert_eq!(rotations.count(), 1, "{told:?}");
}

#[test]
fn a_refresh_token_comes_in_every_documented_way() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let token = sign_in(&gateway, "ada").refresh;
    let ways = [
        Request::post("/vestibule/refresh").json(&json!({"refresh_token": token})),
        Request::post("/vestibule/refresh").form(&[("refresh_token", &token)]),
        Request::post("/vestibule/refresh").bearer(&token),
    ];
    for way in ways {
        Tokens::of(&way.send(&gateway));
    }
}

#[test]
fn fj_09_to_fj_11_t_11_what_is_no_refresh_token_is_told_so_and_ends_nothing() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let other = sign_in(&gateway, "ada");
    let mut forged = tokens.refresh.clone();
    forged.replace_range(60..64, "AAAA");
    let cases = [
        (tokens.access.as_str(), "wrong_token_type"),
        ("vrt1_short", "invalid_grant"),
        ("nonsense", "invalid_grant"),
        (forged.as_str(), "invalid_grant"),
    ];
    for (token, error) in cases {
        let answer = refresh(&gateway, token);
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (401, error),
            "{token}"
        );
    }
    let none = Request::post("/vestibule/refresh").send(&gateway);
    assert_eq!(none.status, 401);
    let two = Request::post("/vestibule/refresh")
        .bearer(&other.refresh)
        .json(&json!({"refresh_token": tokens.refresh}))
        .send(&gateway);
    assert_eq!(two.status, 400);
    Tokens::of(&refresh(&gateway, &tokens.refresh));
    Tokens::of(&refresh(&gateway, &other.refresh));
}

/// Whoever hangs up gets no answer, but what they asked for is done whole or not at all.
#[test]
fn t_34_callers_who_hang_up_leave_a_session_in_order() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let tokens = sign_in(&gateway, "ada");
    let send_and_leave = |path: &str, token: &str| {
        let request = Request::post(path).json(&json!({"refresh_token": token}));
        gateway.connect().send(request.to_bytes());
    };
    for _ in 0..100 {
        send_and_leave("/vestibule/refresh", &tokens.refresh);
    }
    let next = Tokens::of(&refresh(&gateway, &tokens.refresh));
    let again = Tokens::of(&refresh(&gateway, &tokens.refresh));
    assert_eq!(again.refresh, next.refresh);
    send_and_leave("/vestibule/logout", &next.refresh);
    let call = || Request::get("/").bearer(&next.access).send(&gateway).status;
    let refreshed = refresh(&gateway, &next.refresh).status;
    let ended = call() == 401;
    assert!(ended || refreshed == 200, "not half signed out");
    let out = Request::post("/vestibule/logout").bearer(&next.access);
    assert_eq!(out.send(&gateway).status, 204);
    assert_eq!(call(), 401);
    assert_eq!(refresh(&gateway, &next.refresh).error(), "invalid_grant");
}

/// Signs in as a browser; the cookies, and the refresh and access tokens in them.
fn jar(gateway: &Gateway) -> (String, String, String) {
    let cookies = browser_sign_in(gateway, "ada");
    let token = |name: &str| {
        let mut tokens = cookies.split("; ");
        let token = tokens.find_map(|cookie| cookie.strip_prefix(name));
        token.expect("the cookie").to_owned()
    };
    let (refresh, access) = (token("vestibule_refresh="), token("vestibule_access="));
    (cookies, refresh, access)
}

#[test]
fn fj_17_fj_19_fj_20_t_11_each_token_is_good_for_its_own_use_only() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .route("/optional", &upstream.url(), "optional", "")
        .start();
    let (cookies, refresh, access) = jar(&gateway);
    let swapped = format!("vestibule_access={refresh}; vestibule_refresh={access}");
    let shown = Request::get("/").header("Cookie", &swapped).send(&gateway);
    assert_eq!(shown.error(), "wrong_token_type");
    for (path, token, status, error) in [
        ("/", refresh.as_str(), 401, "wrong_token_type"),
        ("/optional", &refresh, 401, "wrong_token_type"),
        ("/optional", "xxx", 401, "invalid_token"),
        ("/optional", "", 400, "invalid_request"),
    ] {
        let answer = Request::get(path).bearer(token).send(&gateway);
        let told = (answer.status, answer.error());
        assert_eq!(told, (status, error.to_owned()), "{path} {token}");
    }
    assert_eq!(upstream.count(), 0);
    let ask = |cookies: &str| {
        let request = Request::post("/vestibule/refresh").same_origin();
        request.header("Cookie", cookies).send(&gateway)
    };
    assert_eq!(ask(&swapped).error(), "wrong_token_type");
    assert_eq!(ask(&cookies).status, 200, "nothing was ended");
}

#[test]
fn fj_25_fj_26_a_route_takes_credentials_from_where_it_says_only() {
    let upstream = Upstream::start();
    let route = |setup: Setup, place: &str| {
        let path = format!("/{place}");
        let more = format!("credentials = [\"{place}\"]");
        setup.route(&path, &upstream.url(), "signed-in", &more)
    };
    let gateway = route(route(Setup::new(), "header"), "cookie").start();
    let (cookies, _, access) = jar(&gateway);
    for (path, takes_cookie) in [("/header", false), ("/cookie", true)] {
        let by_cookie = Request::get(path).header("Cookie", &cookies).send(&gateway);
        let by_header = Request::get(path).bearer(&access).send(&gateway);
        let (taken, refused) = match takes_cookie {
            true => (by_cookie, by_header),
            false => (by_header, by_cookie),
        };
        assert_eq!(taken.status, 200, "{path}");
        assert_eq!(refused.error(), "missing_token", "{path}");
    }
    assert_eq!(upstream.count(), 2);
}
