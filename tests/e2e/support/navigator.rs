//! A browser that keeps cookies by the rules: hosts, domains, paths, Secure and the prefixes of names.

use super::{Answer, Gateway, PASSWORD, Request};

/// More redirects than this are a loop; browsers follow twenty.
const MOST_HOPS: usize = 8;

/// What became of a navigation.
pub struct Arrived {
    /// The last answer.
    pub answer: Answer,
    /// Every address on the way, the last one at the end.
    pub way: Vec<String>,
}

/// One browser.
#[derive(Clone, Debug, Default)]
pub struct Navigator {
    cookies: Vec<Kept>,
    blocks: bool,
}

#[derive(Clone, Debug)]
struct Kept {
    name: String,
    value: String,
    domain: String,
    is_for_host_only: bool,
    path: String,
    is_secure: bool,
}

impl Navigator {
    /// One that keeps no cookies.
    pub fn without_cookies() -> Self {
        Self {
            blocks: true,
            ..Self::default()
        }
    }

    /// The `Cookie` value for this address.
    pub fn cookies_for(&self, address: &str) -> String {
        let (is_https, host, path) = split(address);
        let sent = self.cookies.iter().filter(|cookie| {
            let is_host = match cookie.is_for_host_only {
                true => cookie.domain == host,
                false => is_within(host, &cookie.domain),
            };
            is_host && (is_https || !cookie.is_secure) && leads_to(&cookie.path, path)
        });
        let pairs: Vec<String> = sent.map(|c| format!("{}={}", c.name, c.value)).collect();
        pairs.join("; ")
    }

    /// Whether a cookie is kept whose name holds this.
    pub fn keeps(&self, name: &str) -> bool {
        self.cookies.iter().any(|cookie| cookie.name.contains(name))
    }

    /// Does what a `Set-Cookie` field of an answer from this address says (RFC 6265 §5.3, and the prefixes
    /// of its successor).
    pub fn take(&mut self, address: &str, field: &str) {
        let (is_https, host, _) = split(address);
        let (pair, attributes) = field.split_once(';').unwrap_or((field, ""));
        let (name, value) = pair.split_once('=').expect("a cookie has a name");
        let mut cookie = Kept {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            domain: host.to_owned(),
            is_for_host_only: true,
            path: "/".to_owned(),
            is_secure: false,
        };
        let mut is_over = false;
        for attribute in attributes.split(';').map(str::trim) {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            match &*key.to_ascii_lowercase() {
                "domain" => {
                    cookie.domain = value.to_owned();
                    cookie.is_for_host_only = false;
                }
                "path" => cookie.path = value.to_owned(),
                "secure" => cookie.is_secure = true,
                "max-age" => is_over = value.parse::<i64>().expect("a number") <= 0,
                _ => {}
            }
        }
        let is_of_host = cookie.is_for_host_only && cookie.path == "/" && cookie.is_secure;
        let is_refused = self.blocks
            || (cookie.is_secure && !is_https)
            || !is_within(host, &cookie.domain)
            || (cookie.name.starts_with("__Secure-") && !cookie.is_secure)
            || (cookie.name.starts_with("__Host-") && !is_of_host);
        if is_refused {
            return;
        }
        self.cookies.retain(|other| {
            let one = |c: &Kept| {
                (
                    c.name.clone(),
                    c.domain.clone(),
                    c.is_for_host_only,
                    c.path.clone(),
                )
            };
            one(other) != one(&cookie)
        });
        if !is_over {
            self.cookies.push(cookie);
        }
    }

    /// Sends a request to this origin and keeps the cookies of the answer.
    pub fn send(
        &mut self,
        gateway: &Gateway,
        origin: &str,
        target: &str,
        request: Request,
    ) -> Answer {
        let address = format!("{origin}{target}");
        let (is_https, host, _) = split(&address);
        let mut request = request.header("Host", host);
        let cookies = self.cookies_for(&address);
        if !cookies.is_empty() {
            request = request.header("Cookie", &cookies);
        }
        if is_https {
            // Browsers say this where nobody listens in only.
            request = request.header("Sec-Fetch-Site", "same-origin");
        }
        let answer = request.send(gateway);
        for field in answer.head.all("set-cookie") {
            self.take(&address, field);
        }
        answer
    }

    /// Goes to a page and follows redirects on the same host.
    #[track_caller]
    pub fn go(&mut self, gateway: &Gateway, origin: &str, target: &str) -> Arrived {
        let first = Request::get(target).navigating();
        self.follow(gateway, origin, target, first)
    }

    /// Sends the form of the sign-in page, as our page has it, and follows.
    #[track_caller]
    pub fn sign_in(
        &mut self,
        gateway: &Gateway,
        origin: &str,
        name: &str,
        return_to: &str,
    ) -> Arrived {
        let form = Request::post("/vestibule/login")
            .navigating()
            .header("Origin", origin)
            .form(&[
                ("return_to", return_to),
                ("check_cookies", "true"),
                ("username", name),
                ("password", PASSWORD),
            ]);
        self.follow(gateway, origin, "/vestibule/login", form)
    }

    /// Sends the form that signs out, and follows.
    #[track_caller]
    pub fn sign_out(&mut self, gateway: &Gateway, origin: &str) -> Arrived {
        let form = Request::post("/vestibule/logout")
            .navigating()
            .header("Origin", origin)
            .form(&[]);
        self.follow(gateway, origin, "/vestibule/logout", form)
    }

    #[track_caller]
    fn follow(&mut self, gateway: &Gateway, origin: &str, target: &str, first: Request) -> Arrived {
        let mut way = vec![target.to_owned()];
        let mut answer = self.send(gateway, origin, target, first);
        while let (303, Some(next)) = (answer.status, answer.header("location")) {
            assert!(way.len() <= MOST_HOPS, "a loop: {way:?}");
            let next = next.to_owned();
            answer = self.send(gateway, origin, &next, Request::get(&next).navigating());
            way.push(next);
        }
        Arrived { answer, way }
    }
}

/// Whether it is https, the host without port, the path.
fn split(address: &str) -> (bool, &str, &str) {
    let (scheme, rest) = address.split_once("://").expect("an address");
    let (host, path) = rest.split_at(rest.find('/').expect("a path"));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    (scheme == "https", host, path)
}

fn is_within(host: &str, domain: &str) -> bool {
    let rest = host.strip_suffix(domain);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn leads_to(cookie: &str, path: &str) -> bool {
    let rest = path.strip_prefix(cookie);
    rest.is_some_and(|rest| cookie.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}
