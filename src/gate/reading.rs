//! What does a request say, if it says one thing only?

use http::request::Parts;

use crate::gate::answer;
use crate::gate::observed::Noted;
use crate::gateway::Gateway;
use crate::reply::Reply;
use crate::request::{Ambiguous, Connection, Reader, RequestFacts, Wants};

/// The facts of a request, noted, or the answer to one that cannot be read in one way only.
pub(super) fn facts(
    gateway: &Gateway,
    parts: &Parts,
    connection: Connection,
    noted: &mut Noted,
) -> Result<RequestFacts, Box<Reply>> {
    match read_facts(gateway, parts, connection) {
        Ok(facts) => {
            noted.read(&facts);
            Ok(facts)
        }
        Err(ambiguous) => {
            noted.unread(gateway, connection, parts);
            let wants = Wants::read(&parts.method, &parts.headers);
            let problem = answer::ambiguous(&ambiguous);
            let reader = reader(gateway, parts, wants);
            Err(Box::new(gateway.pages.problem(&problem, wants, &reader)))
        }
    }
}

/// The facts of a request, with what the configuration says about proxies and hosts.
pub(super) fn read_facts(
    gateway: &Gateway,
    parts: &Parts,
    connection: Connection,
) -> Result<RequestFacts, Ambiguous> {
    let server = &gateway.config.server;
    let facts = RequestFacts::read(
        parts,
        connection,
        &server.trusted_proxies,
        &server.public_urls,
    )?;
    Ok(RequestFacts {
        reader: reader(gateway, parts, facts.wants),
        ..facts
    })
}

/// Who looks at the answer; nobody where it is not for people.
fn reader(gateway: &Gateway, parts: &Parts, wants: Wants) -> Reader {
    if wants.has_reader() {
        Reader::read(&parts.headers, gateway.cookies.language_name())
    } else {
        Reader::default()
    }
}
