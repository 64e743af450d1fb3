//! The yes to sending a kept form: late, held back, or without its key, it sends nothing and harms nobody.

use crate::held_forms::{gateway, page, signed_in_again, yes};
use crate::support::{Jar, Request, Setup, Upstream, sign_in};

#[test]
fn whoever_keeps_the_body_back_has_no_permit_meanwhile() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = sign_in(&gateway, "ada").access;
    let request = yes("AAAAAAAAAAAAAAAAAAAAAA").bearer(&token).to_bytes();
    let (most, last) = request.split_at(request.len() - 1);
    let mut held = gateway.connect();
    held.send(most);
    // The gateway has read the head by the time that it answers others.
    let sign_out = Request::post("/vestibule/logout").bearer(&token);
    assert_eq!(sign_out.send(&gateway).status, 204);
    held.send(last);
    let refused = held.answer();
    assert_eq!(refused.status, 401);
    assert!(refused.text().contains("401 token_revoked"));
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_yes_whose_key_has_gone_is_not_taken_for_a_form() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let (jar, id) = signed_in_again(&gateway, "ada");
    let without = Jar::of(&jar.but("vestibule_form"));
    let late = without.with(yes(&id)).send(&gateway);
    assert_eq!(
        (late.status, late.text().contains("form_not_kept")),
        (410, true)
    );
    assert_eq!(upstream.count(), 0);
    assert_eq!(
        jar.with(page(&id)).send(&gateway).status,
        200,
        "it is there still"
    );
}

#[test]
fn where_no_forms_are_kept_bodies_are_not_waited_for() {
    let upstream = Upstream::start();
    let gateway = Setup::in_front_of(&upstream).start();
    let token = sign_in(&gateway, "ada").access;
    let request = Request::post("/sink")
        .header("Content-Type", "text/plain")
        .body("vestibule_form=AAAAAAAAAAAAAAAAAAAAAA\r\n")
        .bearer(&token)
        .to_bytes();
    let (most, last) = request.split_at(request.len() - 1);
    let mut held = gateway.connect();
    held.send(most);
    upstream.wait_for(1);
    held.send(last);
    assert_eq!(held.answer().status, 200);
}
