//! What would become of a request? The gateway's own judgement and the head the app would see, with
//! nothing sent.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use http::request::Parts;

use crate::clock::Clock;
use crate::config::{Config, ObserveSettings, StorageSettings};
use crate::gate::notes::Notes;
use crate::gate::reading::read_facts;
use crate::gate::{Judged, answer, judge, observed};
use crate::gateway::{Background, BuildError, Gateway};
use crate::identity::{Identity, Known, Proof, Secret, SessionId, User};
use crate::policy::{Accepts, Found, RouteId};
use crate::reply::{Problem, Reply};
use crate::request::id::X_REQUEST_ID;
use crate::request::trace::{TRACEPARENT, TRACESTATE};
use crate::request::{Ambiguous, Connection, RequestFacts};
use crate::session::access_token::{self, Mint, TooLarge};
use crate::session::{Delivery, RefreshToken};

/// The session of whoever is signed in: no session of the store has this id.
pub const LIVE: SessionId = SessionId::from_bytes([0; 16]);
/// The session of whoever was signed out.
const ENDED: SessionId = SessionId::from_bytes([0xff; 16]);

/// More than any two clocks differ.
const LONG_AGO: Duration = Duration::from_secs(24 * 60 * 60);

/// A gateway that answers questions and no requests. It has the routes and rules of a configuration,
/// an empty store in memory and keys of its own, so that it neither reads nor makes any real key.
pub struct Explainer {
    gateway: Gateway,
    /// Whether requests get a place in a trace.
    traces: bool,
}

/// Who is asking, on top of what the request says.
#[derive(Clone, Debug)]
pub enum Asker {
    /// Nobody known.
    Stranger,
    /// A user.
    User {
        /// Who.
        user: Box<User>,
        /// How the token comes; `None`: as the route takes it.
        proof: Option<Proof>,
        /// Whether their session lives.
        session: SessionState,
        /// How long ago they signed in.
        signed_in_ago: Duration,
    },
}

/// Whether a user's session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// They are signed in.
    Live,
    /// Their access token has expired.
    Expired,
    /// They were signed out.
    Ended,
}

/// What would become of a request.
pub struct Explanation {
    /// The request as read; `None` where it cannot be read in one way.
    pub facts: Option<RequestFacts>,
    /// The route on which all readings of its path agree.
    pub route: Option<RouteId>,
    /// How the user's token came; `None` for strangers.
    pub proof: Option<Proof>,
    /// Whether the session would be renewed before.
    pub renewed: bool,
    /// What of the request speaks against it, where another site may have sent it.
    pub seen: Option<String>,
    /// What would be answered.
    pub outcome: Outcome,
}

/// Who answers, and what.
pub enum Outcome {
    /// One of our own endpoints; what comes after our prefix.
    Own {
        /// Such as `/login`.
        rest: String,
    },
    /// The app.
    App {
        /// Who the app is told is asking.
        known: Option<Known>,
        /// What the app sees.
        head: Box<Parts>,
    },
    /// We do, with this.
    Reply(Reply),
    /// We do, with a refusal.
    Refuse(Problem),
}

/// What stands for the id, and for the place in a trace, that every request gets.
const NEW_ID: &str = "(made for each request)";

impl Explanation {
    /// Of what cannot be read in one way.
    fn unreadable(why: &Ambiguous) -> Self {
        Self {
            facts: None,
            route: None,
            proof: None,
            renewed: false,
            seen: None,
            outcome: Outcome::Refuse(answer::ambiguous(why)),
        }
    }
}

impl SessionState {
    const fn id(self) -> SessionId {
        match self {
            Self::Live | Self::Expired => LIVE,
            Self::Ended => ENDED,
        }
    }
}

impl Explainer {
    /// Puts the gateway together, over an empty store and without logs: nothing is opened.
    pub async fn new(
        config: Config,
        clock: Arc<dyn Clock>,
        background: Background,
    ) -> Result<Self, BuildError> {
        let traces = config.observe.traces.is_some();
        let observe = ObserveSettings {
            access_log: None,
            audit_log: None,
            traces: None,
            ..config.observe
        };
        let config = Config {
            storage: StorageSettings::Memory,
            observe,
            ..config
        };
        let gateway = Gateway::build(config, clock, background).await?;
        let until = gateway.clock.now() + LONG_AGO;
        gateway.revocations.end_session(ENDED, until);
        Ok(Self { gateway, traces })
    }

    /// The gateway, for its routes and cookies.
    pub const fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Says what would become of this request on this connection.
    ///
    /// # Errors
    /// When no access token can be made for the user, who then cannot sign in either.
    pub fn explain(
        &self,
        mut parts: Parts,
        connection: Connection,
        asker: &Asker,
    ) -> Result<Explanation, TooLarge> {
        let gateway = &self.gateway;
        if observed::told_id(gateway, connection, &parts).is_none() {
            let made = HeaderValue::from_static(NEW_ID);
            parts.headers.insert(X_REQUEST_ID, made);
        }
        if self.traces {
            if observed::told_trace(gateway, connection, &parts).is_none() {
                parts.headers.remove(TRACESTATE);
            }
            let made = HeaderValue::from_static(NEW_ID);
            parts.headers.insert(TRACEPARENT, made);
        }
        let facts = match read_facts(gateway, &parts, connection) {
            Ok(facts) => facts,
            Err(ambiguous) => return Ok(Explanation::unreadable(&ambiguous)),
        };
        let route = match gateway.routes.find(facts.host.as_ref(), &facts.path) {
            Found::Route(id) => Some(id),
            _ => None,
        };
        let accepts = route.and_then(|id| gateway.routes.route(id));
        let accepts = accepts.map(|route| route.accepts);
        let proof = self.sign_in(&mut parts.headers, accepts, asker)?;
        let mut notes = Notes::default();
        let (judged, renewed) = match judge(gateway, &facts, &parts, &mut notes) {
            Ok(judged) => (judged, false),
            Err(renewing) => {
                let token = self.renewed(asker)?;
                let judged = renewing.if_renewed(gateway, &facts, &parts, &token, &mut notes);
                (judged, true)
            }
        };
        let outcome = self.outcome(judged, parts, &facts);
        Ok(Explanation {
            facts: Some(facts),
            route,
            proof,
            renewed,
            seen: notes.seen,
            outcome,
        })
    }

    fn outcome(&self, judged: Judged, parts: Parts, facts: &RequestFacts) -> Outcome {
        match judged {
            Judged::Own { rest } => Outcome::Own { rest },
            Judged::Forward(leave) => {
                let known = leave.permit.known().cloned();
                let request = Request::from_parts(parts, ());
                let forwarded = leave.for_request(request, facts);
                let head = Box::new(self.gateway.forwarder.head(forwarded));
                Outcome::App { known, head }
            }
            Judged::Reply(reply) => Outcome::Reply(reply),
            Judged::Refuse(problem) | Judged::Hold(problem) => {
                Outcome::Refuse(self.told(problem, facts))
            }
        }
    }

    /// The refusal with the status that this caller gets.
    fn told(&self, problem: Problem, facts: &RequestFacts) -> Problem {
        let profile = self.gateway.config.profile;
        let status = facts.wants.is_program().then(|| profile.status(&problem));
        Problem {
            status: status.unwrap_or(problem.status),
            ..problem
        }
    }

    /// The access token that the asker would get for their refresh token.
    fn renewed(&self, asker: &Asker) -> Result<Secret<String>, TooLarge> {
        match asker {
            Asker::User {
                user,
                signed_in_ago,
                ..
            } => self.token(user, Proof::Cookie, SessionState::Live, *signed_in_ago),
            // Not reached: strangers have no refresh token.
            Asker::Stranger => Ok(Secret::new(String::new())),
        }
    }

    /// Puts the asker's token into the request, and says how it came: as a cookie where it is asked
    /// for, the route takes no other, or `Authorization` is taken.
    fn sign_in(
        &self,
        headers: &mut HeaderMap,
        accepts: Option<Accepts>,
        asker: &Asker,
    ) -> Result<Option<Proof>, TooLarge> {
        let Asker::User {
            user,
            proof,
            session,
            signed_in_ago,
        } = asker
        else {
            return Ok(None);
        };
        let takes_header = accepts.is_none_or(|accepts| accepts.header);
        let proof = proof.unwrap_or(if takes_header && !headers.contains_key(AUTHORIZATION) {
            Proof::Bearer
        } else {
            Proof::Cookie
        });
        let token = self.token(user, proof, *session, *signed_in_ago)?;
        let token = token.expose();
        let (name, value) = match proof {
            Proof::Bearer => (
                AUTHORIZATION,
                HeaderValue::try_from(format!("Bearer {token}")).ok(),
            ),
            Proof::Cookie => (COOKIE, self.cookies(token, *session)),
        };
        if let Some(value) = value {
            headers.append(name, value);
        }
        if proof == Proof::Cookie {
            self.show_token(headers, *session);
        }
        Ok(Some(proof))
    }

    /// Puts in what the app's pages show, unless the asker shows something.
    fn show_token(&self, headers: &mut HeaderMap, session: SessionState) {
        let guard = &self.gateway.csrf;
        if let (Some(name), Some(token)) = (guard.header(), guard.token(session.id()))
            && !headers.contains_key(name)
            && let Ok(value) = HeaderValue::from_str(token.expose())
        {
            headers.insert(name, value);
        }
    }

    /// What a browser sends: both cookies.
    fn cookies(&self, access: &str, session: SessionState) -> Option<HeaderValue> {
        let refresh = RefreshToken::first(session.id(), [0; 32]).to_text(&self.gateway.ring.now());
        self.gateway
            .cookies
            .sent_with_both(access, refresh.expose())
    }

    fn token(
        &self,
        user: &User,
        proof: Proof,
        state: SessionState,
        signed_in_ago: Duration,
    ) -> Result<Secret<String>, TooLarge> {
        let settings = &self.gateway.config.tokens;
        let ago = match state {
            SessionState::Live | SessionState::Ended => Duration::ZERO,
            SessionState::Expired => settings.access_ttl + LONG_AGO,
        };
        let issued_at = self.gateway.clock.now() - ago;
        let what = Mint {
            identity: &Identity::from(user),
            session: state.id(),
            delivery: match proof {
                Proof::Bearer => Delivery::Token,
                Proof::Cookie => Delivery::Cookie,
            },
            generation: 1,
            session_epoch: user.session_epoch,
            claims_epoch: user.claims_epoch,
            authenticated_at: issued_at - signed_in_ago,
            now: issued_at,
            session_ends_at: issued_at + settings.access_ttl,
            id: [0; 16],
        };
        Ok(access_token::mint(&what, settings, &self.gateway.ring.now())?.text)
    }
}
