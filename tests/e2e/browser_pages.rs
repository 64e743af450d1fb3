//! Every page that people see, in a real browser: wide and on a phone, in light and in dark. Pictures of
//! them are kept in the target folder, under `tmp/screenshots`.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use serde_json::{Value, json};

use crate::browsing::{house, reachable, sign_in};
use crate::expiry::{DAY, House, MINUTE};
use crate::support::{Browser, PASSWORD, Tab, Upstream, free_address};

/// Somebody new to a site of their own.
struct Visit {
    tab: Tab,
    _browser: Browser,
    house: House,
    url: String,
    /// Where the app is, which is another site for browsers.
    elsewhere: String,
    /// Never answers.
    _silent: TcpListener,
}

/// A page: its name, the status that it comes with, and how to come to see it, in whatever language.
type Page = (&'static str, u16, fn(&Visit));

const PAGES: &[Page] = &[
    ("sign-in", 200, |visit| visit.tab.visit("/greeting")),
    ("wrong-password", 401, |visit| {
        visit.tab.visit("/greeting");
        visit.guess();
    }),
    ("too-many-attempts", 429, |visit| {
        visit.tab.visit("/greeting");
        visit.guess();
        visit.guess();
    }),
    ("new-password", 403, |visit| {
        visit.house.set_temporary_password(PASSWORD, DAY);
        visit.sign_in();
    }),
    ("sign-in-again", 200, |visit| {
        visit.sign_in();
        visit.house.pass(16 * MINUTE);
        visit.tab.visit("/fresh");
    }),
    ("sign-out", 200, |visit| {
        visit.sign_in();
        visit.tab.visit("/vestibule/logout");
    }),
    ("signed-out", 200, |visit| {
        visit.tab.visit("/vestibule/logout")
    }),
    ("account", 200, |visit| {
        visit.sign_in();
        visit.tab.visit("/vestibule/account");
    }),
    ("account-refused", 401, |visit| {
        visit.sign_in();
        visit.tab.visit("/vestibule/account");
        visit
            .tab
            .call(json!([["fill", "#current_password", "wrong"]]));
        visit
            .tab
            .call(json!([["fill", "#new_password", "a new password of mine"]]));
        visit.tab.call(json!([["press", "#new_password", "Enter"]]));
        visit.tab.call(json!([["waitForSelector", "#message"]]));
    }),
    ("lost-cookies", 400, |visit| {
        visit.tab.visit("/vestibule/login?after=sign-in");
    }),
    ("not-sent", 401, |visit| {
        visit.tab.visit("/page");
        visit.post("/page");
    }),
    ("send-again", 200, |visit| {
        visit.sign_in();
        visit.house.pass(15 * DAY);
        visit.tab.visit("/vestibule/login");
        visit.post("/kept/page");
        let right = [("username", "ada"), ("password", PASSWORD)];
        visit.tab.submit(&right);
    }),
    ("kept", 200, |visit| {
        visit.sign_in();
        visit.house.pass(15 * DAY);
        visit.tab.visit("/vestibule/login");
        visit.post("/kept/page");
    }),
    ("not-kept", 410, |visit| {
        visit.sign_in();
        let gone = "/vestibule/resend?form=AAAAAAAAAAAAAAAAAAAAAA";
        visit.tab.visit(gone);
    }),
    ("stopped", 403, |visit| {
        visit.tab.visit(&format!("{}/greeting", visit.elsewhere));
        visit.post(&format!("{}/vestibule/login", visit.url));
    }),
    ("forbidden", 403, |visit| {
        visit.sign_in();
        visit.tab.visit("/secret");
    }),
    ("not-found", 404, |visit| {
        visit.tab.visit("/vestibule/nothing")
    }),
    ("misread", 400, |visit| visit.tab.visit("/%zz")),
    ("unreachable", 502, |visit| visit.tab.visit("/down")),
    ("too-slow", 504, |visit| visit.tab.visit("/slow")),
];

/// How a page is shown: its name, what is preferred, how wide and high.
const LOOKS: &[(&str, &str, u32, u32)] = &[
    ("wide-light", "light", 1280, 800),
    ("wide-dark", "dark", 1280, 800),
    ("phone-light", "light", 320, 640),
    ("phone-dark", "dark", 320, 640),
];

/// What W3C's guidelines ask for, up to WCAG 2.2 AA, and what axe's makers advise beyond that.
const AXE: &str = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', \
     'best-practice'], rules: {'target-size': {enabled: true}}}).then(({violations}) => \
     violations.map(({id, help, nodes}) => `${id}: ${help}: ${nodes.map(node => node.html)}`))";

/// How far the page reaches over the right edge, and what is too small for a finger.
const MEASURES: &str = "[...document.querySelectorAll('button, .button, input:not([type=hidden], [hidden])')]\
     .map(one => one.closest('label') ?? one)\
     .filter(one => one.offsetWidth < 24 || one.offsetHeight < 24)\
     .map(one => `too small: ${one.outerHTML}`)\
     .concat(document.documentElement.scrollWidth > innerWidth ? ['wider than the screen'] : [])";

impl Visit {
    /// By somebody who reads this language. The site has a route for each page.
    fn of(app: &Upstream, language: &str) -> Self {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let slow = silent.local_addr().expect("it is bound");
        let (app_url, nobody) = (app.url(), free_address());
        let more = format!(
            r#"
            free_failures = 1
            [[routes]]
            path = "/fresh"
            upstream = "{app_url}"
            max_auth_age = "15m"
            [[routes]]
            path = "/secret"
            upstream = "{app_url}"
            allow = {{ groups = ["nobody"] }}
            [[routes]]
            path = "/kept"
            upstream = "{app_url}"
            replay_posts = true
            [[routes]]
            path = "/down"
            upstream = "http://{nobody}"
            allow = "anyone"
            [[routes]]
            path = "/slow"
            upstream = "http://{slow}"
            allow = "anyone"
            response_timeout = "1s"
            "#
        );
        let (house, url) = house(app, &more);
        let browser = Browser::with(&url, json!({"locale": language}));
        browser.call(json!([["addInitScript", {"path": Browser::axe()}]]));
        Self {
            tab: browser.tab(),
            _browser: browser,
            house,
            url,
            elsewhere: app_url,
            _silent: silent,
        }
    }

    /// Sends a form from where they are.
    fn post(&self, address: &str) {
        let send = format!(
            "const form = document.createElement('form'); form.method = 'post'; \
             form.action = '{address}'; form.innerHTML = '<input name=comment value=typed>'; \
             window.isBefore = true; document.body.append(form); form.submit()"
        );
        self.tab.run(&format!("(() => {{ {send} }})()"));
        let is_there = "!window.isBefore && document.readyState === 'complete'";
        self.tab.waits_for(is_there);
    }

    fn sign_in(&self) {
        self.tab.visit("/greeting");
        let right = [("username", "ada"), ("password", PASSWORD)];
        self.tab.submit(&right);
    }

    /// At the sign-in page.
    fn guess(&self) {
        let wrong = [("username", "ada"), ("password", "wrong")];
        self.tab.submit(&wrong);
    }
}

/// Complaints about a page in each of its looks.
fn look_at(tab: &Tab, name: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (look, scheme, width, height) in LOOKS {
        tab.call(json!([["emulateMedia", {"colorScheme": scheme}]]));
        tab.call(json!([["setViewportSize", {"width": width, "height": height}]]));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        let file = folder.join(format!("{name}-{look}.png"));
        tab.call(json!([["screenshot", {"path": file, "fullPage": true}]]));
        for script in [AXE, MEASURES] {
            let Value::Array(found) = tab.run(script) else {
                panic!("{name}: no list");
            };
            complaints.extend(found.iter().map(|one| format!("{name}, {look}: {one}")));
        }
    }
    complaints
}

/// Goes to every page as somebody who reads this language.
fn look_at_all(language: &str) {
    let app = Upstream::start();
    let mut complaints = Vec::new();
    for (name, status, go) in PAGES {
        let visit = Visit::of(&app, language);
        go(&visit);
        let name = format!("{name}-{language}");
        complaints.extend(look_at(&visit.tab, &name));
        let came = visit.tab.run(
            "[document.documentElement.lang, \
             performance.getEntriesByType('navigation')[0].responseStatus]",
        );
        assert_eq!(came, json!([language, status]), "{name}");
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_page_is_accessible_and_fits_a_phone() {
    look_at_all("en");
}

#[test]
fn every_page_is_accessible_and_fits_a_phone_in_japanese() {
    look_at_all("ja");
}

#[test]
fn a_brand_of_any_colour_can_be_read() {
    let (app, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let logo = folder.path().join("logo.svg");
    let drawing = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 8 8\">\
                   <circle cx=\"4\" cy=\"4\" r=\"4\" fill=\"#ffcc00\"/></svg>";
    std::fs::write(&logo, drawing).unwrap();
    let logo = logo.display();
    let more = format!(
        "[pages]\nname = \"Wiki of Ada & Co\"\nnotice = \"Ask Eve for an account.\"\n\
         accent = \"#ffcc00\"\nlogo = \"{logo}\""
    );
    let (_house, url) = house(&app, &more);
    let browser = Browser::new(&url);
    browser.call(json!([["addInitScript", {"path": Browser::axe()}]]));
    let tab = browser.tab();
    tab.visit("/page");
    tab.sees("Ask Eve for an account.");
    tab.waits_for("document.querySelector('header img').naturalWidth > 0");
    let complaints = look_at(&tab, "brand-en");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_small_page_in_a_frame_is_accessible() {
    let app = Upstream::start();
    let app_url = app.url();
    let open =
        format!("[[routes]]\npath = \"/open\"\nupstream = \"{app_url}\"\nallow = \"anyone\"");
    let (_house, url) = house(&app, &open);
    let browser = Browser::new(&url);
    browser.call(json!([["addInitScript", {"path": Browser::axe()}]]));
    let tab = browser.tab();
    tab.visit("/open/greeting");
    tab.run(
        "document.body.innerHTML = '<main aria-label=\"App\"><h1>The app</h1>\
         <iframe title=\"Report\" src=\"/page\" width=\"280\" height=\"320\"></iframe></main>'",
    );
    let inside = "document.querySelector('iframe').contentDocument";
    tab.waits_for(&format!("{inside}?.querySelector('a[target=_top]')"));
    let complaints = look_at(&tab, "in-a-frame-en");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let frame = json!([["frameLocator", "iframe"], ["getByRole", "link"], ["click"]]);
    tab.call(frame);
    tab.sees("Keep me signed in");
}

#[test]
fn the_page_of_a_store_that_does_not_answer_is_accessible() {
    let app = Upstream::start();
    let (setup, url) = reachable();
    let gateway = setup.route("/", &app.url(), "signed-in", "").start();
    let browser = Browser::new(&url);
    browser.call(json!([["addInitScript", {"path": Browser::axe()}]]));
    let tab = browser.tab();
    tab.visit("/greeting");
    sign_in(&tab);
    tab.sees("Hello, ada");
    let mut cookies = browser.cookies().into_iter();
    let access = cookies.find(|name| name.contains("access"));
    browser.call(json!([["clearCookies", {"name": access}]]));
    let database = rusqlite::Connection::open(gateway.file("vestibule.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    tab.visit("/greeting");
    tab.sees("503 temporarily_unavailable");
    let complaints = look_at(&tab, "unavailable-en");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    database.execute_batch("COMMIT").unwrap();
    tab.click("link", "Try again");
    tab.sees("Hello, ada");
}
