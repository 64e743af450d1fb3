//! Replaced refresh tokens come back: from people whose answers were lost, and from thieves.

use std::time::Duration;

use crate::expiry::{DAY, House, MINUTE, refusal};
use crate::support::{Tokens, Upstream};

const SECOND: Duration = Duration::from_secs(1);

fn house() -> (Upstream, House) {
    let upstream = Upstream::start();
    let house = House::in_front_of(&upstream);
    (upstream, house)
}

#[track_caller]
fn assert_dead(house: &House, tokens: &Tokens) {
    let refused = refusal(&house.refresh(tokens));
    assert_eq!(refused, (401, "invalid_grant".to_owned()));
    assert_eq!(house.call(tokens).status, 401);
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
    let (_upstream, house) = house();
    let first = house.sign_in();
    let second = Tokens::of(&house.refresh(&first));
    house.pass(40 * SECOND);
    house.prove(&second);
    house.pass(40 * SECOND);
    let late = house.refresh(&first);
    assert_eq!(refusal(&late), (401, "invalid_grant".to_owned()));
    assert_eq!(house.call(&second).status, 200, "one may have been held up");
    house.pass(10 * SECOND);
    assert_dead(&house, &first);
    assert_dead(&house, &second);
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
    let (_upstream, house) = house();
    let first = house.sign_in();
    let second = Tokens::of(&house.refresh(&first));
    house.pass(30 * SECOND);
    let third = Tokens::of(&house.refresh(&second));
    house.pass(31 * SECOND);
    for tokens in [&first, &third, &second] {
        assert_dead(&house, tokens);
    }
    house.pass(SECOND);
    assert_dead(&house, &third);
}

#[test]
fn t_29_an_owner_and_a_thief_who_are_both_active_end_the_session() {
    for thief_is_first in [true, false] {
        let (_upstream, house) = house();
        let copied = house.sign_in();
        let taken = Tokens::of(&house.refresh(&copied));
        house.pass(31 * SECOND);
        house.prove(&taken);
        // The other one comes once within the minutes of a held-up request, or later.
        house.pass(if thief_is_first { 40 * SECOND } else { DAY });
        assert_eq!(house.refresh(&copied).status, 401);
        house.pass(10 * SECOND);
        assert_dead(&house, &copied);
        assert_dead(&house, &taken);
    }
}

/// Rotation does not show who does the same as the owner within the grace; the session's end does.
#[test]
fn t_30_a_thief_who_always_follows_within_the_grace_is_out_at_the_sessions_end() {
    let (_upstream, house) = house();
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
    assert_dead(&house, &thief);
    assert_dead(&house, &owner);
}

#[test]
fn t_50_no_token_outlives_the_session_however_often_it_is_refreshed() {
    let (_upstream, house) = house();
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
    assert_dead(&house, &tokens);
}
