//! What does somebody who signs in give and ask for?

use http::HeaderMap;
use http::header::USER_AGENT;

use super::return_to_of;
use crate::endpoints::body::{Fields, Media, invalid};
use crate::gateway::Gateway;
use crate::identity::{Secret, SessionId};
use crate::login::OpenSession;
use crate::policy::ReturnTo;
use crate::reply::Problem;
use crate::request::RequestFacts;
use crate::session::{Delivery, RefreshToken};

/// The most characters of a device's name.
const LONGEST_DEVICE: usize = 64;

/// The most characters that are kept of what a client calls itself.
const LONGEST_USER_AGENT: usize = 256;

/// What somebody typed, or a program sent.
pub(super) struct Attempt {
    pub(super) username: String,
    pub(super) password: Secret<String>,
    /// What the password is to be from now on.
    pub(super) new_password: Option<Secret<String>>,
    pub(super) wanted: OpenSession,
    /// Where a form leads; `None` for JSON.
    pub(super) return_to: Option<ReturnTo>,
    /// It came from our page: on the way there is a look at whether the cookies come back.
    pub(super) check_cookies: bool,
}

impl Attempt {
    pub(super) fn of(
        gateway: &Gateway,
        facts: &RequestFacts,
        headers: &HeaderMap,
        fields: &mut Fields,
    ) -> Result<Self, Box<Problem>> {
        fields.only(&[
            "username",
            "password",
            "new_password",
            "remember",
            "device",
            "delivery",
        ])?;
        let is_form = fields.media() == Some(Media::Form);
        let (delivery, return_to) = if is_form {
            let return_to = fields.text("return_to")?;
            let return_to = return_to_of(gateway, return_to.as_deref());
            (Delivery::Cookie, Some(return_to))
        } else {
            (delivery(fields.text("delivery")?)?, None)
        };
        Ok(Self {
            username: fields.required("username")?,
            password: Secret::new(fields.required("password")?),
            new_password: fields.text("new_password")?.map(Secret::new),
            wanted: OpenSession {
                delivery,
                remember: fields.flag("remember")?,
                device: device(fields.text("device")?)?,
                ip: facts.client,
                user_agent: user_agent(headers),
                replaces: match delivery {
                    Delivery::Token => None,
                    Delivery::Cookie | Delivery::Hybrid => replaced(gateway, headers),
                },
            },
            return_to,
            check_cookies: is_form && fields.flag("check_cookies")?,
        })
    }
}

fn delivery(text: Option<String>) -> Result<Delivery, Box<Problem>> {
    text.map_or(Some(Delivery::Token), |text| Delivery::parse(&text))
        .ok_or_else(|| invalid("The field delivery must be token, cookie or hybrid."))
}

fn device(text: Option<String>) -> Result<Option<String>, Box<Problem>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let name = text.trim();
    if name.chars().count() > LONGEST_DEVICE || name.chars().any(char::is_control) {
        return Err(invalid(
            "The field device must have at most 64 characters and no control characters.",
        ));
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

/// What the client calls itself, as it may be shown to people: without control characters, cut off.
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let name = String::from_utf8_lossy(headers.get(USER_AGENT)?.as_bytes());
    let shown = name.trim().chars().filter(|c| !c.is_control());
    let shown: String = shown.take(LONGEST_USER_AGENT).collect();
    (!shown.is_empty()).then_some(shown)
}

/// The session whose cookies the new ones replace.
fn replaced(gateway: &Gateway, headers: &HeaderMap) -> Option<SessionId> {
    let pair = gateway.cookies.read(headers).ok()?;
    let old = RefreshToken::parse(pair.refresh?, &gateway.ring.now()).ok()?;
    Some(old.session)
}
