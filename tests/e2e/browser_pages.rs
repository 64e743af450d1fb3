//! Every page that people see, in a real browser: wide and on a phone, in light and in dark. Pictures of
//! them are kept in the target folder, under `tmp/screenshots`.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use serde_json::{Value, json};

use crate::browsing::{house, sign_in};
use crate::expiry::{DAY, House, MINUTE};
use crate::support::{Browser, PASSWORD, Tab, Upstream, free_address};

/// Somebody new to a site of their own.
struct Visit {
    tab: Tab,
    _browser: Browser,
    house: House,
    /// Never answers.
    _silent: TcpListener,
}

/// A page: its name, and how to come to see it.
type Page = (&'static str, fn(&Visit));

const PAGES: &[Page] = &[
    ("sign-in", |visit| visit.tab.visit("/page")),
    ("wrong-password", |visit| {
        visit.tab.visit("/page");
        visit.guess();
        visit.tab.sees("The name or the password is wrong.");
    }),
    ("too-many-attempts", |visit| {
        visit.tab.visit("/page");
        visit.guess();
        visit.tab.sees("The name or the password is wrong.");
        visit.guess();
        visit.tab.sees("Too many attempts.");
    }),
    ("new-password", |visit| {
        visit.house.set_temporary_password(PASSWORD, DAY);
        visit.tab.visit("/page");
        sign_in(&visit.tab);
        visit.tab.sees("choose a new password");
    }),
    ("sign-in-again", |visit| {
        visit.sign_in();
        visit.house.pass(16 * MINUTE);
        visit.tab.visit("/fresh");
        visit.tab.sees("please sign in again");
    }),
    ("sign-out", |visit| {
        visit.sign_in();
        visit.tab.visit("/vestibule/logout");
        visit.tab.sees("Sign out?");
    }),
    ("signed-out", |visit| {
        visit.tab.visit("/vestibule/logout");
        visit.tab.sees("You are signed out");
    }),
    ("forbidden", |visit| {
        visit.sign_in();
        visit.tab.visit("/secret");
        visit.tab.sees("Not allowed");
    }),
    ("not-found", |visit| {
        visit.tab.visit("/vestibule/nothing");
        visit.tab.sees("Not found");
    }),
    ("unreachable", |visit| {
        visit.tab.visit("/down");
        visit.tab.sees("The app cannot be reached");
    }),
    ("too-slow", |visit| {
        visit.tab.visit("/slow");
        visit.tab.sees("The app takes too long");
    }),
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
const MEASURES: &str = "[...document.querySelectorAll('button, .button, input:not([type=hidden])')]\
     .map(one => one.closest('label') ?? one)\
     .filter(one => one.offsetWidth < 24 || one.offsetHeight < 24)\
     .map(one => `too small: ${one.outerHTML}`)\
     .concat(document.documentElement.scrollWidth > innerWidth ? ['wider than the screen'] : [])";

impl Visit {
    /// The site has a route for each page.
    fn of(app: &Upstream) -> Self {
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
        let browser = Browser::new(&url);
        browser.call(json!([["addInitScript", {"path": Browser::axe()}]]));
        Self {
            tab: browser.tab(),
            _browser: browser,
            house,
            _silent: silent,
        }
    }

    fn sign_in(&self) {
        self.tab.visit("/page");
        sign_in(&self.tab);
        self.tab.sees("Hello, ada");
    }

    /// At the sign-in page.
    fn guess(&self) {
        self.tab.fill("Name", "ada");
        self.tab.fill("Password", "wrong");
        self.tab.click("button", "Sign in");
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

#[test]
fn every_page_is_accessible_and_fits_a_phone() {
    let app = Upstream::start();
    let mut complaints = Vec::new();
    for (name, go) in PAGES {
        let visit = Visit::of(&app);
        go(&visit);
        complaints.extend(look_at(&visit.tab, name));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
