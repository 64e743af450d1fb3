//! What is that on the other side? A browser and its system, by what it calls itself.

/// What a browser's own name for itself holds, and how people call it. Most of them hold the names of
/// others as well: the first that is found counts.
const BROWSERS: [(&str, &str); 17] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("FxiOS/", "Firefox"),
    ("Focus/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// The same for systems.
const SYSTEMS: [(&str, &str); 9] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("FreeBSD", "FreeBSD"),
    ("OpenBSD", "OpenBSD"),
    ("Linux", "Linux"),
];

/// The most characters that a program's name may have to be shown.
const LONGEST_PROGRAM: usize = 32;

/// A browser or another program, and what it runs on, as far as it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Client<'a> {
    pub(super) program: Option<&'a str>,
    pub(super) system: Option<&'static str>,
}

impl<'a> Client<'a> {
    /// By the value of `User-Agent`. It can claim anything: it is no proof, but a help to remember.
    pub(super) fn of(user_agent: &'a str) -> Self {
        let browser = first(&BROWSERS, user_agent);
        Self {
            program: browser.or_else(|| program(user_agent)),
            system: first(&SYSTEMS, user_agent),
        }
    }
}

fn first(table: &[(&str, &'static str)], user_agent: &str) -> Option<&'static str> {
    let mut found = table.iter().filter(|(held, _)| user_agent.contains(held));
    found.next().map(|(_, called)| *called)
}

/// The name of a program that says so first, such as `curl/8.1`; every browser says `Mozilla`.
fn program(user_agent: &str) -> Option<&str> {
    let name = user_agent.split(['/', ' ']).next()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_name = !name.is_empty() && name.len() <= LONGEST_PROGRAM && name.bytes().all(is_plain);
    (is_name && name != "Mozilla").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `User-Agent`, program, system.
    const TOLD: &[(&str, &str, &str)] = &[
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Firefox",
            "Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
            "Chrome",
            "Windows",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
            "Edge",
            "Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
            "Safari",
            "macOS",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
            "Safari",
            "iPhone",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 Mobile/15E148 Safari/604.1",
            "Chrome",
            "iPad",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
            "Samsung Internet",
            "Android",
        ),
        (
            "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0",
            "Firefox",
            "Android",
        ),
        (
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
            "Chrome",
            "ChromeOS",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 OPR/112.0.0.0",
            "Opera",
            "Linux",
        ),
        ("curl/8.5.0", "curl", ""),
        ("python-requests/2.32.3", "python-requests", ""),
        ("Wget/1.21 (linux-gnu)", "Wget", ""),
        ("Mozilla/5.0", "", ""),
        ("Mozilla/5.0 (X11; Linux x86_64)", "", "Linux"),
        ("<script>alert(1)</script>", "", ""),
        ("", "", ""),
        ("a-name-that-goes-on-and-on-and-on-and-on/1", "", ""),
    ];

    #[test]
    fn browsers_and_programs_are_told_apart() {
        for (user_agent, program, system) in TOLD {
            let some = |text: &&'static str| (!text.is_empty()).then_some(*text);
            let told = Client {
                program: some(program),
                system: some(system),
            };
            assert_eq!(Client::of(user_agent), told, "{user_agent}");
        }
    }
}
