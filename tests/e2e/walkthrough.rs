//! The README's walk-through, with the curl that everybody has: sign in, call, refresh, sign out.

use std::process::Command;

use serde_json::Value;

use crate::support::{Gateway, PASSWORD, Program, Setup, Upstream, curl};

const README: &str = include_str!("../../README.md");

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

fn status_of(arguments: &[&str]) -> String {
    let arguments = [
        &["--output", "/dev/null", "--write-out", "%{http_code}"],
        arguments,
    ]
    .concat();
    curl(&arguments).expect_success().out
}

fn post_json(url: &str, body: &str) -> Value {
    let answer = curl(&["-H", "Content-Type: application/json", "-d", body, url]);
    json_of(&answer.expect_success().out)
}

/// The block of shell under "The walk-through", in the reader's place.
fn script(url: &str, password: &str) -> String {
    let (_, section) = README
        .split_once("## The walk-through\n")
        .expect("it is there");
    let (_, block) = section.split_once("```sh\n").expect("it has a block");
    let (block, _) = block.split_once("```").expect("the block ends");
    let filled_in = |line: &str| match line {
        _ if line.starts_with("URL=") => format!("URL='{url}'"),
        _ if line.starts_with("PASSWORD=") => format!("PASSWORD='{password}'"),
        _ => line.to_owned(),
    };
    block.lines().map(filled_in).collect::<Vec<_>>().join("\n")
}

/// Whether the README's `pattern` tells this line: `…` stands for anything.
fn tells(pattern: &str, line: &str) -> bool {
    match pattern.split_once('…') {
        None => pattern == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            let mut tails = line.char_indices().map(|(at, _)| &line[at..]).chain([""]);
            tails.any(|tail| tells(rest, tail))
        }),
    }
}

#[test]
fn the_readme_prints_what_it_says() {
    let app = Program::copyparty();
    let gateway = Setup::new().route("/", &app.url(), "signed-in", "").start();
    let script = script(&gateway.url(), PASSWORD);
    curl(&["--version"]).expect_success();

    let ran = Command::new("bash").args(["-euc", &script]).output();
    let ran = ran.expect("there is a shell");
    assert!(ran.status.success(), "{ran:?}");
    assert!(ran.stderr.is_empty(), "{ran:?}");
    let printed = String::from_utf8(ran.stdout).expect("it prints text");
    let mut lines = printed.lines();
    for pattern in script.lines().filter_map(|line| line.strip_prefix("#> ")) {
        let pattern = match pattern {
            "x-forwarded-user: ada" => "# acct: ada", // as this app puts it
            _ => pattern,
        };
        assert!(
            lines.any(|line| tells(pattern, line)),
            "{pattern} is missing or out of turn in\n{printed}"
        );
    }
    assert_eq!(lines.next(), None, "the last answer is told");

    let tokens = |line: &&str| line.starts_with("{\"token_type\"");
    let handed_out: Vec<&str> = printed.lines().filter(tokens).collect();
    assert_eq!(handed_out.len(), 2, "{printed}");
    for field in ["access_token", "refresh_token"] {
        let [first, second] = [0, 1].map(|at| json_of(handed_out[at])[field].clone());
        assert!(first.is_string() && first != second, "{printed}");
    }
}

#[test]
fn a_script_signs_in_calls_refreshes_and_signs_out() {
    let app = Program::copyparty();
    let gateway = Setup::new().route("/", &app.url(), "signed-in", "").start();
    let at = |path: &str| format!("{}{path}", gateway.url());

    assert_eq!(status_of(&[&at("/")]), "401", "a stranger is turned away");

    let login = format!(r#"{{"username": "ada", "password": "{PASSWORD}"}}"#);
    let tokens = post_json(&at("/vestibule/login"), &login);
    assert_eq!(tokens["token_type"], "Bearer");
    let life = tokens["expires_in"].as_u64();
    assert!(matches!(life, Some(299 | 300)), "{life:?}");
    let access = tokens["access_token"].as_str().expect("a token");
    let authorization = format!("Authorization: Bearer {access}");

    let seen = curl(&["-H", &authorization, &at("/?ls")]).expect_success();
    assert_eq!(json_of(&seen.out)["acct"], "ada", "the app knows who asks");

    let refresh = tokens["refresh_token"].as_str().expect("a token");
    let body = format!(r#"{{"refresh_token": "{refresh}"}}"#);
    let renewed = post_json(&at("/vestibule/refresh"), &body);
    let access = renewed["access_token"].as_str().expect("a token");
    let authorization = format!("Authorization: Bearer {access}");
    assert_eq!(status_of(&["-H", &authorization, &at("/?ls")]), "200");

    let logout = ["-X", "POST", "-H", &authorization, &at("/vestibule/logout")];
    assert_eq!(status_of(&logout), "204");
    assert_eq!(status_of(&["-H", &authorization, &at("/?ls")]), "401");
    let again = [
        "-H",
        "Content-Type: application/json",
        "-d",
        &body,
        &at("/vestibule/refresh"),
    ];
    assert_eq!(status_of(&again), "401");
}

#[test]
fn a_browser_is_sent_to_the_form_and_comes_back_to_where_it_was() {
    let upstream = Upstream::start();
    let gateway = Gateway::in_front_of(&upstream);
    let browser = Browser::new(&gateway);

    let (status, login_page) = browser.goes_to("/page?x=1&y=2");
    assert_eq!(status, "303");
    assert!(
        login_page.contains("/vestibule/login?return_to="),
        "{login_page}"
    );
    let form = browser.opens(&login_page);
    assert!(
        form.contains("<form") && form.contains("name=\"password\""),
        "{form}"
    );

    let fields = [
        "username=ada",
        &format!("password={PASSWORD}"),
        "return_to=/page?x=1&y=2",
    ];
    let (status, back) = browser.posts("/vestibule/login", &fields);
    assert_eq!(
        (status.as_str(), back),
        ("303", browser.at("/page?x=1&y=2"))
    );

    let page = browser.opens(&browser.at("/page?x=1&y=2"));
    assert!(page.starts_with("GET /page?x=1&y=2 HTTP/1.1\r\n"), "{page}");
    assert_eq!(upstream.last().head.all("x-forwarded-user"), ["ada"]);
    assert_eq!(upstream.last().head.all("cookie"), [""; 0]);

    let (status, _) = browser.posts("/vestibule/logout", &[""]);
    assert_eq!(status, "303");
    let count = upstream.count();
    assert_eq!(browser.goes_to("/page").0, "303");
    assert_eq!(upstream.count(), count);
}

/// curl with a cookie jar.
struct Browser {
    base: String,
    jar: String,
}

impl Browser {
    fn new(gateway: &Gateway) -> Self {
        let jar = gateway.file("cookies.txt");
        Self {
            base: gateway.url(),
            jar: jar.to_str().expect("the path is text").to_owned(),
        }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn opens(&self, url: &str) -> String {
        self.curl(&[url])
    }

    /// The status, and where it leads.
    fn goes_to(&self, path: &str) -> (String, String) {
        self.led(&[&self.at(path)])
    }

    /// The same for a form with these fields.
    fn posts(&self, path: &str, fields: &[&str]) -> (String, String) {
        let (origin, url) = (format!("Origin: {}", self.base), self.at(path));
        let mut arguments = vec!["-H", &origin];
        for field in fields {
            arguments.extend(["--data-urlencode", field]);
        }
        arguments.push(&url);
        self.led(&arguments)
    }

    fn led(&self, arguments: &[&str]) -> (String, String) {
        let format = ["-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"];
        let told = self.curl(&[&format, arguments].concat());
        let (status, target) = told.split_once(' ').expect("two words");
        (status.to_owned(), target.to_owned())
    }

    fn curl(&self, arguments: &[&str]) -> String {
        let own = ["-b", &self.jar, "-c", &self.jar, "-H", "Accept: text/html"];
        curl(&[&own, arguments].concat()).expect_success().out
    }
}
