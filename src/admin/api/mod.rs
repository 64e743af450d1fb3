//! `/api/v1`: what the commands do, for programs that show the admin token; openapi.json describes it.

mod keys;
mod operation;
mod path;
mod people;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body::Body;

use crate::admin::api::operation::Call;
use crate::admin::api::path::Path;
use crate::admin::{Administrator, Reloads};
use crate::authenticate::AdminToken;
use crate::authenticate::refusal::{PLAIN_CHALLENGE, missing_token};
use crate::endpoints::body::{self, Fields, Media};
use crate::gateway::Gateway;
use crate::observe::{Event, Source};
use crate::reply::{Problem, Reply};
use crate::request::Host;

/// Where the API is.
const PREFIX: &str = "/api/v1";

/// An operation's answer, or why it refuses.
type Answer = Result<Reply, Box<Problem>>;

/// Whether a request for this path is one for the API.
pub(super) fn is_meant(path: &str) -> bool {
    let rest = path.strip_prefix(PREFIX);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a request for the API.
pub(super) async fn answer<B>(
    gateway: &Arc<Gateway>,
    reloads: &Reloads,
    client: IpAddr,
    request: Request<B>,
) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
{
    let answer = respond(gateway, reloads, client, request).await;
    answer.unwrap_or_else(|problem| problem.to_json())
}

async fn respond<B>(
    gateway: &Arc<Gateway>,
    reloads: &Reloads,
    client: IpAddr,
    request: Request<B>,
) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
{
    let Some(token) = &gateway.admin_token else {
        return Err(turned_off());
    };
    let (parts, body) = request.into_parts();
    check_host(&parts.headers, &gateway.config.server.admin.hosts)?;
    check_token(token, &parts.headers, gateway, client)?;
    let rest = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let path = Path::find(rest).ok_or_else(unknown_path)?;
    if !path.allows(&parts.method) {
        return Err(path.wrong_method());
    }
    let fields = match path.takes_body(&parts.method) {
        true => Some(read_json(gateway, &parts.headers, body).await?),
        false => None,
    };
    let call = Call {
        administrator: Administrator::of_gateway(gateway, Source::client(client)),
        keys: gateway.config.keys,
        passwords: gateway.login.clone(),
        rules: gateway.config.passwords.clone(),
        reloads: reloads.clone(),
    };
    let query = parts.uri.query().map(str::to_owned);
    // What has begun is brought to its end, even if the caller hangs up meanwhile.
    let work = async move {
        call.run(&parts.method, &path, query.as_deref(), fields)
            .await
    };
    let done = gateway.background.spawn(work).await;
    done.unwrap_or_else(|error| Err(failed(&error)))
}

/// A page of another site may have its name point to this machine, and have the reader's browser ask
/// here: such a request names that site.
fn check_host(headers: &HeaderMap, names: &[Host]) -> Result<(), Box<Problem>> {
    let mut fields = headers.get_all(HOST).iter();
    let host = match (fields.next(), fields.next()) {
        (Some(host), None) => host.to_str().ok().and_then(Host::parse),
        _ => None,
    };
    let is_good = host.is_some_and(|host| {
        let name = host.name();
        let bare = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        name == "localhost"
            || bare.unwrap_or(name).parse::<IpAddr>().is_ok()
            || names.iter().any(|known| known.name() == name)
    });
    if is_good {
        return Ok(());
    }
    Err(Box::new(Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected_request",
        "The admin API answers where Host is an IP address, localhost or one of server.admin_hosts.",
    )))
}

fn check_token(
    token: &AdminToken,
    headers: &HeaderMap,
    gateway: &Gateway,
    client: IpAddr,
) -> Result<(), Box<Problem>> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = match (fields.next(), fields.next()) {
        (Some(field), None) => field,
        (None, _) => return Err(unauthorised("missing_token", NO_TOKEN, PLAIN_CHALLENGE)),
        (Some(_), Some(_)) => {
            let twice = "Authorization came more than once.";
            return Err(Box::new(Problem::invalid_request(twice)));
        }
    };
    let presented = field.to_str().ok().and_then(|field| field.split_once(' '));
    match presented {
        Some((scheme, presented)) if scheme.eq_ignore_ascii_case("bearer") => {
            if token.fits(presented.trim_ascii()) {
                return Ok(());
            }
            let source = Source::client(client);
            gateway.audit.tell(&source, Event::AdminTokenRefused);
            tracing::warn!(%client, "the admin API was called with a wrong token");
            let challenge = r#"Bearer realm="vestibule", error="invalid_token""#;
            let challenge = HeaderValue::from_static(challenge);
            Err(unauthorised("invalid_token", WRONG_TOKEN, challenge))
        }
        Some(_) | None => Err(unauthorised("missing_token", NO_TOKEN, PLAIN_CHALLENGE)),
    }
}

const NO_TOKEN: &str =
    "Send the admin token: Authorization: Bearer, then what is in server.admin_token_file.";
const WRONG_TOKEN: &str = "This is not the admin token, which is in server.admin_token_file.";

fn unauthorised(
    code: &'static str,
    description: &'static str,
    challenge: HeaderValue,
) -> Box<Problem> {
    let problem = Problem {
        code,
        description: description.into(),
        ..missing_token()
    };
    Box::new(problem.challenged(challenge))
}

async fn read_json<B>(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: B,
) -> Result<Fields, Box<Problem>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let patience = gateway.config.server.limits.body_timeout;
    let fields = body::read(headers, body, patience).await?;
    match fields.media() {
        Some(Media::Json) => Ok(fields),
        Some(Media::Form) | None => Err(Box::new(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body must be application/json.",
        ))),
    }
}

fn turned_off() -> Box<Problem> {
    Box::new(Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "The admin API is off: server.admin_token_file turns it on.",
    ))
}

fn unknown_path() -> Box<Problem> {
    Box::new(Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "There is nothing at this address: /api/v1/openapi.json tells what there is.",
    ))
}

/// 503 for a failure that is not the caller's. Logged here, once.
fn failed(error: &(dyn std::error::Error + 'static)) -> Box<Problem> {
    tracing::error!(error, "an admin request could not be answered");
    Box::new(Problem::unavailable(
        "This cannot be answered at the moment. Please try again.",
    ))
}
