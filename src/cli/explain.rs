//! `vestibule explain`: what would become of a request, said without sending it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Uri};

use crate::authenticate::{Cookies, holds_ours};
use crate::cli::explanation::Told;
use crate::cli::{listing, output};
use crate::clock::SystemClock;
use crate::config::{Config, StorageSettings, parse_duration};
use crate::gate::explain::{Asker, Explainer, SessionState};
use crate::gateway::Background;
use crate::identity::{Proof, User, UserName};
use crate::request::{Connection, Scheme};
use crate::store;

#[derive(Args)]
#[command(
    after_help = "Nothing is sent, and no running gateway is asked: the answer follows from the \
                  configuration and,\nfor --as, from the user's groups in the store. A browser's \
                  request:\n  vestibule explain GET /reports --as ada --cookie --header 'Accept: text/html'"
)]
pub(super) struct Question {
    /// The method, such as GET.
    #[arg(value_parser = read_method)]
    method: Method,
    /// The address, byte for byte as it is sent; a path means the first public URL.
    #[arg(value_parser = Address::parse)]
    url: Address,
    /// Ask as this user.
    #[arg(long = "as", value_name = "USER", value_parser = UserName::parse)]
    user: Option<UserName>,
    /// Ask as somebody who is not signed in, which is the default.
    #[arg(long, conflicts_with = "user")]
    as_stranger: bool,
    /// The user comes with a browser's cookies, and with what the app's pages show where csrf.mode asks
    /// for it; without this, with a Bearer token where one is taken.
    #[arg(long, requires = "user")]
    cookie: bool,
    /// The user's access token has expired.
    #[arg(long, requires = "user")]
    expired: bool,
    /// The user signed in this long ago, such as 20m or 3h; for routes with max_auth_age.
    #[arg(long, requires = "user", value_name = "AGE", value_parser = read_age)]
    signed_in_ago: Option<Duration>,
    /// A header of the request; repeat it for more.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = read_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The address of the other end of the connection.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    from: IpAddr,
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Where a request goes, without any change to what was typed.
#[derive(Clone)]
struct Address {
    /// Scheme and authority; `None` for a path.
    origin: Option<(Scheme, HeaderValue)>,
    target: Uri,
}

/// Asks the gateway's own code, and prints what it says.
pub(super) fn run(question: Question, config: Config) -> anyhow::Result<()> {
    let json = question.json;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let background = Background::new(runtime.handle().clone());
    let told = runtime.block_on(explain(question, config, background))?;
    let text = if json {
        listing::json(&told)?
    } else {
        told.to_text()
    };
    output::print(&text)?;
    Ok(())
}

async fn explain(
    question: Question,
    config: Config,
    background: Background,
) -> anyhow::Result<Told> {
    let user = match &question.user {
        Some(name) if !question.as_stranger => Some(find(name, &config.storage).await?),
        _ => None,
    };
    let explainer = Explainer::new(config, Arc::new(SystemClock), background).await?;
    let (parts, connection) = question.request(&explainer.gateway().config)?;
    let gateway = explainer.gateway();
    refuse_real_tokens(&parts.headers, &gateway.cookies)?;
    let asker = user.map_or(Asker::Stranger, |user| Asker::User {
        proof: question.cookie.then_some(Proof::Cookie),
        session: if user.disabled {
            SessionState::Ended
        } else if question.expired {
            SessionState::Expired
        } else {
            SessionState::Live
        },
        signed_in_ago: question.signed_in_ago.unwrap_or_default(),
        user: Box::new(user),
    });
    let explanation = explainer
        .explain(parts.clone(), connection, &asker)
        .context("this user cannot sign in")?;
    Ok(Told::new(explainer.gateway(), &parts, &asker, &explanation))
}

async fn find(name: &UserName, storage: &StorageSettings) -> anyhow::Result<User> {
    if *storage == StorageSettings::Memory {
        bail!(
            "storage.url is memory:, which lives inside the running gateway: --as needs a store \
             that outlives it, such as sqlite:vestibule.db"
        );
    }
    let store = store::open(storage, Arc::new(SystemClock)).await;
    let store = store.with_context(|| format!("cannot open {storage}"))?;
    let account = store.directory.account(name.clone()).await?;
    let account = account.ok_or_else(|| {
        anyhow!("no user is called {name}: `vestibule user list` shows everybody")
    })?;
    Ok(account.user)
}

/// Real tokens do not belong on a command line, and their keys are not read here.
fn refuse_real_tokens(headers: &HeaderMap, cookies: &Cookies) -> anyhow::Result<()> {
    let holds_token = holds_ours(headers);
    let holds_cookie = matches!(cookies.read(headers), Ok(pair) if pair != Default::default());
    if holds_token || holds_cookie {
        bail!("--header holds a token of vestibule's: leave it out, and name its user with --as");
    }
    Ok(())
}

impl Question {
    /// The request as it would arrive, and the connection it would come on.
    fn request(&self, config: &Config) -> anyhow::Result<(Parts, Connection)> {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.uri = self.url.target.clone();
        for (name, value) in &self.headers {
            parts.headers.append(name, value.clone());
        }
        let (scheme, host) = match (&self.url.origin, config.server.public_urls.first()) {
            (Some((scheme, host)), _) => (*scheme, host.clone()),
            (None, Some(public)) => (
                public.scheme,
                HeaderValue::try_from(public.host.to_string())?,
            ),
            (None, None) => bail!("a path needs a public URL (server.public_url)"),
        };
        if !parts.headers.contains_key(HOST) {
            parts.headers.insert(HOST, host);
        }
        let connection = Connection {
            peer: Some(self.from),
            scheme,
        };
        Ok((parts, connection))
    }
}

impl Address {
    fn parse(text: &str) -> Result<Self, String> {
        const SHAPE: &str = "write http://HOST/PATH, https://HOST/PATH or /PATH";
        let (origin, target) = match text.split_once("://") {
            Some((scheme, rest)) if !text.starts_with('/') => {
                let scheme = Scheme::parse(scheme).ok_or(SHAPE)?;
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (host, target) = rest.split_at(end);
                let host = HeaderValue::try_from(host).map_err(|_| SHAPE)?;
                (Some((scheme, host)), target)
            }
            _ if text.starts_with('/') => (None, text),
            _ => return Err(SHAPE.to_owned()),
        };
        let rooted = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/{target}")
        };
        let target = Uri::try_from(rooted).map_err(|error| {
            format!("it cannot be sent as it is ({error}): write it percent-encoded")
        })?;
        Ok(Self { origin, target })
    }
}

fn read_method(text: &str) -> Result<Method, String> {
    Method::from_bytes(text.as_bytes()).map_err(|_| "this is no method of HTTP".to_owned())
}

fn read_age(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a number and a unit, such as 20m or 3h".to_owned())
}

fn read_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let shape = || "write NAME: VALUE".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(shape)?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| shape())?;
    let value = HeaderValue::try_from(value.trim()).map_err(|_| shape())?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_byte_for_byte() {
        for (text, host, target) in [
            ("http://a", Some("a"), "/"),
            ("https://a:8443/b?c=d", Some("a:8443"), "/b?c=d"),
            ("HTTP://A?x", Some("A"), "/?x"),
            ("http://a/b/..%2f//c;d", Some("a"), "/b/..%2f//c;d"),
            ("http://a/b#c", Some("a"), "/b"),
            ("/b", None, "/b"),
            ("//b/c", None, "//b/c"),
            ("/r/http://x", None, "/r/http://x"),
        ] {
            let address = Address::parse(text).unwrap();
            let found = address.origin.map(|(_, host)| host);
            assert_eq!(found, host.map(HeaderValue::from_static), "{text}");
            assert_eq!(address.target, target, "{text}");
        }
        for text in ["", "a", "a/b", "ws://a/", "://a", "/a b"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
