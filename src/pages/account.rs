//! What does the account page show? Who somebody is, where they are signed in, and since when.

use std::time::Duration;

use http::StatusCode;
use minijinja::{Value, context};

use super::Pages;
use super::browser::Client;
use super::languages::Language;
use super::message::{Message, counted};
use crate::clock::Timestamp;
use crate::identity::{Identity, Secret, SessionId};
use crate::reply::Reply;
use crate::request::Reader;
use crate::session::SessionRow;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What the account page shows.
#[derive(Clone, Copy, Debug)]
pub struct AccountPage<'a> {
    /// Who is signed in.
    pub identity: &'a Identity,
    /// Their live sessions.
    pub sessions: &'a [SessionRow],
    /// The session that asks.
    pub current: SessionId,
    /// What time it is.
    pub now: Timestamp,
    /// The fewest characters of a new password.
    pub least: usize,
    /// What was done.
    pub notice: Option<Notice>,
    /// Why the password was not changed.
    pub message: Option<Message>,
    /// What shows that a form is of this page, where that is asked for.
    pub csrf_token: Option<&'a Secret<String>>,
}

/// What was done on the account page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The password was changed.
    PasswordChanged,
    /// A session was ended.
    SessionEnded,
    /// All other sessions were ended.
    OthersEnded,
    /// There was no such session.
    Gone,
}

impl Notice {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::PasswordChanged, "password", "account.done_password"),
        (Self::SessionEnded, "session", "account.done_session"),
        (Self::OthersEnded, "others", "account.done_others"),
        (Self::Gone, "gone", "account.done_gone"),
    ];

    /// The word for it in an address.
    pub fn as_str(self) -> &'static str {
        self.entry().map_or("", |(_, word, _)| word)
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, known, _)| *known == word)
            .map(|(notice, ..)| notice)
    }

    fn said(self, language: &Language) -> String {
        let key = self.entry().map_or("", |(.., key)| key);
        language.say(key, &[])
    }

    fn entry(self) -> Option<(Self, &'static str, &'static str)> {
        Self::ALL.into_iter().find(|(notice, ..)| *notice == self)
    }
}

impl Pages {
    /// The page where people look after their sessions and their password: this session first, the
    /// others as they come.
    pub fn account(&self, reader: &Reader, status: StatusCode, page: &AccountPage<'_>) -> Reply {
        let language = self.language(reader);
        let is_this = |row: &&SessionRow| row.id == page.current;
        let this = page.sessions.iter().filter(is_this);
        let others = page.sessions.iter().filter(|row| !is_this(row));
        let rows = this.chain(others);
        let sessions: Vec<Value> = language
            .map(|language| rows.map(|row| shown(row, page, language)).collect())
            .unwrap_or_default();
        let groups = page.identity.groups.iter().map(ToString::to_string);
        let notice = page.notice.zip(language);
        let message = page.message.zip(language);
        let values = context! {
            user => context! {
                name => page.identity.name.to_string(),
                display_name => page.identity.display_name.as_ref().map(ToString::to_string),
                email => page.identity.email.as_ref().map(ToString::to_string),
                groups => groups.collect::<Vec<_>>(),
            },
            sessions => sessions,
            done => notice.map(|(notice, language)| notice.said(language)),
            message => message.map(|(message, language)| message.said(language)),
            new_password => page.least,
            csrf_token => page.csrf_token.map(Secret::expose),
            languages => self.offered.clone(),
        };
        self.page(reader, status, "account.html", &values)
    }
}

/// Values as the page has them, of nobody.
pub(super) fn sample() -> Value {
    let time = || context! { at => "2026-11-21T10:15:00Z", said => "…" };
    let session = context! {
        id => "…", is_current => false, name => "…", browser => "…", address => "192.0.2.1",
        last_seen => time(), signed_in => time(), ends => time(),
    };
    context! {
        user => context! {
            name => "ada", display_name => "Ada", email => "ada@example.com", groups => ["ops"],
        },
        sessions => vec![session],
    }
}

fn shown(row: &SessionRow, page: &AccountPage<'_>, language: &Language) -> Value {
    let browser = row.user_agent.as_deref().map(Client::of);
    let browser = called(browser.unwrap_or_default(), language);
    let unknown = || language.say("account.unknown", &[]);
    let time = |at: Timestamp, said: String| context! { at => at.to_string(), said => said };
    let last_seen = ago(page.now.since(row.last_seen_at), language);
    let ends = row.expires_at();
    context! {
        id => row.id.to_string(),
        is_current => row.id == page.current,
        name => row.device.clone().or_else(|| browser.clone()).unwrap_or_else(unknown),
        browser => row.device.is_some().then_some(browser),
        address => row.ip.map(|address| address.to_canonical().to_string()),
        last_seen => time(row.last_seen_at, last_seen),
        signed_in => time(row.created_at, moment(row.created_at, language)),
        ends => time(ends, ahead(ends.since(page.now), language)),
    }
}

/// How people call it, where it can be told.
fn called(client: Client<'_>, language: &Language) -> Option<String> {
    match (client.program, client.system) {
        (Some(browser), Some(system)) => {
            let values = [("browser", browser), ("system", system)];
            Some(language.say("account.browser_on", &values))
        }
        (one, other) => one.or(other).map(str::to_owned),
    }
}

/// How long ago, in the largest unit that fits.
fn ago(time: Duration, language: &Language) -> String {
    match roughly(time, false, language) {
        Some(time) => language.say("account.ago", &[("time", &time)]),
        None => language.say("account.just_now", &[]),
    }
}

/// In how long, in the largest unit that fits, to the nearest: what ends in two weeks less a moment
/// ends in 14 days.
fn ahead(time: Duration, language: &Language) -> String {
    match roughly(time, true, language) {
        Some(time) => language.say("account.ahead", &[("time", &time)]),
        None => language.say("account.soon", &[]),
    }
}

/// Minutes, hours or days; `None` for less than a minute. What is left over is dropped, or makes one
/// more where it is half a unit.
fn roughly(time: Duration, to_the_nearest: bool, language: &Language) -> Option<String> {
    let seconds = time.as_secs();
    let (unit, name) = match seconds {
        0..MINUTE => return None,
        MINUTE..HOUR => (MINUTE, "minute"),
        HOUR..DAY => (HOUR, "hour"),
        _ => (DAY, "day"),
    };
    let half = if to_the_nearest { unit / 2 } else { 0 };
    Some(counted((seconds + half) / unit, name, language))
}

/// Date and time, in UTC, which it says.
fn moment(at: Timestamp, language: &Language) -> String {
    let written = at.to_string();
    let (date, time) = written.split_once('T').unwrap_or_default();
    let mut parts = date.splitn(3, '-');
    let mut part = || parts.next().unwrap_or_default();
    let values = [
        ("year", part()),
        ("month", part()),
        ("day", part()),
        ("time", time.get(..5).unwrap_or_default()),
    ];
    language.say("account.moment", &values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::languages::Languages;

    fn said(index: usize, say: impl Fn(&Language) -> String) -> String {
        let (languages, _) = Languages::with([]).unwrap();
        say(languages.iter().nth(index).unwrap())
    }

    #[test]
    fn times_are_told_in_the_largest_unit_that_fits() {
        for (seconds, past, future) in [
            (0, "just now", "in a moment"),
            (59, "just now", "in a moment"),
            (60, "1 minute ago", "in 1 minute"),
            (3599, "59 minutes ago", "in 60 minutes"),
            (3600, "1 hour ago", "in 1 hour"),
            (86_399, "23 hours ago", "in 24 hours"),
            (86_400, "1 day ago", "in 1 day"),
            (1_209_599, "13 days ago", "in 14 days"),
            (864_000, "10 days ago", "in 10 days"),
        ] {
            let time = Duration::from_secs(seconds);
            assert_eq!(said(0, |language| ago(time, language)), past);
            assert_eq!(said(0, |language| ahead(time, language)), future);
        }
        let time = Duration::from_mins(5);
        assert_eq!(said(1, |language| ago(time, language)), "5分前");
    }

    #[test]
    fn moments_say_that_they_are_utc() {
        let at = Timestamp::from_seconds(1_795_256_100);
        let told = said(0, |language| moment(at, language));
        assert_eq!(told, "2026-11-21 10:15 UTC");
        let told = said(1, |language| moment(at, language));
        assert_eq!(told, "2026年11月21日 10:15（UTC）");
    }

    #[test]
    fn a_client_is_called_by_what_is_known_of_it() {
        for (user_agent, called) in [
            (
                "Mozilla/5.0 (X11; Linux) Firefox/1",
                Some("Firefox on Linux"),
            ),
            ("Mozilla/5.0 (X11; Linux)", Some("Linux")),
            ("curl/8", Some("curl")),
            ("", None),
        ] {
            let (languages, _) = Languages::with([]).unwrap();
            let english = languages.iter().next().unwrap();
            let told = super::called(Client::of(user_agent), english);
            assert_eq!(told.as_deref(), called);
        }
    }

    #[test]
    fn notices_are_read_back_from_addresses() {
        for (notice, word, key) in Notice::ALL {
            assert_eq!(Notice::parse(word), Some(notice));
            assert_eq!(notice.as_str(), word);
            assert_ne!(said(0, |language| notice.said(language)), key);
        }
        assert_eq!(Notice::parse("<b>"), None);
    }
}
