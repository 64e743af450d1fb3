//! What is the audit log told of a refresh token that was presented?

use std::error::Error;

use crate::authenticate::{Judged, RefreshError, Refreshed};
use crate::observe::{Audit, Event, Person, Source};
use crate::session::Verdict;

/// What the table would say to whoever comes second.
const fn again(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Rotate => Verdict::Redeliver,
        Verdict::Same => Verdict::Same,
        Verdict::Straggler { .. } => Verdict::Straggler { first: false },
        verdict if ends_for_good(verdict) => Verdict::Revoked,
        verdict => verdict,
    }
}

/// Writes down what was decided. Failures are no decisions: the application log has them.
pub(super) fn note(audit: &Audit, source: &Source, outcome: &Result<Refreshed, RefreshError>) {
    match outcome {
        Ok(Refreshed::Tokens(_, judged)) => tell_refreshed(audit, source, judged),
        Ok(Refreshed::Refused { judged, .. }) => tell_refused(audit, source, judged.as_ref()),
        Ok(Refreshed::WrongType) => tell_refused(audit, source, None),
        Ok(Refreshed::NotOnTheWay) => {}
        // Whoever goes on asking must not fill the log.
        Err(RefreshError::TooOften(_)) => tracing::debug!("a session was refreshed too often"),
        Err(error) => {
            let error: &(dyn Error + 'static) = error;
            tracing::error!(error, "a refresh token could not be exchanged");
        }
    }
}

fn tell_refreshed(audit: &Audit, source: &Source, judged: &Judged) {
    let event = Event::Refreshed {
        verdict: judged.verdict,
        user: whose(judged),
        session_id: judged.session,
    };
    audit.tell(source, event);
}

fn tell_refused(audit: &Audit, source: &Source, judged: Option<&Judged>) {
    let event = match judged {
        Some(judged) if matches!(judged.verdict, Verdict::Reuse | Verdict::Fork) => {
            Event::SessionReuse {
                verdict: judged.verdict,
                user: whose(judged),
                session_id: judged.session,
            }
        }
        judged => Event::RefreshRefused {
            reason: judged.map(|judged| judged.verdict),
            user: judged.map(whose),
            session_id: judged.map(|judged| judged.session),
        },
    };
    audit.tell(source, event);
}

fn whose(judged: &Judged) -> Person<'_> {
    Person::new(&judged.user, judged.name.as_ref())
}

/// The same for somebody whom another one's exchange served. Failures were told by that one.
pub(super) fn note_again(
    audit: &Audit,
    source: &Source,
    outcome: &Result<Refreshed, RefreshError>,
) {
    let second = |judged: &Judged| Judged {
        verdict: again(judged.verdict),
        ..judged.clone()
    };
    match outcome {
        Ok(Refreshed::Tokens(_, judged)) => tell_refreshed(audit, source, &second(judged)),
        Ok(Refreshed::Refused { judged, .. }) => {
            let judged = judged.as_ref().map(second);
            tell_refused(audit, source, judged.as_ref());
        }
        Ok(Refreshed::WrongType | Refreshed::NotOnTheWay) | Err(_) => {}
    }
}

/// Whether every token of the session will be refused from now on, by its row alone.
pub(super) const fn ends_for_good(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Revoked | Verdict::UserChanged | Verdict::Reuse | Verdict::Fork => true,
        Verdict::Expired
        | Verdict::Same
        | Verdict::Rotate
        | Verdict::Redeliver
        | Verdict::Straggler { .. }
        | Verdict::FromTheFuture => false,
    }
}
