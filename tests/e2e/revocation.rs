//! What another process ends on the same database is over in a running gateway, too, a moment later.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    Answer, Gateway, Hold, Jar, PASSWORD, Request, Setup, Tokens, Upstream, browser_sign_in, part,
    refresh, sign_in, wait_until,
};

/// How long after a command an access token may still be good.
const CEILING: Duration = Duration::from_millis(1200);

/// Longer than a busy machine takes to notice something.
const PATIENCE: Duration = Duration::from_secs(30);

fn gateway() -> (Upstream, Gateway) {
    let upstream = Upstream::start();
    let setup = Setup::in_front_of(&upstream).user("eve", &[]);
    let gateway = setup.start();
    (upstream, gateway)
}

/// What a script or a browser shows.
enum Shown {
    Bearer(String),
    Cookies(String),
}

impl Shown {
    fn both(gateway: &Gateway, name: &str) -> [Self; 2] {
        [
            Self::Bearer(sign_in(gateway, name).access),
            Self::Cookies(browser_sign_in(gateway, name)),
        ]
    }

    fn get(&self, gateway: &Gateway, path: &str) -> Answer {
        let request = match self {
            Self::Bearer(token) => Request::get(path).bearer(token),
            Self::Cookies(cookies) => Request::get(path).header("Cookie", cookies),
        };
        request.send(gateway)
    }

    fn passes(&self, gateway: &Gateway) -> bool {
        match self.get(gateway, "/") {
            answer if answer.status == 200 => true,
            answer => {
                assert_eq!(answer.status, 401);
                assert_eq!(answer.error(), "token_revoked");
                false
            }
        }
    }
}

/// How long after `begun` the first request is refused that shows this; never after the ceiling.
#[track_caller]
fn refused_after(gateway: &Gateway, shown: &[Shown], begun: Instant) -> Duration {
    for shown in shown {
        while shown.passes(gateway) {
            assert!(begun.elapsed() < CEILING, "still good after {CEILING:?}");
        }
    }
    begun.elapsed()
}

#[test]
fn fj_51_t_22_t_38_every_command_that_ends_sessions_ends_their_access_tokens() {
    let password = format!("{PASSWORD}\n");
    let commands: [(&[&str], &str); 6] = [
        (&["session", "revoke", "--user", "ada"], ""),
        (&["user", "passwd", "ada"], &password),
        (&["user", "disable", "ada"], ""),
        (&["user", "enable", "ada"], ""),
        (&["session", "revoke", "--all", "--yes"], ""),
        (&["user", "remove", "ada", "--yes"], ""),
    ];
    let (upstream, gateway) = gateway();
    let mut ended = Vec::new();
    for (command, input) in commands {
        let is_live = !command.contains(&"enable");
        let of_ada = is_live.then(|| Shown::both(&gateway, "ada"));
        let of_eve = Shown::both(&gateway, "eve");
        for shown in of_ada.iter().flatten().chain(&of_eve) {
            assert!(shown.passes(&gateway), "{command:?}");
        }
        gateway.command(command, input).expect_success();
        let begun = Instant::now();
        let took = refused_after(&gateway, of_ada.as_ref().map_or(&[], |both| both), begun);
        eprintln!("{command:?}: refused {took:?} after the command");
        if command.contains(&"--all") {
            refused_after(&gateway, &of_eve, begun);
            ended.extend(of_eve);
        } else {
            assert!(of_eve.iter().all(|shown| shown.passes(&gateway)));
        }
        ended.extend(of_ada.into_iter().flatten());
    }
    // Signing in goes on, also in the same second.
    let after = Shown::both(&gateway, "eve");
    assert!(after.iter().all(|shown| shown.passes(&gateway)));
    let gateway = gateway.restart();
    let before = upstream.count();
    assert!(ended.iter().all(|shown| !shown.passes(&gateway)));
    assert_eq!(upstream.count(), before);
    assert!(after.iter().all(|shown| shown.passes(&gateway)));
}

/// What apps are told follows the change; nobody is signed out by it.
#[test]
fn fj_80_t_38_other_groups_show_at_the_next_request_and_end_no_session() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream)
        .route("/ops", &upstream.url(), "{ groups = [\"ops\"] }", "")
        .start();
    let mut jar = Jar::of(&browser_sign_in(&gateway, "ada"));
    let tokens = sign_in(&gateway, "ada");
    let mut visit = |path: &str| {
        let answer = jar.with(Request::get(path)).send(&gateway);
        jar.take(&answer.head);
        answer.status
    };
    assert_eq!((visit("/"), visit("/ops")), (200, 403));
    for (groups, on_ops) in [("ops", 200), ("engineers", 403)] {
        let set = ["user", "set", "ada", "--group", groups];
        gateway.command(&set, "").expect_success();
        let begun = Instant::now();
        while visit("/") == 200 && upstream.last().head.first("x-forwarded-groups") != Some(groups)
        {
            assert!(begun.elapsed() < CEILING, "still told of other groups");
        }
        assert_eq!((visit("/"), visit("/ops")), (200, on_ops));
    }
    let outdated = Request::get("/").bearer(&tokens.access).send(&gateway);
    assert_eq!(
        (outdated.status, outdated.error()),
        (401, "token_expired".to_owned())
    );
    let next = Tokens::of(&refresh(&gateway, &tokens.refresh));
    let now = Request::get("/").bearer(&next.access).send(&gateway);
    assert_eq!(now.status, 200);
    let told = upstream.last().head;
    assert_eq!(told.all("x-forwarded-groups"), ["engineers"]);
    assert_eq!(told.all("x-forwarded-email"), ["ada@example.com"]);
    let claims = part(&next.access, 1);
    assert_eq!(claims["groups"], json!(["engineers"]));
    assert_eq!(claims["email"], "ada@example.com");
}

#[test]
fn a_command_ends_one_session_and_leaves_the_others() {
    let (_upstream, gateway) = gateway();
    let [ended, other] = [(), ()].map(|()| sign_in(&gateway, "ada"));
    let revoke = ["session", "revoke", &ended.session];
    gateway.command(&revoke, "").expect_success();
    let took = refused_after(&gateway, &[Shown::Bearer(ended.access)], Instant::now());
    eprintln!("one session: refused {took:?} after the command");
    let other_shown = Shown::Bearer(other.access);
    assert!(other_shown.passes(&gateway));
    assert_eq!(refresh(&gateway, &other.refresh).status, 200);
}

/// The gateway reads its own entries back, and they change nothing.
#[test]
fn the_session_that_a_password_was_changed_in_is_not_ended_by_its_own_entry() {
    let (_upstream, gateway) = gateway();
    let [own, other] = [(), ()].map(|()| sign_in(&gateway, "ada"));
    let change = Request::post("/vestibule/password")
        .bearer(&own.access)
        .json(&json!({
            "current_password": PASSWORD,
            "new_password": "another battery staple",
        }))
        .send(&gateway);
    let renewed = Tokens::of(&change);
    assert!(!Shown::Bearer(other.access).passes(&gateway), "at once");
    // Entries are read in order: when this one is known, so is that of the password.
    let witness = sign_in(&gateway, "eve");
    let revoke = ["session", "revoke", &witness.session];
    gateway.command(&revoke, "").expect_success();
    refused_after(&gateway, &[Shown::Bearer(witness.access)], Instant::now());
    assert!(Shown::Bearer(renewed.access).passes(&gateway));
    assert_eq!(refresh(&gateway, &renewed.refresh).status, 200);
}

/// `/` asks our memory, `/strict` the store, `/none` nobody; `/open` knows nobody, `/optional` anybody.
fn every_kind_of_route(upstream: &Upstream, sessions: &str) -> Setup {
    let url = upstream.url();
    Setup::in_front_of(upstream)
        .route("/strict", &url, "signed-in", "revocation = \"strict\"")
        .route("/guests", &url, "optional", "revocation = \"strict\"")
        .route("/none", &url, "signed-in", "revocation = \"none\"")
        .route("/optional", &url, "optional", "")
        .route("/open", &url, "anyone", "")
        .user("eve", &[])
        .section(&format!("[sessions]\n{sessions}"))
}

fn readiness(gateway: &Gateway) -> (u16, String) {
    let mut connection = gateway.connect_admin();
    connection.send(Request::get("/readyz").to_bytes());
    let answer = connection.answer();
    (answer.status, answer.text())
}

#[track_caller]
fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.error(), "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("set-cookie"), None, "the cookies stay");
}

#[test]
fn fj_47_a_strict_route_refuses_at_once_and_a_route_that_never_asks_does_not() {
    let upstream = Upstream::start();
    let gateway = every_kind_of_route(&upstream, "").start();
    assert!(gateway.log().contains("route /none never asks"));
    let commands: [(&[&str], &str); 2] = [
        (&["session", "revoke", "--user", "ada"], "ada"),
        (&["user", "disable", "eve"], "eve"),
    ];
    for (command, name) in commands {
        let [bearer, cookies] = Shown::both(&gateway, name);
        for path in ["/strict", "/none", "/"] {
            assert_eq!(bearer.get(&gateway, path).status, 200, "{path}");
            assert_eq!(cookies.get(&gateway, path).status, 200, "{path}");
        }
        gateway.command(command, "").expect_success();
        let before = upstream.count();
        for shown in [&bearer, &cookies] {
            let refused = shown.get(&gateway, "/strict");
            assert_eq!(refused.status, 401, "the first request: {}", refused.text());
            assert_eq!(refused.error(), "token_revoked");
        }
        // Where strangers pass, a cookie that is no good makes one.
        assert_eq!(bearer.get(&gateway, "/guests").status, 401);
        assert_eq!(upstream.count(), before);
        let guest = cookies.get(&gateway, "/guests");
        assert_eq!(guest.status, 200);
        assert!(
            !guest.text().contains("x-forwarded-user"),
            "{}",
            guest.text()
        );
        let both = [bearer, cookies];
        refused_after(&gateway, &both, Instant::now());
        assert!(
            both.iter()
                .all(|shown| shown.get(&gateway, "/none").status == 200)
        );
    }
    let navigation = Request::get("/strict/x?y").navigating();
    let cookies = browser_sign_in(&gateway, "ada");
    let navigation = navigation.header("Cookie", &cookies);
    assert_eq!(navigation.send(&gateway).status, 200);
    let revoke = ["session", "revoke", "--user", "ada"];
    gateway.command(&revoke, "").expect_success();
    let sent = navigation.send(&gateway);
    assert_eq!(sent.status, 303);
    let login = "/vestibule/login?return_to=%2Fstrict%2Fx%3Fy";
    assert_eq!(sent.header("location"), Some(login));
}

#[test]
fn t_35_a_silent_store_refuses_the_signed_in_until_it_is_heard_of_again() {
    let upstream = Upstream::start();
    let gateway = every_kind_of_route(&upstream, "max_staleness = \"5s\"").start();
    let ada = Shown::both(&gateway, "ada");
    let ended = Shown::both(&gateway, "eve");
    let revoke = ["session", "revoke", "--user", "eve"];
    gateway.command(&revoke, "").expect_success();
    refused_after(&gateway, &ended, Instant::now());

    let hold = Hold::of(&gateway.file("vestibule.db"));
    let held = Instant::now();
    wait_until("the gateway to notice", PATIENCE, || {
        ada[0].get(&gateway, "/").status == 503
    });
    eprintln!("refused {:?} after the store fell silent", held.elapsed());
    for shown in &ada {
        for path in ["/", "/optional", "/strict", "/vestibule/session"] {
            assert_unavailable(&shown.get(&gateway, path));
        }
        for path in ["/open", "/none"] {
            assert_eq!(shown.get(&gateway, path).status, 200, "{path}");
        }
    }
    assert!(
        ended.iter().all(|shown| !shown.passes(&gateway)),
        "that is known"
    );
    assert_eq!(Request::get("/optional").send(&gateway).status, 200);
    assert_eq!(Request::get("/").send(&gateway).status, 401);
    let (status, told) = readiness(&gateway);
    assert_eq!(status, 503);
    assert!(told.contains("has not told for too long"), "{told}");

    drop(hold);
    let freed = Instant::now();
    wait_until("the gateway to be itself again", PATIENCE, || {
        ada[0].get(&gateway, "/").status == 200
    });
    eprintln!("back {:?} after the store answered again", freed.elapsed());
    assert_eq!(ada[1].get(&gateway, "/strict").status, 200);
    assert_eq!(readiness(&gateway).0, 200);
}

#[test]
fn who_prefers_to_stay_open_accepts_tokens_while_the_store_is_silent() {
    let upstream = Upstream::start();
    let sessions = "max_staleness = \"5s\"\non_stale = \"accept\"";
    let gateway = every_kind_of_route(&upstream, sessions).start();
    let ada = Shown::both(&gateway, "ada");
    let hold = Hold::of(&gateway.file("vestibule.db"));
    wait_until("the gateway to notice", PATIENCE, || {
        readiness(&gateway).1.contains("has not told for too long")
    });
    for shown in &ada {
        assert_eq!(shown.get(&gateway, "/").status, 200);
        assert_unavailable(&shown.get(&gateway, "/strict"));
    }
    drop(hold);
}
