//! What people do in a real browser: they sign in, come back to where they were, and sign out.

use serde_json::json;

use crate::expiry::{DAY, House, MINUTE};
use crate::support::{Browser, Gateway, PASSWORD, Program, Setup, Tab, Upstream, free_address};

const DEEP: &str = "/reports/2026/greeting?sort=name&q=a%20b&q=%E6%84%9B#row-7/%C3%A9?x=1";

/// A gateway in front of an app, at an address that a browser can be given.
struct Site {
    url: String,
    _gateway: Gateway,
    _app: Upstream,
}

impl Site {
    fn new() -> Self {
        let app = Upstream::start();
        let (setup, url) = reachable();
        let gateway = setup.route("/", &app.url(), "signed-in", "").start();
        Self {
            url,
            _gateway: gateway,
            _app: app,
        }
    }
}

/// A setup without routes, and where a browser finds what it starts.
pub fn reachable() -> (Setup, String) {
    let address = free_address();
    let url = format!("http://localhost:{}", address.port());
    let setup = Setup::new().public_url(&url);
    (setup.also_listen(&address.to_string()), url)
}

/// As `Site`, with a clock that the test moves. `more` are lines of `[login]` and sections behind it.
pub fn house(app: &Upstream, more: &str) -> (House, String) {
    let (address, app) = (free_address(), app.url());
    let url = format!("http://localhost:{}", address.port());
    let house = House::of(&format!(
        "[server]\nlisten = \"{address}\"\npublic_url = \"{url}\"\nadmin_listen = \"\"\n\
         [[routes]]\nupstream = \"{app}\"\n[storage]\nurl = \"memory:\"\n\
         [observe.access_log]\nto = \"off\"\n[observe.audit_log]\nto = \"off\"\n\
         [login]\nmin_duration = \"0s\"\n{more}"
    ));
    (house, url)
}

#[track_caller]
pub fn sign_in(tab: &Tab) {
    tab.fill("Name", "ada");
    tab.fill("Password", PASSWORD);
    tab.click("button", "Sign in");
}

#[track_caller]
fn has_focus(tab: &Tab, id: &str) {
    tab.waits_for(&format!("document.activeElement?.id === '{id}'"));
}

#[test]
fn a_person_signs_in_and_is_where_they_wanted_to_go() {
    let site = Site::new();
    let browser = Browser::new(&site.url);
    let tab = browser.tab();
    tab.visit("/team/greeting?tab=2");
    tab.sees("Sign in");
    sign_in(&tab);
    tab.sees("Hello, ada");
    tab.is_at("/team/greeting?tab=2");
    tab.click("link", "Leave");
    tab.sees("Sign out?");
    tab.click("button", "Sign out");
    tab.sees("You are signed out");
    let cookies = browser.cookies();
    let is_of_device = |name: &String| name.starts_with("vestibule_device");
    assert!(cookies.iter().all(is_of_device), "{cookies:?}");
    tab.visit("/team/greeting?tab=2");
    tab.sees("Sign in");
}

#[test]
fn a_person_signs_in_and_out_by_the_keyboard_alone() {
    let site = Site::new();
    let browser = Browser::new(&site.url);
    let tab = browser.tab();
    tab.visit("/greeting");
    has_focus(&tab, "username");
    tab.write("ada");
    tab.press("Tab");
    has_focus(&tab, "password");
    tab.write(PASSWORD);
    tab.press("Tab");
    tab.waits_for("document.activeElement?.name === 'remember'");
    tab.press("Space");
    tab.waits_for("document.activeElement?.checked");
    tab.press("Tab");
    tab.waits_for("document.activeElement?.type === 'submit'");
    tab.press("Enter");
    tab.sees("Hello, ada");

    tab.visit("/vestibule/logout");
    tab.waits_for("document.activeElement?.type === 'submit'");
    tab.press("Enter");
    tab.sees("You are signed out");
    tab.press("Tab");
    tab.press("Enter");
    has_focus(&tab, "username");
    tab.write("ada");
    tab.press("Tab");
    tab.write(PASSWORD);
    tab.press("Enter");
    tab.is_at("/");
}

#[test]
fn a_wrong_password_is_told_and_the_name_need_not_be_typed_again() {
    let site = Site::new();
    let browser = Browser::new(&site.url);
    let tab = browser.tab();
    tab.visit("/greeting");
    tab.fill("Name", "ada");
    tab.fill("Password", "wrong");
    tab.click("button", "Sign in");
    tab.sees("The name or the password is wrong.");
    has_focus(&tab, "password");
    assert_eq!(tab.run("document.activeElement.value"), "");
    assert_eq!(tab.run("document.getElementById('username').value"), "ada");
    tab.write(PASSWORD);
    tab.press("Enter");
    tab.sees("Hello, ada");
    tab.is_at("/greeting");
}

#[test]
fn a_deep_link_comes_back_with_its_query_and_its_fragment() {
    let site = Site::new();
    let browser = Browser::new(&site.url);
    let tab = browser.tab();
    tab.visit(DEEP);
    sign_in(&tab);
    tab.sees("Hello, ada");
    tab.is_at(DEEP);

    let slow = browser.another();
    let tab = slow.tab();
    tab.visit(DEEP);
    tab.fill("Name", "ada");
    tab.fill("Password", "wrong");
    tab.click("button", "Sign in");
    tab.sees("The name or the password is wrong.");
    tab.fill("Password", PASSWORD);
    tab.click("button", "Sign in");
    tab.sees("Hello, ada");
    tab.is_at(DEEP);
}

#[test]
fn an_app_may_send_people_elsewhere_right_after_they_signed_in() {
    let (site, elsewhere) = (Site::new(), Upstream::start());
    let browser = Browser::new(&site.url);
    let tab = browser.tab();
    tab.visit(&format!("/leave?to={}/greeting", elsewhere.url()));
    sign_in(&tab);
    tab.sees("Hello, stranger");
    assert_eq!(tab.address(), format!("{}/greeting", elsewhere.url()));
}

#[test]
fn who_chooses_a_language_before_signing_in_still_comes_back_to_the_fragment() {
    let site = Site::new();
    let browser = Browser::new(&site.url);
    let tab = browser.tab();
    tab.visit(DEEP);
    tab.click("button", "日本語");
    tab.waits_for("document.documentElement.lang === 'ja'");
    tab.fill("ユーザー名", "ada");
    tab.fill("パスワード", PASSWORD);
    tab.click("button", "サインイン");
    tab.sees("Hello, ada");
    tab.is_at(DEEP);
    tab.visit("/vestibule/logout");
    tab.waits_for("document.documentElement.lang === 'ja'");
}

#[test]
fn who_is_told_of_a_problem_at_a_page_of_ours_can_choose_a_language() {
    let site = Site::new();
    let browser = Browser::new(&site.url);
    let tab = browser.tab();
    for (path, told) in [
        ("/vestibule/login?after=sign-in", "サインインできていません"),
        ("/vestibule/nothing", "見つかりません"),
    ] {
        tab.visit(path);
        tab.click("button", "日本語");
        tab.sees(told);
        tab.click("button", "English");
        tab.waits_for("document.documentElement.lang === 'en'");
    }
}

#[test]
fn without_scripts_people_sign_in_and_out_and_come_back_to_a_fragment() {
    let site = Site::new();
    let browser = Browser::with(&site.url, json!({"javaScriptEnabled": false}));
    let tab = browser.tab();
    tab.visit(DEEP);
    sign_in(&tab);
    tab.sees("Hello, ada");
    tab.is_at(DEEP);
    tab.click("link", "Leave");
    tab.click("button", "Sign out");
    tab.sees("You are signed out");
    tab.visit("/greeting");
    tab.sees("Sign in");
}

#[test]
fn nobody_notices_that_a_token_expires_while_a_page_asks_for_twenty_things_at_once() {
    const TWENTY: &str = "Promise.all(Array.from({length: 20}, (_, number) => \
         fetch(`/data/${number}`).then(async answer => \
         answer.status === 200 && (await answer.text()).includes('ada')))) \
         .then(all => all.filter(good => good).length)";
    let app = Upstream::start();
    let (house, url) = house(&app, "");
    let browser = Browser::new(&url);
    let tab = browser.tab();
    tab.visit("/greeting");
    sign_in(&tab);
    tab.sees("Hello, ada");
    for _ in 0..3 {
        house.pass(10 * MINUTE);
        let before = app.count();
        assert_eq!(tab.run(TWENTY), 20);
        assert_eq!(app.count(), before + 20, "each of them once");
    }
    tab.is_at("/greeting");
    tab.reload();
    tab.sees("Hello, ada");
}

#[test]
fn who_signs_in_in_one_tab_is_signed_in_in_the_other() {
    let site = Site::new();
    let browser = Browser::new(&site.url);
    let [one, other] = ["/one/greeting", "/other/greeting"].map(|path| {
        let tab = browser.tab();
        tab.visit(path);
        tab.sees("Sign in");
        tab
    });
    sign_in(&one);
    one.is_at("/one/greeting");
    other.reload();
    other.is_at("/other/greeting");
    other.sees("Hello, ada");
}

#[test]
fn two_tabs_may_both_be_signed_in_from_their_forms() {
    let site = Site::new();
    let browser = Browser::new(&site.url);
    let tabs = ["/one/greeting", "/other/greeting"].map(|path| {
        let tab = browser.tab();
        tab.visit(path);
        (tab, path)
    });
    for (tab, path) in &tabs {
        sign_in(tab);
        tab.is_at(path);
        tab.sees("Hello, ada");
    }
    for (tab, _) in &tabs {
        tab.reload();
        tab.sees("Hello, ada");
    }
}

#[test]
fn a_sign_out_in_one_tab_ends_the_requests_and_the_websocket_of_the_other() {
    let (echo, app) = (Program::websocket_echo(), Upstream::start());
    let (setup, url) = reachable();
    let setup = setup.route("/chat", &echo.url(), "signed-in", "");
    let _gateway = setup.route("/", &app.url(), "signed-in", "").start();
    let browser = Browser::new(&url);
    let (one, other) = (browser.tab(), browser.tab());
    one.visit("/greeting");
    sign_in(&one);
    one.sees("Hello, ada");
    other.visit("/greeting");
    other.run(
        "new Promise(open => { \
         const socket = new WebSocket(`ws://${location.host}/chat`); \
         socket.onmessage = ({data}) => { window.greeting = data; open(); }; \
         socket.onclose = ({code}) => { window.ended = code; }; })",
    );
    assert_eq!(other.run("window.greeting"), "user=ada");
    assert_eq!(other.run("fetch('/data').then(({status}) => status)"), 200);

    one.click("link", "Leave");
    one.click("button", "Sign out");
    one.sees("You are signed out");
    other.waits_for("window.ended === 1008");
    assert_eq!(other.run("fetch('/data').then(({status}) => status)"), 401);
    other.reload();
    other.sees("Sign in");
}

#[test]
fn a_person_ends_the_session_of_another_browser_on_their_account_page() {
    let site = Site::new();
    let browser = Browser::new(&site.url);
    let other = browser.another();
    let (here, elsewhere) = (browser.tab(), other.tab());
    for tab in [&here, &elsewhere] {
        tab.visit("/greeting");
        sign_in(tab);
        tab.sees("Hello, ada");
    }
    here.visit("/vestibule/account");
    here.sees("Your account");
    here.sees("Chrome on Linux");
    here.click("button", "End this session");
    here.sees("The session is ended.");
    elsewhere.reload();
    elsewhere.sees("Keep me signed in");
    here.visit("/greeting");
    here.sees("Hello, ada");
}

#[test]
fn whose_browser_keeps_no_cookies_is_told_so() {
    let app = Upstream::start();
    let (setup, url) = reachable();
    let _gateway = setup.route("/", &app.url(), "signed-in", "").start();
    let browser = Browser::without_cookies(&url);
    let tab = browser.tab();
    tab.visit("/greeting");
    sign_in(&tab);
    tab.sees("You are not signed in yet");
    tab.sees("Allow cookies for this site");
    tab.click("link", "Sign in");
    tab.sees("Keep me signed in");
}

#[test]
fn password_managers_are_told_what_each_field_is_for() {
    const FIELDS: &str = "[...document.querySelectorAll('input[autocomplete]')]\
         .map(({type, name, autocomplete}) => `${type} ${name} ${autocomplete}`)";
    let app = Upstream::start();
    let (house, url) = house(&app, "");
    let browser = Browser::new(&url);
    let tab = browser.tab();
    tab.visit("/greeting");
    let sign_in = [
        "text username username",
        "password password current-password",
    ];
    assert_eq!(tab.run(FIELDS), json!(sign_in));

    house.set_temporary_password(PASSWORD, DAY);
    self::sign_in(&tab);
    tab.sees("choose a new password");
    let change = "password new_password new-password";
    assert_eq!(tab.run(FIELDS), json!([sign_in[0], sign_in[1], change]));
}

/// Browsers ask every site for a favicon by themselves.
#[test]
fn the_sign_in_page_is_two_small_files() {
    const LOADED: &str = "performance.getEntriesByType('navigation')\
         .concat(performance.getEntriesByType('resource'))\
         .filter(({name}) => !name.endsWith('/favicon.ico')).map(one => one.transferSize)";
    let site = Site::new();
    let browser = Browser::new(&site.url);
    let tab = browser.tab();
    tab.visit("/vestibule/login");
    let sizes = tab.run(LOADED);
    let sizes: Vec<u64> = serde_json::from_value(sizes).expect("a list of sizes");
    assert_eq!(sizes.len(), 2, "one page and one style sheet: {sizes:?}");
    assert!(sizes.iter().sum::<u64>() < 12 * 1024, "{sizes:?}");
}

#[test]
fn people_sign_in_and_out_where_neither_style_nor_script_comes_through() {
    let site = Site::new();
    let browser = Browser::with(&site.url, json!({"javaScriptEnabled": false}));
    let tab = browser.tab();
    tab.block("*.css");
    tab.visit("/greeting");
    tab.sees("Keep me signed in");
    sign_in(&tab);
    tab.sees("Hello, ada");
    tab.click("link", "Leave");
    tab.click("button", "Sign out");
    tab.sees("You are signed out");
}
