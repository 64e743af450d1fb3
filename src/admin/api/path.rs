//! Which paths the API has, what they take, and which of them is meant.

use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use crate::reply::Problem;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Users,
    User,
    Password,
    Unlock,
    SessionsOfUser,
    Sessions,
    Session,
    Keys,
    Rotation,
    Key,
    Reload,
    Document,
}

/// The path after the prefix, and the methods it takes.
const PATHS: [(&str, Resource, &str); 12] = [
    ("/users", Resource::Users, "GET, HEAD, POST"),
    ("/users/{name}", Resource::User, "GET, HEAD, PATCH, DELETE"),
    ("/users/{name}/password", Resource::Password, "PUT"),
    ("/users/{name}/unlock", Resource::Unlock, "POST"),
    (
        "/users/{name}/sessions",
        Resource::SessionsOfUser,
        "GET, HEAD, DELETE",
    ),
    ("/sessions", Resource::Sessions, "GET, HEAD, DELETE"),
    ("/sessions/{id}", Resource::Session, "DELETE"),
    ("/keys", Resource::Keys, "GET, HEAD"),
    ("/keys/rotate", Resource::Rotation, "POST"),
    ("/keys/{kid}", Resource::Key, "DELETE"),
    ("/reload", Resource::Reload, "POST"),
    ("/openapi.json", Resource::Document, "GET, HEAD"),
];

/// A path that was found.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) resource: Resource,
    /// What stands where the braces are, decoded; empty where there are none.
    pub(super) parameter: String,
    allow: &'static str,
}

impl Path {
    /// The path that `rest` is.
    pub(super) fn find(rest: &str) -> Option<Self> {
        PATHS.iter().find_map(|(template, resource, allow)| {
            Some(Self {
                resource: *resource,
                parameter: parameter(template, rest)?,
                allow,
            })
        })
    }

    pub(super) fn allows(&self, method: &Method) -> bool {
        self.allow
            .split(", ")
            .any(|allowed| allowed == method.as_str())
    }

    /// Whether the body is read, and must be JSON.
    pub(super) fn takes_body(&self, method: &Method) -> bool {
        matches!(*method, Method::POST | Method::PUT | Method::PATCH)
            && self.allows(method)
            && !matches!(self.resource, Resource::Reload | Resource::Unlock)
    }

    /// 405.
    pub(super) fn wrong_method(&self) -> Box<Problem> {
        Box::new(Problem {
            allow: Some(self.allow),
            ..Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                format!("This address answers {} only.", self.allow),
            )
        })
    }
}

/// What stands where the braces are; `None` where `rest` is another path.
fn parameter(template: &str, rest: &str) -> Option<String> {
    let mut wanted = template.split('/');
    let mut given = rest.split('/');
    let mut parameter = String::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parameter),
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {
                parameter = percent_decode_str(given).decode_utf8().ok()?.into_owned();
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::admin::api::operation::DOCUMENT;

    #[test]
    fn a_path_is_found_with_its_parameter() {
        for (rest, found) in [
            ("/users", Some((Resource::Users, ""))),
            ("/users/ada", Some((Resource::User, "ada"))),
            ("/users/a%2Fb", Some((Resource::User, "a/b"))),
            ("/users/ada/password", Some((Resource::Password, "ada"))),
            ("/sessions/x", Some((Resource::Session, "x"))),
            ("/keys/x", Some((Resource::Key, "x"))),
            ("/keys/rotate", Some((Resource::Rotation, ""))),
            ("", None),
            ("/", None),
            ("/users/", None),
            ("/users//password", None),
            ("/users/%ff", None),
            ("/users/ada/", None),
            ("/users/ada/x", None),
            ("/Users", None),
        ] {
            let path = Path::find(rest);
            let path = path.as_ref().map(|path| (path.resource, &*path.parameter));
            assert_eq!(path, found, "{rest}");
        }
    }

    #[test]
    fn the_document_describes_what_the_router_knows_and_nothing_else() {
        let document: Value = serde_json::from_slice(DOCUMENT).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let methods = item.as_object().unwrap().keys();
            let methods = methods.filter(|key| *key != "parameters");
            described.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
        }
        let known: BTreeSet<String> = PATHS
            .iter()
            .flat_map(|(path, _, allow)| {
                let methods = allow.split(", ").filter(|method| *method != "HEAD");
                methods.map(move |method| format!("{method} {path}"))
            })
            .collect();
        assert_eq!(described, known);
    }
}
