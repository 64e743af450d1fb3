//! What people see: pages in their language, from templates that files can replace, and one style
//! sheet.

mod account;
mod assets;
mod brand;
mod browser;
mod languages;
mod message;
mod problem;
mod rendering;

use std::sync::Arc;

use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use minijinja::{Value, context};
use thiserror::Error;

use self::assets::{Asset, STYLE_FILE};
use self::languages::{Language, Languages};
use self::rendering::{TEMPLATES, Templates};
use crate::config::PagesSettings;
use crate::identity::Secret;
use crate::policy::OwnPrefix;
use crate::reply::{self, Profile, Reply};
use crate::request::{LanguageTag, Reader};

pub use account::{AccountPage, Notice};
pub use message::Message;

/// What a browser may do with our pages: no script, nothing from elsewhere, no framing,
/// no way to them from a page that opened them, and none of its devices.
const PAGE_HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; img-src 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// The same for the pages whose form leads to an app: where that sends people on is its business, and
/// browsers hold `form-action` against the redirects that follow, too.
const POLICY_ON_THE_WAY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; form-action *; img-src 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);

/// All pages, their templates parsed.
pub struct Pages {
    languages: Languages,
    ours: Templates,
    /// With the files of this installation in place of ours.
    theirs: Option<Templates>,
    assets: Vec<Asset>,
    /// The lines of the notice.
    notice: Value,
    /// The languages to choose from, as their speakers call them.
    offered: Value,
    profile: Profile,
    /// What is allowed and should be thought about.
    warnings: Vec<String>,
}

/// Why the pages of this installation cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("pages.folder: {place}{problem}")]
pub struct PagesError {
    place: String,
    problem: String,
}

/// What the sign-in page shows.
#[derive(Clone, Debug, Default)]
pub struct LoginPage<'a> {
    /// Where to go afterwards.
    pub return_to: &'a str,
    /// The name that was typed before.
    pub username: &'a str,
    /// Why it is shown (again).
    pub message: Option<Message>,
    /// Somebody who is signed in does it again: how long they stay so is settled.
    pub again: bool,
    /// They want to stay signed in.
    pub remember: bool,
    /// They are to choose a new password, of at least so many characters.
    pub new_password: Option<usize>,
}

/// What the page shows that asks whether to send a form again.
#[derive(Clone, Copy, Debug)]
pub struct ResendPage<'a> {
    /// Where it goes: path and query.
    pub target: &'a str,
    /// Which form it is.
    pub id: &'a str,
    /// How long it is.
    pub bytes: usize,
}

impl Pages {
    /// Pages whose links start with this prefix; programs are told of problems as this profile says.
    ///
    /// # Errors
    /// When a file of this installation is no page, no language, or cannot be shown.
    pub fn new(
        prefix: &OwnPrefix,
        profile: Profile,
        settings: &PagesSettings,
    ) -> Result<Self, PagesError> {
        let files = &settings.files;
        let known = |name: &str| TEMPLATES.iter().any(|(known, _)| *known == name);
        let is_language = |name: &str| name.ends_with(".toml");
        let is_known = |name: &str| known(name) || is_language(name) || name == STYLE_FILE;
        if let Some(strange) = files.keys().find(|name| !is_known(name)) {
            let pages = TEMPLATES.map(|(name, _)| name).join(", ");
            let problem = format!("replaces none of our pages, which are {STYLE_FILE}, {pages}");
            return Err(PagesError::new(problem).of(strange));
        }
        let words = files.iter().filter(|(name, _)| is_language(name));
        let words = words.map(|(name, text)| (name.as_str(), text.as_str()));
        let (languages, warnings) = Languages::with(words)?;

        let (style, logo) = (assets::style(settings), assets::logo(settings));
        let address = |asset: &Asset| format!("{}/assets/{}", prefix.as_str(), asset.name());
        let globals = [
            ("prefix", Value::from(prefix.as_str())),
            ("name", Value::from(settings.name.as_str())),
            ("style", Value::from(address(&style))),
            ("logo", Value::from(logo.as_ref().map(address))),
        ];
        let ours = Templates::new(&languages, |_| None, &globals)?;
        let replaces = files.keys().any(|name| known(name));
        let instead = |name: &str| files.get(name).map(String::as_str);
        let theirs = replaces.then(|| Templates::new(&languages, instead, &globals));
        let pages = Self {
            theirs: theirs.transpose()?,
            ours,
            assets: [Some(style), logo].into_iter().flatten().collect(),
            notice: settings.notice.lines().collect(),
            offered: offered(&languages),
            languages,
            profile,
            warnings,
        };
        pages.try_out()?;
        Ok(pages)
    }

    /// What is allowed and should be thought about: told at start and by `check`.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The sign-in form. 401 where it is shown again after a refusal.
    pub fn login(&self, reader: &Reader, status: StatusCode, page: &LoginPage<'_>) -> Reply {
        let language = self.language(reader);
        let message = page.message.zip(language);
        let values = context! {
            return_to => page.return_to,
            username => page.username,
            message => message.map(|(message, language)| message.said(language)),
            alarm => page.message.is_some_and(Message::is_alarm),
            again => page.again,
            remember => page.remember,
            new_password => page.new_password,
            notice => self.notice.clone(),
            languages => self.offered.clone(),
        };
        self.on_the_way(reader, status, "login.html", &values)
    }

    /// The page that asks whether to sign out, with what shows that it is ours where that is asked for.
    pub fn logout(&self, reader: &Reader, csrf_token: Option<&Secret<String>>) -> Reply {
        let values = context! {
            csrf_token => csrf_token.map(Secret::expose),
            languages => self.offered.clone(),
        };
        self.page(reader, StatusCode::OK, "logout.html", &values)
    }

    /// The page after signing out.
    pub fn signed_out(&self, reader: &Reader) -> Reply {
        let values = context! { languages => self.offered.clone() };
        self.page(reader, StatusCode::OK, "signed_out.html", &values)
    }

    /// The page that asks whether to send a form again.
    pub fn resend(&self, reader: &Reader, page: &ResendPage<'_>) -> Reply {
        let size = self
            .language(reader)
            .map(|language| message::size(page.bytes, language));
        let values = context! {
            target => page.target,
            path => page.target.split('?').next(),
            id => page.id,
            size => size,
        };
        self.on_the_way(reader, StatusCode::OK, "resend.html", &values)
    }

    /// The language that is called so, if pages speak it.
    pub fn speaks(&self, tag: &str) -> Option<LanguageTag> {
        self.languages.known(tag)
    }

    /// The file of this name under `assets/`. Its name changes with its content.
    pub fn asset(&self, name: &str) -> Option<Reply> {
        let asset = self.assets.iter().find(|asset| asset.name() == name);
        asset.map(Asset::reply)
    }

    fn language(&self, reader: &Reader) -> Option<&Language> {
        let index = self.languages.choose(reader);
        self.languages.iter().nth(index).map(AsRef::as_ref)
    }

    fn on_the_way(
        &self,
        reader: &Reader,
        status: StatusCode,
        template: &str,
        values: &Value,
    ) -> Reply {
        let mut reply = self.page(reader, status, template, values);
        let headers = reply.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY_ON_THE_WAY);
        reply
    }

    fn page(&self, reader: &Reader, status: StatusCode, template: &str, values: &Value) -> Reply {
        let language = self.languages.choose(reader);
        let html = self.html(language, template, values);
        let media_type = HeaderValue::from_static("text/html; charset=utf-8");
        let mut reply = reply::own(status, Some(media_type), html.into());
        let tag = self.languages.iter().nth(language);
        if let Some(Ok(tag)) = tag.map(|language| HeaderValue::from_str(language.tag().as_str())) {
            reply.headers_mut().insert(header::CONTENT_LANGUAGE, tag);
        }
        for (name, value) in PAGE_HEADERS {
            let value = HeaderValue::from_static(value);
            reply.headers_mut().insert(name, value);
        }
        reply
    }

    /// Their template; ours, where it fails with values that nobody tried before.
    #[expect(
        clippy::expect_used,
        reason = "our templates are part of the program, and a test renders each of them"
    )]
    fn html(&self, language: usize, template: &str, values: &Value) -> String {
        if let Some(theirs) = &self.theirs {
            match theirs.render(language, template, values) {
                Ok(html) => return html,
                Err(error) => {
                    let error = PagesError::template(template, &error);
                    tracing::error!(%error, "a page of this installation failed, ours was shown");
                }
            }
        }
        let html = self.ours.render(language, template, values);
        html.expect("our templates can be rendered")
    }

    /// Shows each page that a file replaces once to nobody.
    fn try_out(&self) -> Result<(), PagesError> {
        let Some(theirs) = &self.theirs else {
            return Ok(());
        };
        let sample = context! {
            return_to => "/", username => "ada", message => "…", alarm => true, again => false, remember => true,
            new_password => 8, notice => self.notice.clone(), done => "…", languages => self.offered.clone(),
            title => "…", text => "…", detail => "…", detail_in_english => true, back => "/", csrf_token => "…", login_url => "/",
            status => 404, code => "not_found", unsent => true, target => "/", path => "/", id => "…",
            size => "…", may_reload => true, carried => vec![("after", "…")], ..account::sample()
        };
        // What some of these hide shows where they are missing.
        let nobody = context! {
            username => "ada", languages => self.offered.clone(), notice => self.notice.clone(),
            title => "…", text => "…", ..account::sample()
        };
        let forbidden = context! {
            code => "forbidden", status => 403, detail => "…", login_url => "/", ..nobody.clone()
        };
        for (name, _) in TEMPLATES {
            for values in [&sample, &forbidden, &nobody] {
                theirs.try_out(name, values)?;
            }
        }
        Ok(())
    }
}

/// Their tags, and what their speakers call them.
fn offered(languages: &Languages) -> Value {
    let pair = |language: &Arc<Language>| {
        let name = language.say("language.name", &[]);
        Value::from(vec![language.tag().as_str().to_owned(), name])
    };
    languages.iter().map(pair).collect()
}

impl PagesError {
    fn new(problem: impl Into<String>) -> Self {
        Self {
            place: String::new(),
            problem: problem.into(),
        }
    }

    /// The same, in this file.
    fn of(self, file: &str) -> Self {
        Self {
            place: format!("{file}: "),
            ..self
        }
    }

    fn template(name: &str, error: &minijinja::Error) -> Self {
        let line = error.line().map(|line| format!("line {line}: "));
        let said = error
            .detail()
            .map_or_else(|| error.kind().to_string(), str::to_owned);
        let problem = format!("{}{said}", line.unwrap_or_default());
        Self::new(problem).of(error.name().unwrap_or(name))
    }
}

#[cfg(test)]
mod tests;
