//! What a real browser does with a form that meets an ended session.

use serde_json::json;

use crate::browsing::{house, sign_in};
use crate::expiry::DAY;
use crate::support::{Browser, Tab, Upstream};

const KEPT: &str = "[[routes]]\npath = \"/kept\"\nupstream = \"APP\"\nreplay_posts = true\n";

/// Types into a form of the app and sends it.
fn send_form(tab: &Tab, address: &str) {
    let form = format!(
        "const form = document.createElement('form'); form.method = 'post'; \
         form.action = '{address}'; form.innerHTML = '<input name=comment value=typed>'; \
         document.body.append(form); setTimeout(() => form.submit())"
    );
    tab.run(&format!("(() => {{ {form} }})()"));
}

/// What the app got by POST.
fn received(app: &Upstream) -> Vec<(String, Vec<u8>)> {
    let all = app.received().into_iter();
    let posts = all.filter(|request| request.head.method() == "POST");
    posts
        .map(|post| (post.head.target().to_owned(), post.body.data))
        .collect()
}

#[test]
fn a_kept_form_is_sent_once_after_sign_in_and_a_yes() {
    let app = Upstream::start();
    let (house, url) = house(&app, &KEPT.replace("APP", &app.url()));
    let browser = Browser::new(&url);
    let tab = browser.tab();
    tab.visit("/kept/greeting");
    sign_in(&tab);
    tab.sees("Hello, ada");
    house.pass(15 * DAY);
    send_form(&tab, "/kept/greeting");
    tab.sees("It is kept");
    sign_in(&tab);
    tab.sees("Send again what you typed?");
    assert_eq!(received(&app), []);
    tab.click("button", "Send it again");
    tab.sees("Hello, ada");
    let typed = ("/kept/greeting".to_owned(), b"comment=typed".to_vec());
    assert_eq!(received(&app), [typed]);
}

#[test]
fn a_form_that_is_not_kept_is_sent_by_a_reload_after_sign_in_in_another_tab() {
    let app = Upstream::start();
    let (house, url) = house(&app, "");
    let browser = Browser::new(&url);
    let tab = browser.tab();
    tab.visit("/greeting");
    sign_in(&tab);
    tab.sees("Hello, ada");
    house.pass(15 * DAY);
    send_form(&tab, "/greeting");
    tab.sees("What you typed was not sent.");
    assert_eq!(received(&app), []);
    let link = tab.run("(({target, href}) => [target, href])(document.querySelector('.button'))");
    let address = link[1].as_str().expect("an address");
    assert_eq!(link[0], json!("_blank"));
    let other = browser.tab();
    other.visit(address);
    sign_in(&other);
    other.sees("Hello, ada");
    tab.reload();
    tab.sees("Hello, ada");
    let typed = ("/greeting".to_owned(), b"comment=typed".to_vec());
    assert_eq!(received(&app), [typed]);
}
