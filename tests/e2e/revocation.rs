//! What another process ends on the same database is over in a running gateway, too, a moment later.

use std::time::{Duration, Instant};

use crate::support::{
    Answer, Gateway, PASSWORD, Request, Setup, Upstream, browser_sign_in, refresh, sign_in,
};

/// How long after a command an access token may still be good.
const CEILING: Duration = Duration::from_millis(1200);

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
fn every_command_that_ends_sessions_ends_their_access_tokens() {
    let password = format!("{PASSWORD}\n");
    let commands: [(&[&str], &str); 6] = [
        (&["session", "revoke", "--user", "ada"], ""),
        (&["user", "passwd", "ada"], &password),
        (&["user", "disable", "ada"], ""),
        (&["user", "enable", "ada"], ""),
        (&["session", "revoke", "--all", "--yes"], ""),
        (&["user", "remove", "ada", "--yes"], ""),
    ];
    let (_upstream, gateway) = gateway();
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
    assert!(ended.iter().all(|shown| !shown.passes(&gateway)));
    assert!(after.iter().all(|shown| shown.passes(&gateway)));
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
        .json(&serde_json::json!({
            "current_password": PASSWORD,
            "new_password": "another battery staple",
        }))
        .send(&gateway);
    let renewed = crate::support::Tokens::of(&change);
    assert!(!Shown::Bearer(other.access).passes(&gateway), "at once");
    // Entries are read in order: when this one is known, so is that of the password.
    let witness = sign_in(&gateway, "eve");
    let revoke = ["session", "revoke", &witness.session];
    gateway.command(&revoke, "").expect_success();
    refused_after(&gateway, &[Shown::Bearer(witness.access)], Instant::now());
    assert!(Shown::Bearer(renewed.access).passes(&gateway));
    assert_eq!(refresh(&gateway, &renewed.refresh).status, 200);
}
