//! What was decided about a request, and why, in the words of whoever runs the gateway?

use http::StatusCode;
use http::header::LOCATION;

use crate::gate::explain::{Asker, Explanation, Outcome, SessionState};
use crate::identity::Proof;
use crate::policy::Route;
use crate::reply::Problem;

/// One word.
pub(super) fn decision(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Own { .. } => "own",
        Outcome::App { .. } => "pass",
        Outcome::Reply(reply) if reply.headers().contains_key(LOCATION) => "challenge",
        Outcome::Reply(_) => "preflight",
        Outcome::Refuse(problem) => match problem.status {
            StatusCode::UNAUTHORIZED => "challenge",
            StatusCode::FORBIDDEN => "deny",
            _ => "refuse",
        },
    }
}

/// One sentence; the answer's own words are for the caller.
pub(super) fn reason(asker: &Asker, explanation: &Explanation, route: Option<&Route>) -> String {
    let reason = after_renewal(asker, explanation, route);
    if explanation.renewed {
        return format!("the session is renewed with the refresh cookie; then {reason}");
    }
    reason
}

fn after_renewal(asker: &Asker, explanation: &Explanation, route: Option<&Route>) -> String {
    match &explanation.outcome {
        Outcome::Own { rest } => {
            format!("vestibule's own endpoint {rest:?}: no app sees the request")
        }
        Outcome::App {
            known: Some(known), ..
        } => format!("the app is told that {} is asking", known.identity.name),
        Outcome::App { known: None, .. } => "the app is not told who is asking".to_owned(),
        Outcome::Reply(reply)
            if reply.headers().contains_key(LOCATION) && is_too_old(asker, explanation, route) =>
        {
            format!("{TOO_OLD}: a browser goes to the sign-in page and comes back")
        }
        Outcome::Reply(reply) if reply.headers().contains_key(LOCATION) => {
            "the rule needs a sign-in: a browser goes to the sign-in page and comes back".to_owned()
        }
        Outcome::Reply(_) => {
            "a CORS preflight carries no credentials: it is answered here, and the app is not asked"
                .to_owned()
        }
        Outcome::Refuse(problem) => refusal(asker, explanation, problem),
    }
}

const TOO_OLD: &str = "the route asks for a fresher sign-in";

/// Whether somebody signed in came with a cookie, and signed in too long ago for this route.
fn is_too_old(asker: &Asker, explanation: &Explanation, route: Option<&Route>) -> bool {
    let max = route.and_then(|route| route.max_auth_age);
    match (asker, explanation.proof, max) {
        (
            Asker::User {
                session: SessionState::Live,
                signed_in_ago,
                ..
            },
            Some(Proof::Cookie),
            Some(max),
        ) => *signed_in_ago > max,
        _ => false,
    }
}

fn refusal(asker: &Asker, explanation: &Explanation, problem: &Problem) -> String {
    match (problem.code, asker) {
        ("forbidden", Asker::User { user, .. }) => {
            format!("the rule names neither {} nor a group of theirs", user.name)
        }
        ("missing_token", Asker::Stranger) => {
            "the rule needs a sign-in, and nobody is signed in".to_owned()
        }
        ("missing_token", Asker::User { .. }) => {
            "the rule needs a sign-in, and the route does not take the token this way".to_owned()
        }
        ("reauthentication_required", _) => TOO_OLD.to_owned(),
        ("token_expired", _) => "the access token has expired".to_owned(),
        ("token_revoked", _) => "the session has ended".to_owned(),
        ("csrf_rejected", _) => {
            let seen = explanation.seen.as_deref().unwrap_or_default();
            format!("browsers send cookies unasked, and another site may have sent this: {seen}")
        }
        ("not_found", _) => "the host is served, but no route has this path".to_owned(),
        ("misdirected_request", _) => {
            "the host is neither in server.public_url nor the host of a route".to_owned()
        }
        ("invalid_request", _) if explanation.facts.is_some() && explanation.route.is_none() => {
            "the readings of the path lead to different places".to_owned()
        }
        _ => "the request cannot be taken as it is".to_owned(),
    }
}
