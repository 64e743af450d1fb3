//! `/vestibule/resend`: whether to send again what somebody typed while their session ended.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use http_body::Body;

use super::forged::sent;
use super::person::{Person, person};
use super::{Answer, read, tell};
use crate::gateway::Gateway;
use crate::identity::Known;
use crate::login::held_forms::KEPT_FOR;
use crate::login::{FormHead, FormId};
use crate::pages::ResendPage;
use crate::policy::{OwnPrefix, ReturnTo, Sent};
use crate::reply::{self, Problem, Reply};
use crate::request::RequestFacts;

/// What the page's yes starts with, in the form's own address: `vestibule_form=ID`, as `text/plain`.
const YES: &[u8] = b"vestibule_form=";

/// How long that is, with the line's end that browsers add.
pub const YES_LENGTH: usize = YES.len() + FormId::LENGTH + b"\r\n".len();

/// The same as `Content-Length` tells it.
pub const YES_LENGTH_AS_TEXT: &str = "39";

/// Where the page is that asks about this form.
pub fn address(prefix: &OwnPrefix, id: FormId) -> String {
    format!("{}/resend?form={}", prefix.as_str(), id.text())
}

/// Whether this is the address of that page.
pub(super) fn is_asked_about(gateway: &Gateway, target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    gateway.config.server.prefix.strip(path) == Some("/resend")
}

/// The form that a yes names; `None` where the body says something else.
pub fn read_yes(body: &[u8]) -> Option<FormId> {
    let id = body.strip_prefix(YES)?.strip_suffix(b"\r\n")?;
    FormId::parse(str::from_utf8(id).ok()?)
}

/// 410: a form is kept for minutes, for once, for one person in one browser.
pub fn not_kept() -> Box<Problem> {
    Box::new(Problem {
        span: Some(KEPT_FOR),
        ..Problem::new(
            StatusCode::GONE,
            "form_not_kept",
            "The form is not kept any more: it was sent, its time is over, the gateway was started again or \
             had to make room, or somebody else typed it.",
        )
    })
}

/// `GET`: asks. Who is not signed in does so first.
pub(super) async fn ask(gateway: &Gateway, facts: &RequestFacts, request: &Parts) -> Answer {
    let query = request.uri.query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let id = pairs.find(|(name, _)| name == "form");
    let id = id
        .and_then(|(_, id)| FormId::parse(&id))
        .ok_or_else(not_kept)?;
    let sent = sent(facts, &request.method, &request.headers, None);
    answered(gateway, facts, &sent, id, |form, _| {
        let page = ResendPage {
            target: &form.target,
            id: &id.text(),
            bytes: form.length,
        };
        gateway.pages.resend(&facts.reader, &page)
    })
    .await
}

/// `POST`: does not send it. Leads to where it came from.
pub(super) async fn forget<B>(
    gateway: &Gateway,
    facts: &RequestFacts,
    request: Request<B>,
) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
{
    let (parts, fields) = read(gateway, request).await;
    let mut fields = fields?;
    fields.only(&["form"])?;
    let id = FormId::parse(&fields.required("form")?).ok_or_else(not_kept)?;
    let sent = sent(facts, &parts.method, &parts.headers, None);
    answered(gateway, facts, &sent, id, |form, known| {
        if let Some(key) = gateway.cookies.form_key(&parts.headers) {
            let (user, now) = (&known.identity.id, gateway.clock.now());
            // What it held is wiped here.
            drop(gateway.held_forms.take(id, &key, user, now, |_| true));
        }
        let back = ReturnTo::parse(&form.target, &gateway.config.server.prefix);
        reply::go_to(back.as_str())
    })
    .await
}

/// The answer to the person whose form this is. Their session is renewed on the way, as on the way to
/// the app that the form is for.
async fn answered(
    gateway: &Gateway,
    facts: &RequestFacts,
    sent: &Sent<'_>,
    id: FormId,
    reply: impl FnOnce(&FormHead, &Known) -> Reply,
) -> Answer {
    let page = address(&gateway.config.server.prefix, id);
    let Person { known, riding } = match person(gateway, facts, sent, &page).await {
        Ok(person) => person,
        Err(answer) => return answer,
    };
    let form = look(gateway, facts, sent.headers, id, &known);
    let mut reply = match form {
        Some(form) => reply(&form, &known),
        None => tell(gateway, facts, &not_kept()),
    };
    if let Some(riding) = riding {
        riding.arrive(gateway, &mut reply);
    }
    Ok(reply)
}

/// What is kept of this form for this visitor in this browser on this host.
fn look(
    gateway: &Gateway,
    facts: &RequestFacts,
    headers: &HeaderMap,
    id: FormId,
    known: &Known,
) -> Option<FormHead> {
    let key = gateway.cookies.form_key(headers)?;
    let (user, now) = (&known.identity.id, gateway.clock.now());
    let form = gateway.held_forms.look(id, &key, user, now)?;
    let host = facts.host.as_ref()?.to_string();
    (form.host == host).then_some(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_is_read_as_browsers_write_it() {
        let id = "AAAAAAAAAAAAAAAAAAAAAA";
        let yes = format!("vestibule_form={id}\r\n");
        assert_eq!(yes.len(), YES_LENGTH);
        assert_eq!(YES_LENGTH.to_string(), YES_LENGTH_AS_TEXT);
        assert_eq!(read_yes(yes.as_bytes()), FormId::parse(id));
        for other in ["", "vestibule_form=\r\n", &yes[1..], &yes[..YES_LENGTH - 1]] {
            assert_eq!(read_yes(other.as_bytes()), None, "{other:?}");
        }
    }
}
