//! Replaced refresh tokens come back: from people whose answers were lost, and from thieves.
//!
//! T-25 has no shorter window to be set, because there is no such option. T-22 and T-27 over several
//! replicas wait for stores that several replicas can share.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::expiry::{DAY, House, MINUTE, refusal};
use crate::support::{Gateway, PASSWORD, Request, Setup, Tokens, Upstream, refresh, sign_in};

const SECOND: Duration = Duration::from_secs(1);

fn house() -> (Upstream, House) {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    (upstream, house)
}

#[track_caller]
fn assert_dead((upstream, house): (&Upstream, &House), tokens: &Tokens) {
    let before = upstream.count();
    let refused = refusal(&house.refresh(tokens));
    assert_eq!(refused, (401, "invalid_grant".to_owned()));
    assert_eq!(house.call(tokens).status, 401);
    assert_eq!(upstream.count(), before);
}

#[test]
fn t_23_a_replay_within_the_grace_gets_the_same_successor() {
    let (_upstream, house) = house();
    let first = house.sign_in();
    house.pass(MINUTE);
    let second = Tokens::of(&house.refresh(&first));
    for wait in [0, 29] {
        house.pass(wait * SECOND);
        let again = Tokens::of(&house.refresh(&first));
        assert_eq!(again.refresh, second.refresh, "no further step");
        assert_ne!(again.access, second.access);
        assert_eq!(house.call(&again).status, 200);
    }
}

#[test]
fn t_24_a_second_late_replay_of_a_token_whose_successor_was_used_ends_the_session() {
    let (upstream, house) = house();
    let first = house.sign_in();
    let second = Tokens::of(&house.refresh(&first));
    house.pass(40 * SECOND);
    house.prove(&second);
    house.pass(40 * SECOND);
    let late = house.refresh(&first);
    assert_eq!(refusal(&late), (401, "invalid_grant".to_owned()));
    assert_eq!(house.call(&second).status, 200, "one may have been held up");
    house.pass(10 * SECOND);
    assert_dead((&upstream, &house), &first);
    assert_dead((&upstream, &house), &second);
}

#[test]
fn t_25_a_lost_answer_can_be_asked_for_until_the_session_is_idle_for_too_long() {
    let (_upstream, house) = house();
    let first = house.sign_in();
    let second = Tokens::of(&house.refresh(&first));
    for wait in [31 * SECOND, DAY, 12 * DAY] {
        house.pass(wait);
        let again = Tokens::of(&house.refresh(&first));
        assert_eq!(again.refresh, second.refresh);
        assert_eq!(house.call(&again).status, 200);
    }
}

#[test]
fn t_26_a_token_two_generations_old_ends_the_session_after_the_grace() {
    let (upstream, house) = house();
    let first = house.sign_in();
    let second = Tokens::of(&house.refresh(&first));
    house.pass(30 * SECOND);
    let third = Tokens::of(&house.refresh(&second));
    house.pass(31 * SECOND);
    for tokens in [&first, &third, &second] {
        assert_dead((&upstream, &house), tokens);
    }
    house.pass(SECOND);
    assert_dead((&upstream, &house), &third);
}

#[test]
fn t_29_an_owner_and_a_thief_who_are_both_active_end_the_session() {
    for thief_is_first in [true, false] {
        let (upstream, house) = house();
        let copied = house.sign_in();
        let taken = Tokens::of(&house.refresh(&copied));
        house.pass(31 * SECOND);
        house.prove(&taken);
        // The other one comes once within the minutes of a held-up request, or later.
        house.pass(if thief_is_first { 40 * SECOND } else { DAY });
        assert_eq!(house.refresh(&copied).status, 401);
        house.pass(10 * SECOND);
        assert_dead((&upstream, &house), &copied);
        assert_dead((&upstream, &house), &taken);
    }
}

/// Rotation does not show who does the same as the owner within the grace; the session's end does.
#[test]
fn t_30_a_thief_who_always_follows_within_the_grace_is_out_at_the_sessions_end() {
    let (upstream, house) = house();
    let mut owner = house.sign_in();
    let mut thief = owner.clone();
    for _ in 0..29 {
        house.pass(DAY);
        let before = owner;
        owner = Tokens::of(&house.refresh(&before));
        house.pass(SECOND);
        thief = Tokens::of(&house.refresh(&thief));
        assert_eq!(thief.refresh, owner.refresh, "both hold the same");
    }
    house.pass(DAY);
    assert_dead((&upstream, &house), &thief);
    assert_dead((&upstream, &house), &owner);
}

#[test]
fn t_50_no_token_outlives_the_session_however_often_it_is_refreshed() {
    let (upstream, house) = house();
    let mut tokens = house.sign_in();
    house.pass(13 * DAY);
    tokens = Tokens::of(&house.refresh(&tokens));
    house.pass(13 * DAY);
    tokens = Tokens::of(&house.refresh(&tokens));
    house.pass(4 * DAY - 2 * MINUTE);
    tokens = Tokens::of(&house.refresh(&tokens));
    assert_eq!(house.call(&tokens).status, 200);
    house.pass(MINUTE);
    tokens = Tokens::of(&house.refresh(&tokens));
    assert_eq!(house.call(&tokens).status, 200);
    house.pass(MINUTE + 6 * SECOND);
    assert_dead((&upstream, &house), &tokens);
}

/// Whatever ends the sessions of a user, while refreshes are under way: none of them brings it back.
#[test]
fn t_38_a_refresh_in_flight_brings_no_session_back() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).start();
    let password = format!("{PASSWORD}\n");
    let commands: [(&[&str], &str); 4] = [
        (&["user", "passwd", "ada"], &password),
        (&["session", "revoke", "--user", "ada"], ""),
        (&["user", "disable", "ada"], ""),
        (&["user", "remove", "ada", "--yes"], ""),
    ];
    for (command, input) in commands {
        gateway.command(&["user", "enable", "ada"], "");
        let opened = sign_in(&gateway, "ada");
        let mut given = thread::scope(|scope| {
            let refreshing = scope.spawn(|| refresh_until_refused(&gateway, opened.clone()));
            gateway.command(command, input).expect_success();
            refreshing.join().expect("no panic")
        });
        given.push(opened);
        for tokens in &given {
            assert_eq!(
                refresh(&gateway, &tokens.refresh).status,
                401,
                "{command:?}"
            );
        }
    }
}

/// Several browsers send the form that asks for a new password at once: one of them gets a session.
#[test]
fn t_38_of_parallel_sign_ins_that_change_the_password_one_wins() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).start();
    gateway
        .command(&["user", "set", "ada", "--must-change-password"], "")
        .expect_success();
    let change = |number: usize| {
        let new = format!("a new phrase, number {number}");
        let body = json!({"username": "ada", "password": PASSWORD, "new_password": new});
        let request = Request::post("/vestibule/login").json(&body);
        (new, request.send(&gateway))
    };
    let answers = thread::scope(|scope| {
        let change = &change;
        let tries: Vec<_> = (0..4).map(|n| scope.spawn(move || change(n))).collect();
        let done = tries.into_iter().map(|one| one.join().expect("no panic"));
        done.collect::<Vec<_>>()
    });
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|(_, a)| a.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 3));
    for (new, answer) in lost {
        assert_eq!(refusal(answer), (401, "invalid_credentials".to_owned()));
        let body = json!({"username": "ada", "password": new});
        let again = Request::post("/vestibule/login").json(&body);
        assert_eq!(again.send(&gateway).status, 401, "nothing was changed");
    }
    let (new, answer) = won[0];
    let tokens = Tokens::of(answer);
    assert_eq!(refresh(&gateway, &tokens.refresh).status, 200);
    let body = json!({"username": "ada", "password": new});
    let again = Request::post("/vestibule/login").json(&body);
    assert_eq!(again.send(&gateway).status, 200);
}

/// All pairs that it was given.
fn refresh_until_refused(gateway: &Gateway, mut held: Tokens) -> Vec<Tokens> {
    let mut given = Vec::new();
    loop {
        let body = json!({"refresh_token": held.refresh});
        let answer = Request::post("/vestibule/refresh")
            .json(&body)
            .send(gateway);
        if answer.status != 200 {
            return given;
        }
        held = Tokens::of(&answer);
        given.push(held.clone());
    }
}
